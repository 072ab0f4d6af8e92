//! What was announced once, when the public saw a change of where a product is shown, and names and numbers that are read alike.

use crate::Step;

pub const STEP: Step = Step { name: "m0032_facts", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

/// Of SKUs that are there already, those with `from` get the key with `to`, unless another one of the SME is then read like it: those
/// stay as they are until they are edited.
macro_rules! read_as {
    ($from:literal, $to:literal) => {
        concat!(
            "update product_variants set sku_read = replace(sku_read, '",
            $from,
            "', '",
            $to,
            "') where sku_read like '%",
            $from,
            "%' \
             and not exists (select 1 from product_variants o where o.sme_id = product_variants.sme_id and o.id <> product_variants.id \
             and replace(o.sku_read, '",
            $from,
            "', '",
            $to,
            "') = replace(product_variants.sku_read, '",
            $from,
            "', '",
            $to,
            "'));\n"
        )
    };
}

// The audit trail tells who was announced: it holds every step, and nobody takes a row out of it. What is neither a draft nor
// cancelled was announced, whatever the trail says. The sessions of what is announced keep the names by which calendars know them.
//
// A GTIN of 8, 12 or 13 digits is one of 14 with zeros before it. Of numbers that were taken for different ones, the oldest gets
// the key.
const TABLES: &str = concat!(
    "
alter table exhibitions add column announced_at $time;
alter table exhibitions add column calendar_sessions $json;
alter table exhibitions add column calendar_sessions_from $day;
update exhibitions set announced_at = coalesce(
    (select min(a.at) from audit_log a where a.entity = 'exhibition' and a.entity_id = exhibitions.id
        and a.action in ('announce', 'open', 'close', 'publish_lineup', 'start', 'complete', 'postpone')),
    case when status <> 'cancelled' or previous_precision is not null then created_at end) where status <> 'draft';
update exhibitions set calendar_sessions = opening_hours, calendar_sessions_from = coalesce(starts_on, previous_starts_on)
    where announced_at is not null;

alter table product_variants add column gtin_read text;
update product_variants set gtin_read = substr('000000' || gtin, length(gtin) - 7) where length(gtin) between 8 and 14;
create index product_variants_gtin_twice on product_variants (gtin_read);
update product_variants set gtin_read = null where gtin_read is not null and deleted_at is null and exists (select 1 from product_variants o
    where o.gtin_read = product_variants.gtin_read and o.deleted_at is null and o.id < product_variants.id);
drop index product_variants_gtin_twice;
create unique index product_variants_gtin_read on product_variants (gtin_read) where deleted_at is null;
",
    read_as!("‐", "-"),
    read_as!("‒", "-"),
    read_as!("–", "-"),
    read_as!("—", "-"),
    read_as!("―", "-"),
    read_as!("−", "-"),
    read_as!("‘", "''"),
    read_as!("’", "''"),
    read_as!("ʼ", "''"),
    read_as!("ʻ", "''"),
    read_as!("′", "''"),
    read_as!("`", "''"),
    read_as!("×", "x"),
    "
alter table storefront_products add column is_outdated $int not null default 0;
update storefront_products set is_outdated = 1 where exists (select 1 from product_images i
    join product_images o on o.product_id = i.product_id and o.position < i.position
    where i.product_id = storefront_products.product_id and i.is_primary = 1);
"
);

// By trigger, so that a statement typed by hand counts, and a replica of an older version. A product's page names the exhibitions
// that show it: with them its last change moves on.
const SQLITE: &str = "
create trigger exhibitions_announced after update of status on exhibitions
    when new.announced_at is null and old.status = 'draft' and new.status not in ('draft', 'cancelled') begin
    update exhibitions set announced_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now') where id = new.id;
end;
create trigger storefront_shown_exhibition after update of title, slug, status on exhibitions
    when (new.status in ('lineup_published', 'ongoing', 'completed', 'archived') or old.status in ('lineup_published', 'ongoing', 'completed', 'archived'))
        and (new.title <> old.title or new.slug <> old.slug or (new.status in ('lineup_published', 'ongoing', 'completed', 'archived'))
            <> (old.status in ('lineup_published', 'ongoing', 'completed', 'archived'))) begin
    update storefront_changes set changed_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now') where product_id in
        (select l.product_id from lineup_items l join applications a on a.id = l.application_id and a.status in ('confirmed', 'attended')
            where l.exhibition_id = new.id);
end;
create trigger storefront_shown_insert after insert on lineup_items begin
    update storefront_changes set changed_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now') where product_id = new.product_id
        and exists (select 1 from exhibitions e where e.id = new.exhibition_id
            and e.status in ('lineup_published', 'ongoing', 'completed', 'archived'))
        and exists (select 1 from applications a where a.id = new.application_id and a.status in ('confirmed', 'attended'))
        and not exists (select 1 from lineup_items o where o.exhibition_id = new.exhibition_id and o.product_id = new.product_id and o.id <> new.id);
end;
create trigger storefront_shown_delete after delete on lineup_items begin
    update storefront_changes set changed_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now') where product_id = old.product_id
        and exists (select 1 from exhibitions e where e.id = old.exhibition_id
            and e.status in ('lineup_published', 'ongoing', 'completed', 'archived'))
        and exists (select 1 from applications a where a.id = old.application_id and a.status in ('confirmed', 'attended'))
        and not exists (select 1 from lineup_items o where o.exhibition_id = old.exhibition_id and o.product_id = old.product_id and o.id <> old.id);
end;
create trigger storefront_shown_application after update of status on applications
    when (new.status in ('confirmed', 'attended')) <> (old.status in ('confirmed', 'attended')) begin
    update storefront_changes set changed_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now') where product_id in
        (select l.product_id from lineup_items l join exhibitions e on e.id = l.exhibition_id
            and e.status in ('lineup_published', 'ongoing', 'completed', 'archived') where l.application_id = new.id);
end;
";

// Not deferred: the rows are locked before the catalogue version is, as they are when a product is listed, and in the order of
// their ids, so that no two transactions wait for each other.
const POSTGRES: &str = "
create function exhibitions_announced() returns trigger language plpgsql as $$
begin
    new.announced_at := now();
    return new;
end $$;
create trigger exhibitions_announced before update of status on exhibitions for each row
    when (new.announced_at is null and old.status = 'draft' and new.status not in ('draft', 'cancelled')) execute function exhibitions_announced();

create function storefront_shown(products uuid[]) returns void language plpgsql as $$
begin
    perform 1 from storefront_changes where product_id = any (products) order by product_id for update;
    update storefront_changes set changed_at = now() where product_id = any (products);
end $$;
create function storefront_shown_exhibition() returns trigger language plpgsql as $$
begin
    perform storefront_shown(array(select l.product_id from lineup_items l
        join applications a on a.id = l.application_id and a.status in ('confirmed', 'attended') where l.exhibition_id = new.id));
    return null;
end $$;
create trigger storefront_shown_exhibition after update of title, slug, status on exhibitions for each row
    when ((new.status in ('lineup_published', 'ongoing', 'completed', 'archived') or old.status in ('lineup_published', 'ongoing', 'completed', 'archived'))
        and (new.title <> old.title or new.slug <> old.slug or (new.status in ('lineup_published', 'ongoing', 'completed', 'archived'))
            <> (old.status in ('lineup_published', 'ongoing', 'completed', 'archived')))) execute function storefront_shown_exhibition();
create function storefront_shown_item() returns trigger language plpgsql as $$
declare item lineup_items;
begin
    if tg_op = 'DELETE' then item := old; else item := new; end if;
    perform storefront_shown(array[item.product_id]) from exhibitions e join applications a on a.id = item.application_id
        where e.id = item.exhibition_id and e.status in ('lineup_published', 'ongoing', 'completed', 'archived')
            and a.status in ('confirmed', 'attended') and not exists (select 1 from lineup_items o
                where o.exhibition_id = item.exhibition_id and o.product_id = item.product_id and o.id <> item.id);
    return null;
end $$;
create trigger storefront_shown_item after insert or delete on lineup_items for each row execute function storefront_shown_item();
create function storefront_shown_application() returns trigger language plpgsql as $$
begin
    perform storefront_shown(array(select l.product_id from lineup_items l join exhibitions e on e.id = l.exhibition_id
        and e.status in ('lineup_published', 'ongoing', 'completed', 'archived') where l.application_id = new.id));
    return null;
end $$;
create trigger storefront_shown_application after update of status on applications for each row
    when ((new.status in ('confirmed', 'attended')) <> (old.status in ('confirmed', 'attended'))) execute function storefront_shown_application();
";
