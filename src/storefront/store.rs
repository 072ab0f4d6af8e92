//! SQL of the read model.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use uuid::Uuid;

use crate::{
    exhibitions::store::{LINEUP_IS_PUBLIC, TAKES_PART},
    fault::Outcome,
    platform::database::{Connection, marks, select, sql},
    values::Localized,
};

/// A row of the read model.
pub struct Row {
    pub product: Uuid,
    pub sme: Uuid,
    pub sme_handle: String,
    pub handle: String,
    pub category_path: String,
    pub regency_code: String,
    pub price_minor: i64,
    pub published_at: DateTime<Utc>,
    pub title_sort: String,
    pub card: Localized,
    pub detail: Localized,
    /// An `Entry` as JSON.
    pub search_text: String,
}

/// A listed product for a feed.
#[derive(FromQueryResult)]
pub struct FeedRow {
    pub product_id: Uuid,
    pub sme_handle: String,
    pub handle: String,
    /// When the public last saw something else.
    pub changed_at: DateTime<Utc>,
    /// In the shape that was asked for.
    pub json: String,
}

/// How much of a product a feed is made from.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Card,
    Detail,
}

/// Listed products by id, as cards. `language` is `id` or `en`.
pub async fn feed(connection: &Connection, language: &str, after: Uuid, limit: i64) -> Outcome<Vec<FeedRow>> {
    feed_of(connection, Shape::Card, language, after, limit).await
}

/// Listed products by id.
pub async fn feed_of(connection: &Connection, shape: Shape, language: &str, after: Uuid, limit: i64) -> Outcome<Vec<FeedRow>> {
    let column = match shape {
        Shape::Card => "card",
        Shape::Detail => "detail",
    };
    let text = format!(
        "select p.product_id, p.sme_handle, p.handle, coalesce(c.changed_at, p.published_at) as changed_at, p.{column}_{language} as json \
         from storefront_products p left join storefront_changes c on c.product_id = p.product_id \
         where p.listed = 1 and p.product_id > ? order by p.product_id limit ?"
    );
    select(connection, &text, [after.into(), limit.into()]).await
}

#[derive(FromQueryResult)]
struct Start {
    product_id: Uuid,
}

/// After which products the pages of `size` begin: the first page after none.
pub async fn page_starts(connection: &Connection, size: i64) -> Outcome<Vec<Uuid>> {
    let text = "select product_id from (select product_id, row_number() over (order by product_id) as place from storefront_products where listed = 1) x \
                where place % ? = 0 order by product_id limit 1000";
    let rows: Vec<Start> = select(connection, text, [size.into()]).await?;
    Ok([Uuid::nil()].into_iter().chain(rows.into_iter().map(|row| row.product_id)).collect())
}

