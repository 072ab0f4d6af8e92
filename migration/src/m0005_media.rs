//! Media assets, renditions and the images of products.

use crate::Step;

pub const STEP: Step = Step { name: "m0005_media", tables: TABLES, sqlite: SQLITE, postgres: POSTGRES };

const TABLES: &str = "
create table media_assets (
    id $uuid primary key,
    owner_sme_id $uuid not null references smes (id),
    sha256 text not null check (length(sha256) = 64),
    original_key text not null,
    mime text not null,
    bytes $int not null check (bytes > 0),
    width $int,
    height $int,
    status text not null check (status in ('processing', 'ready', 'failed', 'deleting')),
    failure_code text,
    placeholder text,
    dominant_color text,
    created_at $time not null,
    updated_at $time not null,
    unique (owner_sme_id, id),
    check (status <> 'ready' or (width is not null and height is not null)),
    check (status <> 'failed' or failure_code is not null)
) $strict;
create unique index media_assets_once on media_assets (owner_sme_id, sha256) where status <> 'deleting';

create table media_renditions (
    asset_id $uuid not null references media_assets (id),
    format text not null check (format in ('webp', 'jpeg')),
    width $int not null check (width > 0),
    height $int not null check (height > 0),
    bytes $int not null check (bytes > 0),
    object_key text not null,
    primary key (asset_id, format, width)
) $strict;
create index media_renditions_key on media_renditions (object_key);

create table product_images (
    id $uuid primary key,
    sme_id $uuid not null,
    product_id $uuid not null,
    asset_id $uuid not null,
    position $int not null,
    is_primary $int not null check (is_primary in (0, 1)),
    focal_x $int not null default 5000 check (focal_x between 0 and 10000),
    focal_y $int not null default 5000 check (focal_y between 0 and 10000),
    alt $json not null,
    foreign key (sme_id, product_id) references products (sme_id, id),
    foreign key (sme_id, asset_id) references media_assets (owner_sme_id, id),
    unique (product_id, asset_id)
) $strict;
create unique index product_images_primary on product_images (product_id) where is_primary = 1;
create index product_images_product on product_images (product_id, position);
create index product_images_asset on product_images (asset_id);
";

// An image in use can't be marked for deletion, whoever asks.
const SQLITE: &str = "
create trigger media_in_use before update of status on media_assets
    when new.status = 'deleting' and exists (select 1 from product_images where asset_id = new.id)
    begin select raise(abort, 'media_in_use'); end;
";

const POSTGRES: &str = "
create function media_in_use() returns trigger language plpgsql as $$
begin
    if new.status = 'deleting' and exists (select 1 from product_images where asset_id = new.id) then
        raise exception 'media_in_use' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger media_in_use before update of status on media_assets
    for each row execute function media_in_use();
";
