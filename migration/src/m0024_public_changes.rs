//! When the public last saw something else of a product, for sitemaps.

use crate::Step;

pub const STEP: Step = Step { name: "m0024_public_changes", tables: TABLE, sqlite: SQLITE, postgres: POSTGRES };

// Of what is listed already, the last change of the product itself is the best that is known.
const TABLE: &str = "
alter table storefront_changes add column changed_at $time;
update storefront_changes set changed_at = (select p.updated_at from products p where p.id = storefront_changes.product_id);
";

// By trigger, as the log is kept, so that a statement typed by hand counts, and a replica of an older version. A row that is
// written again with the same content is no change.
const SQLITE: &str = "
create trigger storefront_dated_insert after insert on storefront_products begin
    insert into storefront_changes (product_id, version, changed_at)
        select new.product_id, version, strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now') from catalogue_version where true
        on conflict (product_id) do update set changed_at = excluded.changed_at;
end;
create trigger storefront_dated_update after update on storefront_products
    when new.detail_id <> old.detail_id or new.detail_en <> old.detail_en or new.sme_handle <> old.sme_handle
        or new.handle <> old.handle or new.listed <> old.listed begin
    insert into storefront_changes (product_id, version, changed_at)
        select new.product_id, version, strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now') from catalogue_version where true
        on conflict (product_id) do update set changed_at = excluded.changed_at;
end;
";

const POSTGRES: &str = "
create function storefront_dated() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and (new.detail_id, new.detail_en, new.sme_handle, new.handle, new.listed)
        is not distinct from (old.detail_id, old.detail_en, old.sme_handle, old.handle, old.listed) then
        return null;
    end if;
    insert into storefront_changes (product_id, version, changed_at) select new.product_id, version, now() from catalogue_version
        on conflict (product_id) do update set changed_at = excluded.changed_at;
    return null;
end $$;
create trigger storefront_dated after insert or update on storefront_products for each row execute function storefront_dated();
";
