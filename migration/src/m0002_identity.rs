//! Users, sessions, sign-in throttling, agencies and their staff.

use crate::Step;

pub const STEP: Step = Step { name: "m0002_identity", tables: TABLES, sqlite: "", postgres: "" };

const TABLES: &str = "
create table users (
    id $uuid primary key,
    email text not null check (email = lower(email) and length(email) between 3 and 254),
    display_name text not null check (length(display_name) between 1 and 120),
    locale text not null default 'id' check (locale in ('id', 'en')),
    password_hash text not null,
    is_operator $int not null default 0 check (is_operator in (0, 1)),
    status text not null default 'active' check (status in ('active', 'disabled')),
    created_at $time not null
) $strict;
create unique index users_email on users (email);

create table sessions (
    id $uuid primary key,
    user_id $uuid not null references users (id),
    token_hash text not null unique,
    user_agent text not null,
    created_at $time not null,
    last_seen_at $time not null,
    expires_at $time not null,
    revoked_at $time
) $strict;
create index sessions_user on sessions (user_id, id);

create table sign_in_failures (
    id $uuid primary key,
    subject text not null,
    at $time not null
) $strict;
create index sign_in_failures_subject on sign_in_failures (subject, at);

create table agencies (
    id $uuid primary key,
    name text not null check (length(name) between 1 and 200),
    kind text not null check (kind in ('city_office', 'province_office', 'ministry', 'association')),
    regency_code text,
    time_zone text not null,
    created_at $time not null
) $strict;

create table agency_members (
    agency_id $uuid not null references agencies (id),
    user_id $uuid not null references users (id),
    role text not null check (role in ('officer', 'mentor', 'coordinator', 'curator', 'head')),
    created_at $time not null,
    primary key (agency_id, user_id, role)
) $strict;
create index agency_members_user on agency_members (user_id);
";
