//! Venues, exhibitions, participation and the line-up.

use crate::Step;

pub const STEP: Step = Step { name: "m0006_exhibitions", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

const TABLES: &str = "
create table exhibitions (
    id $uuid primary key,
    agency_id $uuid not null references agencies (id),
    slug text not null unique check (length(slug) between 2 and 80),
    title $json not null,
    description $json,
    city text not null,
    province_code text not null,
    venue $json,
    opening_hours $json not null,
    starts_on $day,
    ends_on $day,
    date_precision text not null check (date_precision in ('day', 'month', 'year', 'unknown')),
    time_zone text not null,
    status text not null check (status in ('draft', 'announced', 'applications_open', 'curation',
        'lineup_published', 'ongoing', 'completed', 'archived', 'cancelled')),
    status_reason text,
    lineup_frozen_at $time,
    source text,
    source_status text check (source_status in ('verified', 'secondary', 'unverified')),
    is_demo $int not null default 0 check (is_demo in (0, 1)),
    version $int not null default 1,
    created_at $time not null,
    updated_at $time not null,
    check (ends_on >= starts_on),
    check ((starts_on is null) = (ends_on is null)),
    check (date_precision = 'unknown' or starts_on is not null),
    check (date_precision <> 'unknown' or starts_on is null),
    check (status not in ('applications_open', 'ongoing') or date_precision = 'day'),
    check (status <> 'cancelled' or status_reason is not null)
) $strict;

create table applications (
    id $uuid primary key,
    exhibition_id $uuid not null references exhibitions (id),
    sme_id $uuid not null references smes (id),
    status text not null check (status in ('draft', 'submitted', 'under_review', 'accepted', 'waitlisted',
        'rejected', 'confirmed', 'declined', 'lapsed', 'withdrawn', 'attended', 'no_show')),
    note text,
    created_at $time not null,
    unique (exhibition_id, sme_id),
    unique (exhibition_id, sme_id, id)
) $strict;
create index applications_sme on applications (sme_id);

create table lineup_items (
    id $uuid primary key,
    exhibition_id $uuid not null,
    sme_id $uuid not null,
    application_id $uuid not null,
    product_id $uuid not null,
    variant_id $uuid not null references product_variants (id),
    units_planned $int not null check (units_planned between 1 and 1000000),
    exhibition_price_minor $int check (exhibition_price_minor >= 0),
    currency text not null default 'IDR',
    is_sample $int not null check (is_sample in (0, 1)),
    position $int not null,
    version $int not null default 1,
    created_at $time not null,
    unique (application_id, variant_id),
    foreign key (exhibition_id, sme_id, application_id) references applications (exhibition_id, sme_id, id),
    foreign key (sme_id, product_id) references products (sme_id, id),
    check (currency <> 'IDR' or exhibition_price_minor % 100 = 0)
) $strict;
create index lineup_items_exhibition on lineup_items (exhibition_id, position, id);
create index lineup_items_product on lineup_items (product_id, exhibition_id);
";

// A line-up takes published products only, by confirmed exhibitors, until it is frozen.
const SQLITE: &str = "
create trigger lineup_takes_published before insert on lineup_items
    when not exists (select 1 from products p join product_variants v on v.product_id = p.id
        where v.id = new.variant_id and p.id = new.product_id and p.status = 'published'
            and p.deleted_at is null and v.deleted_at is null)
    begin select raise(abort, 'lineup_takes_published'); end;
create trigger lineup_takes_confirmed before insert on lineup_items
    when not exists (select 1 from applications where id = new.application_id and status = 'confirmed')
    begin select raise(abort, 'lineup_takes_confirmed'); end;
create trigger lineup_frozen_insert before insert on lineup_items
    when (select lineup_frozen_at from exhibitions where id = new.exhibition_id) is not null
    begin select raise(abort, 'lineup_frozen'); end;
create trigger lineup_frozen_update before update on lineup_items
    when (select lineup_frozen_at from exhibitions where id = old.exhibition_id) is not null
    begin select raise(abort, 'lineup_frozen'); end;
create trigger lineup_frozen_delete before delete on lineup_items
    when (select lineup_frozen_at from exhibitions where id = old.exhibition_id) is not null
    begin select raise(abort, 'lineup_frozen'); end;
";

const POSTGRES: &str = "
create function lineup_guard() returns trigger language plpgsql as $$
declare item lineup_items := coalesce(new, old);
begin
    if (select lineup_frozen_at from exhibitions where id = item.exhibition_id for share) is not null then
        raise exception 'lineup_frozen' using errcode = 'check_violation';
    end if;
    if tg_op = 'INSERT' then
        perform 1 from products p join product_variants v on v.product_id = p.id
            where v.id = item.variant_id and p.id = item.product_id and p.status = 'published'
                and p.deleted_at is null and v.deleted_at is null for share;
        if not found then
            raise exception 'lineup_takes_published' using errcode = 'check_violation';
        end if;
        perform 1 from applications where id = item.application_id and status = 'confirmed' for share;
        if not found then
            raise exception 'lineup_takes_confirmed' using errcode = 'check_violation';
        end if;
    end if;
    return item;
end $$;
create trigger lineup_guard before insert or update or delete on lineup_items
    for each row execute function lineup_guard();
";
