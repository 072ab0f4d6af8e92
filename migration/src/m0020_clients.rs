//! Programs that use the API: their keys, by hash, the web pages that may use them, and what they used.

use crate::Step;

pub const STEP: Step = Step { name: "m0020_clients", tables: TABLES, sqlite: "", postgres: "" };

// A rotated key stays valid for a while; the one without an end is the current one, and there is one at most.
const TABLES: &str = "
create table api_clients (
    id $uuid primary key,
    sme_id $uuid references smes (id),
    agency_id $uuid references agencies (id),
    name text not null,
    kind text not null check (kind in ('publishable', 'secret')),
    scopes $json not null default '[]',
    rate_tier text not null check (rate_tier in ('basic', 'standard', 'high')),
    created_by $uuid not null references users (id),
    created_at $time not null,
    expires_at $time,
    revoked_at $time,
    last_used_at $time,
    version $int not null default 1,
    check ((sme_id is null) <> (agency_id is null))
) $strict;
create index api_clients_sme on api_clients (sme_id, id) where sme_id is not null;
create index api_clients_agency on api_clients (agency_id, id) where agency_id is not null;

create table api_client_origins (
    client_id $uuid not null references api_clients (id),
    origin text not null,
    primary key (client_id, origin)
) $strict;
create index api_client_origins_origin on api_client_origins (origin);

create table api_keys (
    id $uuid primary key,
    client_id $uuid not null references api_clients (id),
    prefix text not null,
    key_hash text not null check (length(key_hash) = 64),
    created_at $time not null,
    expires_at $time
) $strict;
create unique index api_keys_hash on api_keys (key_hash);
create unique index api_keys_current on api_keys (client_id) where expires_at is null;

create table api_usage (
    client_id $uuid not null references api_clients (id),
    day $day not null,
    requests $int not null,
    refused $int not null,
    primary key (client_id, day)
) $strict;

alter table audit_log add column api_client_id $uuid;
";
