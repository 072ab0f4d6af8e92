//! Multiplies the demo's public products until there are as many as asked for, and adds photos of ten renditions each with
//! their objects: `fill 10000 3000`. Takes the same `ETALASE_*` settings as the service, which must have been started with
//! demo data before.

use anyhow::Context;
use chrono::{Duration, Utc};
use etalase::{
    app::App,
    config::Config,
    http::work::hex,
    platform::database::{insert_many, sql},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use rand::RngCore;
use sea_orm::ConnectionTrait;
use sha2::{Digest, Sha256};
use uuid::Uuid;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let wanted: usize = std::env::args().nth(1).context("how many?")?.parse()?;
    let app = App::start(Config::load(None, &[])?).await?;
    let reader = app.database.reader();
    let rows = reader.query_all_raw(sql(reader, "select product_id from storefront_products where listed = 1 order by product_id", [])).await?;
    let templates: Vec<Uuid> = rows.iter().map(|row| row.try_get("", "product_id")).collect::<Result<_, _>>()?;
    let products = "insert into products (id, sme_id, category_id, handle, title, summary, description, status, reason_codes, made_to_order, \
                    published_at, created_at, updated_at) select ?, sme_id, category_id, ?, title, summary, description, status, reason_codes, \
                    made_to_order, published_at, created_at, updated_at from products where id = ?";
    let listed = "insert into storefront_products (product_id, sme_id, sme_handle, handle, listed, category_path, regency_code, price_minor, \
                  published_at, title_sort, card_id, card_en, detail_id, detail_en, search_text) select id, p.sme_id, s.sme_handle, p.handle, 1, \
                  s.category_path, s.regency_code, s.price_minor, p.published_at, s.title_sort, s.card_id, s.card_en, s.detail_id, s.detail_en, \
                  s.search_text from products p join storefront_products s on s.product_id = ? where p.id = ?";
    for (index, template) in templates.iter().cycle().take(wanted.saturating_sub(templates.len())).enumerate() {
        let (id, at) = (Uuid::now_v7(), Utc::now() - Duration::minutes(index as i64));
        let work = app.database.begin().await?;
        work.execute_raw(sql(&work, products, [id.into(), format!("load-{index}").into(), (*template).into()])).await?;
        work.execute_raw(sql(&work, "update products set published_at = ? where id = ?", [at.into(), id.into()])).await?;
        work.execute_raw(sql(&work, listed, [(*template).into(), id.into()])).await?;
        work.commit().await?;
    }
    let work = app.database.begin().await?;
    work.execute_raw(sql(&work, "update catalogue_version set version = version + 1", [])).await?;
    work.commit().await?;
    let photos: usize = std::env::args().nth(2).map_or(Ok(0), |photos| photos.parse())?;
    stream::iter((0..photos).map(|_| photo(&app))).buffer_unordered(8).try_collect::<()>().await
}

/// A photo as processing leaves it, of random bytes in place of a picture.
async fn photo(app: &App) -> anyhow::Result<()> {
    let id = Uuid::now_v7();
    let (original, key) = (random(100_000), format!("originals/{id}"));
    app.bucket.put(&key, &original, "image/jpeg").await?;
    let mut renditions = Vec::new();
    for (format, extension, mime) in [("webp", "webp", "image/webp"), ("jpeg", "jpg", "image/jpeg")] {
        for width in [160_i64, 320, 640, 960, 1280] {
            let bytes = random(32_000);
            let key = format!("img/{}/{}.{extension}", id.simple(), &hex(&Sha256::digest(&bytes))[..32]);
            app.bucket.put(&key, &bytes, mime).await?;
            renditions.push(vec![id.into(), format.into(), width.into(), width.into(), (bytes.len() as i64).into(), key.into()]);
        }
    }
    let work = app.database.begin().await?;
    let text = "insert into media_assets (id, owner_sme_id, sha256, original_key, mime, bytes, width, height, status, original_kept, created_at, updated_at) \
                select ?, id, ?, ?, 'image/jpeg', ?, 1600, 1200, 'ready', 1, ?, ? from smes order by id limit 1";
    let (digest, at) = (hex(&Sha256::digest(&original)), Utc::now());
    let values = [id.into(), digest.into(), key.into(), (original.len() as i64).into(), at.into(), at.into()];
    work.execute_raw(sql(&work, text, values)).await?;
    insert_many(&work, "media_renditions (asset_id, format, width, height, bytes, object_key)", renditions).await?;
    Ok(work.commit().await?)
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
