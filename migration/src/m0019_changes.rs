//! A log of what enters, changes and leaves the public catalogue: one row per product, with the catalogue version of
//! its last change. The index of every process and clients that keep a copy follow it.

use crate::Step;

pub const STEP: Step = Step { name: "m0019_changes", tables: TABLE, sqlite: SQLITE, postgres: POSTGRES };

// What has left stays in the log, so the product is not a foreign key.
const TABLE: &str = "
create table storefront_changes (
    product_id $uuid primary key,
    version $int not null
) $strict;
create index storefront_changes_version on storefront_changes (version, product_id);
insert into storefront_changes (product_id, version)
    select p.product_id, v.version from storefront_products p, catalogue_version v;
";

// By trigger, so that a statement typed by hand is in the log too, and a replica of an older version. The version moves with
// the change; its row stays locked until the commit, so that versions become visible in their order.
const SQLITE: &str = "
create trigger storefront_changed_insert after insert on storefront_products begin
    update catalogue_version set version = version + 1;
    insert into storefront_changes (product_id, version) select new.product_id, version from catalogue_version where true
        on conflict (product_id) do update set version = excluded.version;
end;
create trigger storefront_changed_update after update on storefront_products begin
    update catalogue_version set version = version + 1;
    insert into storefront_changes (product_id, version) select new.product_id, version from catalogue_version where true
        on conflict (product_id) do update set version = excluded.version;
end;
create trigger storefront_changed_delete after delete on storefront_products begin
    update catalogue_version set version = version + 1;
    insert into storefront_changes (product_id, version) select old.product_id, version from catalogue_version where true
        on conflict (product_id) do update set version = excluded.version;
end;
";

// Deferred to the commit, so that two transactions that wait for each other's products don't wait for the version as well.
const POSTGRES: &str = "
create function storefront_changed() returns trigger language plpgsql as $$
declare
    moved bigint;
    changed uuid;
begin
    if tg_op = 'DELETE' then changed := old.product_id; else changed := new.product_id; end if;
    update catalogue_version set version = version + 1 returning version into moved;
    insert into storefront_changes (product_id, version) values (changed, moved)
        on conflict (product_id) do update set version = excluded.version;
    return null;
end $$;
create constraint trigger storefront_changed after insert or update or delete on storefront_products
    deferrable initially deferred for each row execute function storefront_changed();
";
