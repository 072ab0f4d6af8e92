//! Multiplies the demo's public products until there are as many as asked for, and adds photos of ten renditions each with
//! their objects: `fill 10000 3000`. Takes the same `ETALASE_*` settings as the service, which must have been started with
//! demo data before.

use anyhow::Context;
use chrono::{Duration, Utc};
use etalase::{
    app::App,
    config::Config,
    platform::database::{insert_many, sql},
    storefront::search::entry::Entry,
    values::Localized,
    values::hex,
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
    let read = "select product_id, search_text, (select count(*) from storefront_products) as there from storefront_products \
                where listed = 1 and handle not like 'load-%' order by product_id";
    let rows = reader.query_all_raw(sql(reader, read, [])).await?;
    let templates: Vec<(Uuid, Entry)> = rows
        .iter()
        .map(|row| Ok((row.try_get("", "product_id")?, Entry::from_row(&row.try_get::<String>("", "search_text")?))))
        .collect::<anyhow::Result<_>>()?;
    let products = "insert into products (id, sme_id, category_id, handle, title, summary, description, status, reason_codes, made_to_order, \
                    published_at, created_at, updated_at) select ?, sme_id, category_id, ?, title, summary, description, status, reason_codes, \
                    made_to_order, ?, created_at, updated_at from products where id = ?";
    let listed = "insert into storefront_products (product_id, sme_id, sme_handle, handle, listed, category_path, regency_code, price_minor, \
                  published_at, title_sort, card_id, card_en, detail_id, detail_en, search_text) select p.id, p.sme_id, s.sme_handle, p.handle, 1, \
                  s.category_path, ?, ?, p.published_at, s.title_sort, s.card_id, s.card_en, s.detail_id, s.detail_en, \
                  ? from products p join storefront_products s on s.product_id = ? where p.id = ?";
    let there: i64 = rows.first().context("start the service with demo data before")?.try_get("", "there")?;
    let numbers: Vec<usize> = (there as usize..wanted).collect();
    for batch in numbers.chunks(500) {
        let work = app.database.begin().await?;
        for number in batch {
            let (template, entry) = &templates[number % templates.len()];
            let (id, at) = (Uuid::now_v7(), Utc::now() - Duration::minutes(*number as i64));
            work.execute_raw(sql(&work, products, [id.into(), format!("load-{number}").into(), at.into(), (*template).into()])).await?;
            let (region, price) = (format!("36.{:02}", number % 40), 100 * (1_000 + (number * 37 % 2_000) as i64 * 500));
            let text = serde_json::to_string(&varied(entry, *number))?;
            work.execute_raw(sql(&work, listed, [region.into(), price.into(), text.into(), (*template).into(), id.into()])).await?;
        }
        work.commit().await?;
    }
    let work = app.database.begin().await?;
    work.execute_raw(sql(&work, "update catalogue_version set version = version + 1", [])).await?;
    work.commit().await?;
    let photos: usize = std::env::args().nth(2).map_or(Ok(0), |photos| photos.parse())?;
    stream::iter((0..photos).map(|_| photo(&app))).buffer_unordered(8).try_collect::<()>().await
}

/// The same product with other words: of some 10,000, as a catalogue of this size has.
fn varied(entry: &Entry, number: usize) -> Entry {
    const SYLLABLES: [&str; 10] = ["ba", "ke", "ra", "ti", "na", "lo", "du", "mi", "so", "pa"];
    let word = |seed: usize| -> String { [1, 10, 100, 1000].iter().map(|place| SYLLABLES[seed / place % 10]).collect() };
    let mut entry = entry.clone();
    for name in &mut entry.name {
        name.id = format!("{} {}", name.id, word(number));
    }
    entry.text.push(Localized { id: (1..8).map(|n| word(number * n * 7 + n)).collect::<Vec<_>>().join(" "), en: None });
    entry
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
