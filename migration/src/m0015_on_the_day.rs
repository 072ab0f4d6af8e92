//! What an applicant would like, the line-up as it was frozen, set-up documents, check-in and daily reports.

use crate::Step;

pub const STEP: Step = Step { name: "m0015_on_the_day", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

// A day without a row was not reported: a row with zeros is a report of zero.
const TABLES: &str = "
alter table applications add column preferred_batch_id $uuid references exhibition_batches (id);
alter table applications add column preferred_booth_class text check (length(preferred_booth_class) <= 40);
alter table applications add column check_in_code text;
create unique index applications_check_in_code on applications (exhibition_id, check_in_code);

alter table lineup_items add column frozen_title $json;
alter table lineup_items add column frozen_brand_name text;
alter table lineup_items add column frozen_price_minor $int;

create table setup_documents (
    id $uuid primary key,
    exhibition_id $uuid not null references exhibitions (id),
    title $json not null,
    body $json not null,
    must_acknowledge $int not null check (must_acknowledge in (0, 1)),
    version $int not null default 1,
    created_at $time not null,
    unique (exhibition_id, id)
) $strict;

create table setup_acknowledgements (
    exhibition_id $uuid not null,
    document_id $uuid not null,
    application_id $uuid not null,
    document_version $int not null,
    acknowledged_by $uuid not null references users (id),
    at $time not null,
    primary key (document_id, application_id, document_version),
    foreign key (exhibition_id, document_id) references setup_documents (exhibition_id, id),
    foreign key (exhibition_id, application_id) references applications (exhibition_id, id)
) $strict;

create table check_ins (
    id $uuid primary key,
    exhibition_id $uuid not null,
    application_id $uuid not null,
    batch_id $uuid,
    at $time not null,
    recorded_by $uuid not null references users (id),
    recorded_at $time not null,
    foreign key (exhibition_id, application_id) references applications (exhibition_id, id),
    foreign key (exhibition_id, batch_id) references exhibition_batches (exhibition_id, id)
) $strict;
create unique index check_in_once on check_ins (application_id, batch_id) where batch_id is not null;
create unique index check_in_once_without_batch on check_ins (application_id) where batch_id is null;
create index check_ins_exhibition on check_ins (exhibition_id, id);

create table daily_reports (
    exhibition_id $uuid not null,
    application_id $uuid not null,
    day $day not null,
    status text not null check (status in ('reported', 'corrected')),
    sales_minor $int not null check (sales_minor between 0 and 10000000000000 and sales_minor % 100 = 0),
    currency text not null default 'IDR' check (currency = 'IDR'),
    transactions $int not null check (transactions between 0 and 1000000),
    units $int not null check (units between 0 and 10000000),
    visitors $int check (visitors between 0 and 10000000),
    orders_minor $int not null check (orders_minor between 0 and 10000000000000 and orders_minor % 100 = 0),
    note text check (length(note) <= 1000),
    reported_by $uuid not null references users (id),
    reported_at $time not null,
    version $int not null default 1,
    primary key (application_id, day),
    foreign key (exhibition_id, application_id) references applications (exhibition_id, id)
) $strict;
create index daily_reports_exhibition on daily_reports (exhibition_id, day);
";

const SQLITE: &str = "
update applications set check_in_code = upper(hex(randomblob(5)));
create trigger check_in_for_confirmed before insert on check_ins
    when not exists (select 1 from applications where id = new.application_id and status in ('confirmed', 'attended', 'no_show'))
    begin select raise(abort, 'check_in_for_confirmed'); end;
create trigger report_by_exhibitor before insert on daily_reports
    when not exists (select 1 from applications a join exhibitions e on e.id = a.exhibition_id where a.id = new.application_id
        and a.status in ('confirmed', 'attended') and new.day between e.starts_on and e.ends_on)
    begin select raise(abort, 'report_by_exhibitor'); end;
create trigger report_by_exhibitor_update before update of application_id, day on daily_reports
    begin select raise(abort, 'report_by_exhibitor'); end;
";

const POSTGRES: &str = "
update applications set check_in_code = upper(substr(replace(gen_random_uuid()::text, '-', ''), 1, 10));
create function check_in_for_confirmed() returns trigger language plpgsql as $$
begin
    perform 1 from applications where id = new.application_id and status in ('confirmed', 'attended', 'no_show') for share;
    if not found then
        raise exception 'check_in_for_confirmed' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger check_in_for_confirmed before insert on check_ins for each row execute function check_in_for_confirmed();
create function report_by_exhibitor() returns trigger language plpgsql as $$
begin
    perform 1 from applications a join exhibitions e on e.id = a.exhibition_id where a.id = new.application_id
        and a.status in ('confirmed', 'attended') and new.day between e.starts_on and e.ends_on;
    if tg_op = 'UPDATE' or not found then
        raise exception 'report_by_exhibitor' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger report_by_exhibitor before insert or update of application_id, day on daily_reports
    for each row execute function report_by_exhibitor();
";