/// Lists a product, or refreshes what is listed.
pub async fn list(connection: &Connection, row: Row) -> Outcome<()> {
    let text = "insert into storefront_products (product_id, sme_id, sme_handle, handle, listed, category_path, regency_code, \
                price_minor, published_at, title_sort, card_id, card_en, detail_id, detail_en, search_text) \
                values (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (product_id) do update set \
                sme_handle = excluded.sme_handle, handle = excluded.handle, listed = 1, category_path = excluded.category_path, \
                regency_code = excluded.regency_code, price_minor = excluded.price_minor, published_at = excluded.published_at, \
                title_sort = excluded.title_sort, card_id = excluded.card_id, card_en = excluded.card_en, \
                detail_id = excluded.detail_id, detail_en = excluded.detail_en, search_text = excluded.search_text, is_outdated = 0";
    let values: [Value; 14] = [
        row.product.into(),
        row.sme.into(),
        row.sme_handle.into(),
        row.handle.into(),
        row.category_path.into(),
        row.regency_code.into(),
        row.price_minor.into(),
        row.published_at.into(),
        row.title_sort.into(),
        row.card.id.into(),
        row.card.en.into(),
        row.detail.id.into(),
        row.detail.en.into(),
        row.search_text.into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// Takes a product off the public side; returns whether it was on it.
pub async fn unlist(connection: &Connection, product: Uuid) -> Outcome<bool> {
    let text = "delete from storefront_products where product_id = ?";
    Ok(connection.execute_raw(sql(connection, text, [product.into()])).await?.rows_affected() == 1)
}

#[derive(FromQueryResult)]
struct Shown {
    product_id: Uuid,
    json: String,
}

/// Cards of these products, as far as they are listed, in no order. `language` is `id` or `en`.
pub async fn cards(connection: &Connection, products: &[Uuid], language: &str) -> Outcome<HashMap<Uuid, Arc<str>>> {
    shown(connection, products, &format!("card_{language}")).await
}

/// Everything that a product by itself has, of these products, as far as they are listed.
pub async fn details(connection: &Connection, products: &[Uuid], language: &str) -> Outcome<HashMap<Uuid, Arc<str>>> {
    shown(connection, products, &format!("detail_{language}")).await
}

async fn shown(connection: &Connection, products: &[Uuid], column: &str) -> Outcome<HashMap<Uuid, Arc<str>>> {
    if products.is_empty() {
        return Ok(HashMap::new());
    }
    let text = format!("select product_id, {column} as json from storefront_products where listed = 1 and product_id in ({})", marks(products.len()));
    let rows: Vec<Shown> = select(connection, &text, products.iter().map(|id| (*id).into())).await?;
    Ok(rows.into_iter().map(|row| (row.product_id, row.json.into())).collect())
}

/// Some products that were listed by a version that kept less of them, or showed them otherwise.
pub async fn outdated(connection: &Connection) -> Outcome<Vec<Uuid>> {
    let text =
        "select product_id from storefront_products where listed = 1 and (is_outdated = 1 or search_text not like '{%\"attributes\":%') limit 200";
    let rows: Vec<Start> = select(connection, text, []).await?;
    Ok(rows.into_iter().map(|row| row.product_id).collect())
}

#[derive(FromQueryResult)]
pub struct Change {
    pub product_id: Uuid,
    pub version: i64,
    /// Absent if the product has left.
    pub card: Option<String>,
}

/// Products that were listed, changed or left after a version and id, in that order.
pub async fn changes(connection: &Connection, after: (i64, Uuid), limit: u32, language: &str) -> Outcome<Vec<Change>> {
    let text = format!(
        "select c.product_id, c.version, p.card_{language} as card from storefront_changes c \
         left join storefront_products p on p.product_id = c.product_id and p.listed = 1 \
         where (c.version, c.product_id) > (?, ?) order by c.version, c.product_id limit {limit}"
    );
    select(connection, &text, [after.0.into(), after.1.into()]).await
}

/// How a product is asked for.
pub enum Address<'a> {
    Id(Uuid),
    Handles(&'a str, &'a str),
}

#[derive(FromQueryResult)]
pub struct ListedDetail {
    pub product_id: Uuid,
    pub detail: String,
    pub sme_handle: String,
    pub handle: String,
}

/// A listed product by id, or by the handles it has or had.
pub async fn detail(connection: &Connection, address: Address<'_>, language: &str) -> Outcome<Option<ListedDetail>> {
    let select =
        format!("select p.product_id, p.detail_{language} as detail, p.sme_handle, p.handle from storefront_products p where p.listed = 1 and ");
    let statement = match address {
        Address::Id(id) => sql(connection, &format!("{select} p.product_id = ?"), [id.into()]),
        Address::Handles(sme, handle) => {
            let text = format!(
                "{select} p.sme_id = coalesce((select id from smes where handle = ?), (select sme_id from sme_handle_history where handle = ?)) \
                 and (p.handle = ? or p.product_id = (select h.product_id from product_handle_history h where h.sme_id = p.sme_id and h.handle = ?)) \
                 order by case when p.handle = ? then 0 else 1 end limit 1"
            );
            sql(connection, &text, [sme.into(), sme.into(), handle.into(), handle.into(), handle.into()])
        }
    };
    let row = connection.query_one_raw(statement).await?;
    Ok(row.map(|row| ListedDetail::from_query_result(&row, "")).transpose()?)
}

#[derive(FromQueryResult)]
pub struct ShownAt {
    pub slug: String,
    pub title: Localized,
}

/// The exhibitions whose public line-up holds a product.
pub async fn shown_at(connection: &Connection, product: Uuid) -> Outcome<Vec<ShownAt>> {
    let text = format!(
        "select e.slug, e.title from exhibitions e where e.status in {LINEUP_IS_PUBLIC} and e.id in \
         (select l.exhibition_id from lineup_items l join applications a on a.id = l.application_id and a.status in {TAKES_PART} \
         where l.product_id = ?) order by e.id desc limit 50"
    );
    let rows = connection.query_all_raw(sql(connection, &text, [product.into()])).await?;
    Ok(rows.iter().map(|row| ShownAt::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

#[derive(FromQueryResult)]
pub struct SmeRow {
    pub id: Uuid,
    pub handle: String,
    pub brand_name: String,
    pub story: Localized,
    pub regency_code: String,
    pub founded_year: Option<i64>,
    pub is_demo: i64,
    pub public_contacts: serde_json::Value,
    pub street: Option<String>,
    pub phone: Option<String>,
    pub whatsapp: Option<String>,
    pub email: Option<String>,
    pub website: Option<String>,
    pub latitude_e6: Option<i64>,
    pub longitude_e6: Option<i64>,
    pub socials: serde_json::Value,
}

const SME: &str = "select s.id, s.handle, s.brand_name, s.story, s.regency_code, s.founded_year, s.is_demo, s.public_contacts, s.street, \
                   s.phone, s.whatsapp, s.email, s.website, s.latitude_e6, s.longitude_e6, s.socials from smes s where s.status = 'verified' and ";

/// Verified SMEs by id, after `after`.
pub async fn smes(connection: &Connection, after: Uuid, limit: u32) -> Outcome<Vec<SmeRow>> {
    let text = format!("{SME} s.id > ? order by s.id limit {limit}");
    let rows = connection.query_all_raw(sql(connection, &text, [after.into()])).await?;
    Ok(rows.iter().map(|row| SmeRow::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// A verified SME by the handle it has or had.
pub async fn sme(connection: &Connection, handle: &str) -> Outcome<Option<SmeRow>> {
    let text = format!("{SME} s.id = coalesce((select id from smes where handle = ?), (select sme_id from sme_handle_history where handle = ?))");
    let row = connection.query_one_raw(sql(connection, &text, [handle.into(), handle.into()])).await?;
    Ok(row.map(|row| SmeRow::from_query_result(&row, "")).transpose()?)
}

#[derive(FromQueryResult)]
pub struct CategoryRow {
    pub slug: String,
    pub path: String,
    pub name: Localized,
    pub products: i64,
}

/// The category tree, parents first, with how many products are listed in and below each.
pub async fn categories(connection: &Connection) -> Outcome<Vec<CategoryRow>> {
    let text = "select c.slug, c.path, c.name, (select count(*) from storefront_products p where p.listed = 1 \
                and (p.category_path = c.path or p.category_path like c.path || '/%')) as products \
                from categories c order by length(c.path) - length(replace(c.path, '/', '')), c.position";
    let rows = connection.query_all_raw(sql(connection, text, [])).await?;
    Ok(rows.iter().map(|row| CategoryRow::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

#[derive(FromQueryResult)]
pub struct RegionRow {
    pub regency_code: String,
    pub products: i64,
}

pub async fn regions(connection: &Connection) -> Outcome<Vec<RegionRow>> {
    let text = "select regency_code, count(*) as products from storefront_products where listed = 1 group by regency_code order by 1";
    let rows = connection.query_all_raw(sql(connection, text, [])).await?;
    Ok(rows.iter().map(|row| RegionRow::from_query_result(row, "")).collect::<Result<_, _>>()?)
}
