//! Halls, batches, booths, and who stands where: the draft plan and the live one.

use crate::Step;

pub const STEP: Step = Step { name: "m0013_booths", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

// Composite keys keep everything of a plan within one exhibition. An index, not code, keeps a slot from being given
// twice.
const TABLES: &str = "
alter table applications add column power_needed_w $int not null default 0 check (power_needed_w between 0 and 100000);
create unique index applications_in_exhibition on applications (exhibition_id, id);

create table halls (
    id $uuid primary key,
    exhibition_id $uuid not null references exhibitions (id),
    name text not null check (length(name) between 1 and 120),
    width_mm $int not null check (width_mm between 1000 and 1000000),
    depth_mm $int not null check (depth_mm between 1000 and 1000000),
    unique (exhibition_id, id),
    unique (exhibition_id, name)
) $strict;

create table exhibition_batches (
    id $uuid primary key,
    exhibition_id $uuid not null references exhibitions (id),
    name text not null check (length(name) between 1 and 120),
    starts_on $day not null,
    ends_on $day not null,
    unique (exhibition_id, id),
    unique (exhibition_id, name),
    check (ends_on >= starts_on)
) $strict;

create table booths (
    id $uuid primary key,
    exhibition_id $uuid not null references exhibitions (id),
    hall_id $uuid not null,
    code text not null check (length(code) between 1 and 20),
    class text not null check (length(class) between 1 and 40),
    x_mm $int not null check (x_mm >= 0),
    y_mm $int not null check (y_mm >= 0),
    width_mm $int not null check (width_mm between 500 and 100000),
    depth_mm $int not null check (depth_mm between 500 and 100000),
    power_w $int not null check (power_w between 0 and 100000),
    fee_minor $int not null check (fee_minor >= 0 and fee_minor % 100 = 0),
    is_blocked $int not null default 0 check (is_blocked in (0, 1)),
    unique (exhibition_id, id),
    unique (exhibition_id, code),
    foreign key (exhibition_id, hall_id) references halls (exhibition_id, id)
) $strict;

create table booth_slots (
    exhibition_id $uuid not null,
    booth_id $uuid not null,
    slot_no $int not null check (slot_no between 1 and 10),
    primary key (booth_id, slot_no),
    unique (exhibition_id, booth_id, slot_no),
    foreign key (exhibition_id, booth_id) references booths (exhibition_id, id)
) $strict;

create table booth_assignments (
    id $uuid primary key,
    exhibition_id $uuid not null,
    batch_id $uuid not null,
    booth_id $uuid not null,
    slot_no $int not null,
    application_id $uuid not null,
    plan text not null check (plan in ('draft', 'live')),
    status text not null check (status in ('held', 'confirmed', 'checked_in', 'released', 'no_show')),
    created_at $time not null,
    foreign key (exhibition_id, batch_id) references exhibition_batches (exhibition_id, id),
    foreign key (exhibition_id, booth_id, slot_no) references booth_slots (exhibition_id, booth_id, slot_no),
    foreign key (exhibition_id, application_id) references applications (exhibition_id, id)
) $strict;
create unique index booth_slot_once on booth_assignments (plan, booth_id, slot_no, batch_id)
    where status in ('held', 'confirmed', 'checked_in');
create unique index one_place_per_batch on booth_assignments (plan, application_id, batch_id)
    where status in ('held', 'confirmed', 'checked_in');
create index booth_assignments_exhibition on booth_assignments (exhibition_id, plan);

create table exhibition_plans (
    exhibition_id $uuid primary key references exhibitions (id),
    version $int not null default 1,
    published_at $time
) $strict;
";

const SQLITE: &str = "
create trigger batches_apart_insert before insert on exhibition_batches
    when exists (select 1 from exhibition_batches b where b.exhibition_id = new.exhibition_id and b.id <> new.id
        and b.starts_on <= new.ends_on and new.starts_on <= b.ends_on)
    begin select raise(abort, 'batches_apart'); end;
create trigger batches_apart_update before update on exhibition_batches
    when exists (select 1 from exhibition_batches b where b.exhibition_id = new.exhibition_id and b.id <> new.id
        and b.starts_on <= new.ends_on and new.starts_on <= b.ends_on)
    begin select raise(abort, 'batches_apart'); end;
create trigger booth_for_accepted before insert on booth_assignments
    when new.status in ('held', 'confirmed', 'checked_in')
        and not exists (select 1 from applications where id = new.application_id and status in ('accepted', 'confirmed', 'attended') and lead_id is null)
    begin select raise(abort, 'booth_for_accepted'); end;
create trigger booth_not_blocked before insert on booth_assignments
    when exists (select 1 from booths where id = new.booth_id and is_blocked = 1)
    begin select raise(abort, 'booth_not_blocked'); end;
create trigger place_lost_frees_booth after update of status on applications
    when new.status not in ('accepted', 'confirmed', 'attended', 'no_show')
    begin update booth_assignments set status = 'released' where application_id = new.id and status in ('held', 'confirmed'); end;
";

const POSTGRES: &str = "
create function batches_apart() returns trigger language plpgsql as $$
begin
    perform 1 from exhibitions where id = new.exhibition_id for no key update;
    if exists (select 1 from exhibition_batches b where b.exhibition_id = new.exhibition_id and b.id <> new.id
        and b.starts_on <= new.ends_on and new.starts_on <= b.ends_on) then
        raise exception 'batches_apart' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger batches_apart before insert or update on exhibition_batches for each row execute function batches_apart();
create function booth_guard() returns trigger language plpgsql as $$
begin
    if new.status in ('held', 'confirmed', 'checked_in') then
        perform 1 from applications where id = new.application_id and status in ('accepted', 'confirmed', 'attended') and lead_id is null for share;
        if not found then
            raise exception 'booth_for_accepted' using errcode = 'check_violation';
        end if;
    end if;
    perform 1 from booths where id = new.booth_id and is_blocked = 0 for share;
    if not found then
        raise exception 'booth_not_blocked' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger booth_guard before insert on booth_assignments for each row execute function booth_guard();
create function place_lost_frees_booth() returns trigger language plpgsql as $$
begin
    if new.status not in ('accepted', 'confirmed', 'attended', 'no_show') then
        update booth_assignments set status = 'released' where application_id = new.id and status in ('held', 'confirmed');
    end if;
    return new;
end $$;
create trigger place_lost_frees_booth after update of status on applications for each row execute function place_lost_frees_booth();
";
