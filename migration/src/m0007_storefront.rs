//! The read model of the public side, and who keeps it honest.

use crate::Step;

pub const STEP: Step = Step { name: "m0007_storefront", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

const TABLES: &str = "
create table storefront_products (
    product_id $uuid primary key references products (id),
    sme_id $uuid not null references smes (id),
    sme_handle text not null,
    handle text not null,
    listed $int not null check (listed in (0, 1)),
    category_path text not null,
    regency_code text not null,
    price_minor $int not null,
    published_at $time not null,
    title_sort text $binary not null,
    card_id text not null,
    card_en text not null,
    detail_id text not null,
    detail_en text not null,
    search_text text not null
) $strict;
create index storefront_newest on storefront_products (published_at desc, product_id desc) where listed = 1;
create index storefront_price on storefront_products (price_minor, product_id) where listed = 1;
create index storefront_title on storefront_products (title_sort, product_id) where listed = 1;
create index storefront_category on storefront_products (category_path, published_at desc, product_id desc)
    where listed = 1;
create index storefront_region on storefront_products (regency_code, published_at desc, product_id desc)
    where listed = 1;
create index storefront_sme on storefront_products (sme_id);
create unique index storefront_handle on storefront_products (sme_handle, handle) where listed = 1;
";

// A suspended SME or a paused product leaves the public side with the statement that suspends it,
// even one typed by hand into the database. Only the application lists again, with a fresh card.
const SQLITE: &str = "
create virtual table storefront_search using fts5 (search_text, content = 'storefront_products',
    tokenize = 'unicode61');
create trigger storefront_search_insert after insert on storefront_products begin
    insert into storefront_search (rowid, search_text) values (new.rowid, new.search_text);
end;
create trigger storefront_search_delete after delete on storefront_products begin
    insert into storefront_search (storefront_search, rowid, search_text)
        values ('delete', old.rowid, old.search_text);
end;
create trigger storefront_search_update after update of search_text on storefront_products begin
    insert into storefront_search (storefront_search, rowid, search_text)
        values ('delete', old.rowid, old.search_text);
    insert into storefront_search (rowid, search_text) values (new.rowid, new.search_text);
end;
create trigger products_unlist after update of status, deleted_at on products
    when new.status <> 'published' or new.deleted_at is not null begin
    update storefront_products set listed = 0 where product_id = new.id;
end;
create trigger smes_unlist after update of status on smes when new.status <> 'verified' begin
    update storefront_products set listed = 0 where sme_id = new.id;
end;
";

const POSTGRES: &str = "
create index storefront_search on storefront_products using gin (to_tsvector('simple', search_text));
create function products_unlist() returns trigger language plpgsql as $$
begin update storefront_products set listed = 0 where product_id = new.id; return null; end $$;
create trigger products_unlist after update of status, deleted_at on products for each row
    when (new.status <> 'published' or new.deleted_at is not null) execute function products_unlist();
create function smes_unlist() returns trigger language plpgsql as $$
begin update storefront_products set listed = 0 where sme_id = new.id; return null; end $$;
create trigger smes_unlist after update of status on smes for each row
    when (new.status <> 'verified') execute function smes_unlist();
";
