//! The call of an exhibition: when and how to apply, what is required, and what becomes of applications.

use crate::Step;

pub const STEP: Step = Step { name: "m0012_calls", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

// `taken` counts places that are offered or confirmed; a trigger moves it, and its check is the capacity.
const TABLES: &str = "
create table exhibition_calls (
    exhibition_id $uuid primary key references exhibitions (id),
    intro $json not null,
    opens_at $time not null,
    closes_at $time not null,
    confirm_by $time not null,
    capacity $int not null check (capacity between 1 and 10000),
    taken $int not null default 0,
    version $int not null default 1,
    decisions_version $int not null default 1,
    check (closes_at > opens_at),
    check (confirm_by >= closes_at),
    constraint exhibition_is_full check (taken between 0 and capacity)
) $strict;

create table requirement_rules (
    id $uuid primary key,
    exhibition_id $uuid not null references exhibitions (id),
    scope text not null,
    any_of $json not null,
    valid_through text not null check (valid_through in ('start', 'end')),
    severity text not null check (severity in ('block', 'warn')),
    effective_from $day,
    source text
) $strict;
create index requirement_rules_exhibition on requirement_rules (exhibition_id);

create table call_questions (
    id $uuid primary key,
    exhibition_id $uuid not null references exhibitions (id),
    position $int not null,
    text $json not null,
    kind text not null check (kind in ('text', 'number', 'boolean', 'choice')),
    options $json not null,
    scope text not null,
    is_required $int not null check (is_required in (0, 1))
) $strict;
create index call_questions_exhibition on call_questions (exhibition_id, position, id);

alter table applications add column lead_id $uuid references applications (id) check (lead_id <> id);
alter table applications add column pitch $json;
alter table applications add column answers $json not null default '{}';
alter table applications add column pending_decision text
    check (pending_decision in ('accept', 'waitlist', 'reject'))
    check (pending_decision is null or status in ('submitted', 'under_review'));
alter table applications add column decision_reason text;
alter table applications add column waitlist_rank $int;
alter table applications add column submitted_at $time;
alter table applications add column decided_at $time check (status not in ('accepted', 'waitlisted', 'rejected') or decided_at is not null);
alter table applications add column confirm_by $time check (status <> 'accepted' or confirm_by is not null);
alter table applications add column version $int not null default 1;
create index applications_exhibition on applications (exhibition_id, status, id);
create index applications_lead on applications (lead_id) where lead_id is not null;

create table application_products (
    application_id $uuid not null references applications (id),
    product_id $uuid not null references products (id),
    primary key (application_id, product_id)
) $strict;
";

const SQLITE: &str = "
create trigger application_takes_place_insert after insert on applications
    when new.lead_id is null and new.status in ('accepted', 'confirmed', 'attended', 'no_show')
    begin update exhibition_calls set taken = taken + 1 where exhibition_id = new.exhibition_id; end;
create trigger application_takes_place after update of status on applications
    when new.lead_id is null and (new.status in ('accepted', 'confirmed', 'attended', 'no_show'))
        <> (old.status in ('accepted', 'confirmed', 'attended', 'no_show'))
    begin update exhibition_calls set taken = taken + case when new.status in ('accepted', 'confirmed', 'attended', 'no_show')
        then 1 else -1 end where exhibition_id = new.exhibition_id; end;
create trigger call_counts_places after insert on exhibition_calls
    begin update exhibition_calls set taken = (select count(*) from applications where exhibition_id = new.exhibition_id
        and lead_id is null and status in ('accepted', 'confirmed', 'attended', 'no_show')) where exhibition_id = new.exhibition_id; end;
create trigger application_products_own before insert on application_products
    when not exists (select 1 from applications a join products p on p.sme_id = a.sme_id
        where a.id = new.application_id and p.id = new.product_id)
    begin select raise(abort, 'application_products_own'); end;
";

const POSTGRES: &str = "
create function application_takes_place() returns trigger language plpgsql as $$
declare
    now_taken int := (new.status in ('accepted', 'confirmed', 'attended', 'no_show'))::int;
    was_taken int := 0;
begin
    if tg_op = 'UPDATE' then
        was_taken := (old.status in ('accepted', 'confirmed', 'attended', 'no_show'))::int;
    end if;
    if new.lead_id is null and now_taken <> was_taken then
        update exhibition_calls set taken = taken + now_taken - was_taken where exhibition_id = new.exhibition_id;
    end if;
    return new;
end $$;
create trigger application_takes_place after insert or update of status on applications
    for each row execute function application_takes_place();
create function call_counts_places() returns trigger language plpgsql as $$
begin
    new.taken := (select count(*) from applications where exhibition_id = new.exhibition_id and lead_id is null
        and status in ('accepted', 'confirmed', 'attended', 'no_show'));
    return new;
end $$;
create trigger call_counts_places before insert on exhibition_calls for each row execute function call_counts_places();
create function application_products_own() returns trigger language plpgsql as $$
begin
    perform 1 from applications a join products p on p.sme_id = a.sme_id where a.id = new.application_id and p.id = new.product_id;
    if not found then
        raise exception 'application_products_own' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger application_products_own before insert on application_products
    for each row execute function application_products_own();
";
