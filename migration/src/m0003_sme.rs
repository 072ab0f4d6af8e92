//! SME profiles, memberships, invitations, classifications, Bimtek programmes and WUB groups.

use crate::Step;

pub const STEP: Step = Step { name: "m0003_sme", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

const TABLES: &str = "
create table smes (
    id $uuid primary key,
    handle text not null check (length(handle) between 2 and 80),
    brand_name text not null check (length(brand_name) between 1 and 120),
    legal_name text not null check (length(legal_name) between 1 and 200),
    story $json not null,
    regency_code text not null,
    time_zone text not null,
    street text,
    phone text,
    whatsapp text,
    email text,
    website text,
    public_contacts $json not null,
    founded_year $int check (founded_year between 1800 and 2200),
    status text not null check (status in ('pending', 'verified', 'rejected', 'suspended', 'closed')),
    status_reason text,
    is_demo $int not null default 0 check (is_demo in (0, 1)),
    version $int not null default 1,
    created_at $time not null,
    updated_at $time not null,
    check (status not in ('rejected', 'suspended') or status_reason is not null)
) $strict;
create unique index smes_handle on smes (handle);

create table sme_handle_history (
    handle text primary key,
    sme_id $uuid not null references smes (id)
) $strict;

create table sme_agencies (
    sme_id $uuid not null references smes (id),
    agency_id $uuid not null references agencies (id),
    primary key (sme_id, agency_id)
) $strict;
create index sme_agencies_agency on sme_agencies (agency_id, sme_id);

create table sme_memberships (
    sme_id $uuid not null references smes (id),
    user_id $uuid not null references users (id),
    role text not null check (role in ('owner', 'staff')),
    created_at $time not null,
    primary key (sme_id, user_id)
) $strict;
create index sme_memberships_user on sme_memberships (user_id);

create table invitations (
    id $uuid primary key,
    sme_id $uuid references smes (id),
    agency_id $uuid references agencies (id),
    email text not null check (email = lower(email)),
    role text not null,
    token_hash text not null unique,
    invited_by $uuid not null references users (id),
    created_at $time not null,
    expires_at $time not null,
    accepted_at $time,
    revoked_at $time,
    check ((sme_id is null) <> (agency_id is null)),
    check (sme_id is null or role in ('owner', 'staff')),
    check (agency_id is null or role in ('officer', 'mentor', 'coordinator', 'curator', 'head'))
) $strict;
create unique index invitations_open_sme on invitations (sme_id, email)
    where accepted_at is null and revoked_at is null and sme_id is not null;
create unique index invitations_open_agency on invitations (agency_id, email, role)
    where accepted_at is null and revoked_at is null and agency_id is not null;

create table classification_codes (
    scheme text not null check (scheme in ('KBLI', 'HS')),
    version text not null,
    code text not null,
    title $json not null,
    verified text not null check (verified in ('verified', 'secondary', 'unverified')),
    primary key (scheme, version, code)
) $strict;

create table classification_crosswalks (
    scheme text not null,
    from_version text not null,
    from_code text not null,
    to_version text not null,
    to_code text not null,
    relation text not null check (relation in ('same', 'moved', 'changed_meaning')),
    primary key (scheme, from_version, from_code, to_version, to_code),
    foreign key (scheme, from_version, from_code) references classification_codes (scheme, version, code),
    foreign key (scheme, to_version, to_code) references classification_codes (scheme, version, code)
) $strict;

create table sme_classifications (
    sme_id $uuid not null references smes (id),
    scheme text not null,
    version text not null,
    code text not null,
    is_primary $int not null check (is_primary in (0, 1)),
    primary key (sme_id, scheme, version, code),
    foreign key (scheme, version, code) references classification_codes (scheme, version, code)
) $strict;
create unique index sme_classifications_primary on sme_classifications (sme_id) where is_primary = 1;

create table programmes (
    id $uuid primary key,
    agency_id $uuid not null references agencies (id),
    kind text not null check (kind in ('bimtek', 'mentoring', 'incubation')),
    title $json not null,
    organiser text not null,
    venue text,
    starts_on $day not null,
    ends_on $day not null,
    time_zone text not null,
    quota $int check (quota >= 0),
    enrolled_count $int not null default 0 check (enrolled_count >= 0),
    source text not null,
    source_status text not null check (source_status in ('verified', 'secondary', 'unverified')),
    created_at $time not null,
    check (ends_on >= starts_on),
    check (quota is null or enrolled_count <= quota)
) $strict;

create table wub_groups (
    id $uuid primary key,
    agency_id $uuid not null references agencies (id),
    name $json not null,
    focus text not null,
    source text not null,
    source_status text not null check (source_status in ('verified', 'secondary', 'unverified')),
    created_at $time not null
) $strict;

create table wub_members (
    group_id $uuid not null references wub_groups (id),
    sme_id $uuid not null references smes (id),
    primary key (group_id, sme_id)
) $strict;
";

const SQLITE: &str = "
create trigger sme_keeps_an_owner_on_delete after delete on sme_memberships
    when old.role = 'owner' and not exists
        (select 1 from sme_memberships where sme_id = old.sme_id and role = 'owner')
    begin select raise(abort, 'sme_keeps_an_owner'); end;
create trigger sme_keeps_an_owner_on_update after update on sme_memberships
    when old.role = 'owner' and not exists
        (select 1 from sme_memberships where sme_id = old.sme_id and role = 'owner')
    begin select raise(abort, 'sme_keeps_an_owner'); end;
";

// The row lock on the SME serialises two owners who leave at the same moment.
const POSTGRES: &str = "
create function sme_keeps_an_owner() returns trigger language plpgsql as $$
begin
    perform 1 from smes where id = old.sme_id for update;
    if old.role = 'owner' and not exists
        (select 1 from sme_memberships where sme_id = old.sme_id and role = 'owner') then
        raise exception 'sme_keeps_an_owner' using errcode = 'check_violation';
    end if;
    return null;
end $$;
create trigger sme_keeps_an_owner after update or delete on sme_memberships
    for each row execute function sme_keeps_an_owner();
";
