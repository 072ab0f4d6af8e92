//! Categories, products, variants and materials.

use crate::Step;

pub const STEP: Step = Step { name: "m0004_catalogue", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

const TABLES: &str = "
create table categories (
    id $uuid primary key,
    parent_id $uuid references categories (id),
    slug text not null unique,
    path text not null unique,
    name $json not null,
    is_food $int not null check (is_food in (0, 1)),
    default_kbli text,
    position $int not null,
    check (path = slug or path like '%/' || slug)
) $strict;

create table products (
    id $uuid primary key,
    sme_id $uuid not null references smes (id),
    category_id $uuid not null references categories (id),
    handle text not null check (length(handle) between 2 and 80),
    title $json not null,
    summary $json,
    description $json,
    status text not null check (status in ('draft', 'submitted', 'changes_requested', 'rejected',
        'published', 'paused', 'suspended', 'archived')),
    status_reason text,
    reason_codes $json not null,
    made_to_order $int not null default 0 check (made_to_order in (0, 1)),
    lead_time_days $int check (lead_time_days between 0 and 365),
    shelf_life_days $int check (shelf_life_days between 1 and 3650),
    storage text check (storage in ('ambient', 'chilled', 'frozen')),
    ingredients $json,
    allergens $json,
    published_at $time,
    deleted_at $time,
    version $int not null default 1,
    created_at $time not null,
    updated_at $time not null,
    unique (sme_id, id),
    check (status not in ('changes_requested', 'rejected', 'suspended') or status_reason is not null),
    check (status <> 'published' or published_at is not null)
) $strict;
create unique index products_handle on products (sme_id, handle) where deleted_at is null;
create index products_status on products (status, id) where deleted_at is null;

create table product_handle_history (
    sme_id $uuid not null references smes (id),
    handle text not null,
    product_id $uuid not null references products (id),
    primary key (sme_id, handle)
) $strict;

create table product_variants (
    id $uuid primary key,
    sme_id $uuid not null,
    product_id $uuid not null,
    sku text check (length(sku) between 1 and 64),
    options $json not null,
    price_minor $int not null check (price_minor >= 0),
    currency text not null default 'IDR' check (length(currency) = 3),
    moq $int not null default 1 check (moq >= 1),
    order_multiple $int not null default 1 check (order_multiple >= 1),
    net_content_value $int check (net_content_value > 0),
    net_content_unit text check (net_content_unit in ('g', 'kg', 'ml', 'l', 'pcs')),
    weight_g $int check (weight_g > 0),
    length_mm $int check (length_mm > 0),
    width_mm $int check (width_mm > 0),
    height_mm $int check (height_mm > 0),
    gtin text,
    stock_policy text not null check (stock_policy in ('track', 'made_to_order', 'untracked')),
    on_hand $int not null default 0 check (on_hand >= 0),
    position $int not null,
    deleted_at $time,
    foreign key (sme_id, product_id) references products (sme_id, id),
    check (currency <> 'IDR' or price_minor % 100 = 0),
    check ((net_content_value is null) = (net_content_unit is null))
) $strict;
create index product_variants_product on product_variants (product_id, position);
create unique index product_variants_sku on product_variants (sme_id, sku) where deleted_at is null;
create unique index product_variants_gtin on product_variants (gtin) where deleted_at is null;

create table product_materials (
    id $uuid primary key,
    product_id $uuid not null references products (id),
    name $json not null,
    origin text not null check (origin in
        ('virgin', 'recycled', 'upcycled_industrial', 'upcycled_household', 'natural')),
    waste_source $json,
    mass_share_bp $int not null check (mass_share_bp between 0 and 10000),
    grams_diverted_per_unit $int check (grams_diverted_per_unit >= 0),
    verification text not null default 'self_declared'
        check (verification in ('self_declared', 'document', 'verified'))
) $strict;
create index product_materials_product on product_materials (product_id);
";

// The mass shares of one product never pass 100 %.
const SQLITE: &str = "
create trigger material_shares_insert after insert on product_materials
    when (select sum(mass_share_bp) from product_materials where product_id = new.product_id) > 10000
    begin select raise(abort, 'material_shares_over_100'); end;
create trigger material_shares_update after update on product_materials
    when (select sum(mass_share_bp) from product_materials where product_id = new.product_id) > 10000
    begin select raise(abort, 'material_shares_over_100'); end;
";

const POSTGRES: &str = "
create function material_shares() returns trigger language plpgsql as $$
begin
    perform 1 from products where id = new.product_id for update;
    if (select sum(mass_share_bp) from product_materials where product_id = new.product_id) > 10000 then
        raise exception 'material_shares_over_100' using errcode = 'check_violation';
    end if;
    return null;
end $$;
create trigger material_shares after insert or update on product_materials
    for each row execute function material_shares();
";
