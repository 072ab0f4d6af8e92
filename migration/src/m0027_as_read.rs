//! SKUs and options of variants as people read them, whatever their case, width and spaces.

use crate::Step;

pub const STEP: Step = Step { name: "m0027_as_read", tables: TABLES, sqlite: "", postgres: "" };

// The program folds them (`values::reading`); both are absent in rows of an older version until they are written again. Of SKUs
// that are there already and were taken for different ones, the oldest gets the key; the others stay as they are until they are
// edited.
const TABLES: &str = "
alter table product_variants add column sku_read text;
alter table product_variants add column options_read text;
update product_variants set sku_read = lower(trim(sku)) where sku is not null and trim(sku) <> '' and deleted_at is null
    and not exists (select 1 from product_variants o where o.sme_id = product_variants.sme_id and o.deleted_at is null
        and o.id < product_variants.id and lower(trim(o.sku)) = lower(trim(product_variants.sku)));
create unique index product_variants_sku_read on product_variants (sme_id, sku_read) where deleted_at is null;
create unique index product_variants_options_read on product_variants (product_id, options_read) where deleted_at is null;
";
