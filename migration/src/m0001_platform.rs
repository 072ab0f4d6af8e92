//! Jobs, idempotency keys, the audit trail and the catalogue version.

use crate::Step;

pub const STEP: Step = Step { name: "m0001_platform", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

const TABLES: &str = "
create table jobs (
    id $uuid primary key,
    kind text not null,
    subject_id $uuid not null,
    run_at $time not null,
    attempts $int not null default 0,
    locked_until $time,
    last_error text,
    dead $int not null default 0 check (dead in (0, 1)),
    created_at $time not null,
    unique (kind, subject_id)
) $strict;
create index jobs_due on jobs (run_at) where dead = 0;

create table idempotency_keys (
    principal text not null,
    key text not null check (length(key) between 1 and 255),
    fingerprint text not null,
    status $int,
    etag text,
    location text,
    body text,
    locked_until $time not null,
    expires_at $time not null,
    primary key (principal, key)
) $strict;
create index idempotency_keys_expiry on idempotency_keys (expires_at);

create table audit_log (
    id $uuid primary key,
    at $time not null,
    actor_user_id $uuid,
    on_behalf_of_sme_id $uuid,
    action text not null,
    entity text not null,
    entity_id $uuid not null,
    change $json,
    reason text,
    request_id text not null
) $strict;
create index audit_log_entity on audit_log (entity, entity_id, id);

create table catalogue_version (
    only_row $int primary key check (only_row = 1),
    version $int not null
) $strict;
insert into catalogue_version (only_row, version) values (1, 1);

create table service_facts (
    name text primary key,
    value text not null
) $strict;
";

// The audit trail is append-only; that is held by the database, not by the code that writes.
const SQLITE: &str = "
create trigger audit_log_no_update before update on audit_log
    begin select raise(abort, 'audit_log is append-only'); end;
create trigger audit_log_no_delete before delete on audit_log
    begin select raise(abort, 'audit_log is append-only'); end;
";

const POSTGRES: &str = "
create function refuse_change() returns trigger language plpgsql as $$
begin raise exception '% is append-only', tg_table_name using errcode = 'check_violation'; end $$;
create trigger audit_log_no_change before update or delete on audit_log
    for each row execute function refuse_change();
";
