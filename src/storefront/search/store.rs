//! SQL of the index.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{
    facets::{CategoryName, Shown, Surroundings},
    index::{IndexRow, Listed},
};
use crate::{
    exhibitions::store::{LINEUP_IS_PUBLIC, TAKES_PART},
    fault::Outcome,
    platform::database::select,
    values::Localized,
};

/// Rows read at a time.
const BATCH: i64 = 5_000;

#[derive(FromQueryResult)]
struct Row {
    product_id: Uuid,
    version: i64,
    sme_handle: Option<String>,
    category_path: Option<String>,
    regency_code: Option<String>,
    price_minor: Option<i64>,
    published_at: Option<DateTime<Utc>>,
    title_sort: Option<String>,
    search_text: Option<String>,
}

impl From<Row> for IndexRow {
    fn from(row: Row) -> Self {
        let listed = || {
            Some(Listed {
                sme_handle: row.sme_handle?,
                category_path: row.category_path?,
                regency_code: row.regency_code?,
                price_minor: row.price_minor?,
                published_at: row.published_at?,
                title_sort: row.title_sort?,
                search_text: row.search_text?,
            })
        };
        Self { product_id: row.product_id, version: row.version, listed: listed() }
    }
}

const COLUMNS: &str = "p.sme_handle, p.category_path, p.regency_code, p.price_minor, p.published_at, p.title_sort, p.search_text";

/// Listed products by id.
pub async fn listed(connection: &impl ConnectionTrait, after: Uuid) -> Outcome<Vec<IndexRow>> {
    let text = format!(
        "select p.product_id, cast(0 as bigint) as version, {COLUMNS} from storefront_products p where p.listed = 1 and p.product_id > ? \
         order by p.product_id limit {BATCH}"
    );
    let rows: Vec<Row> = select(connection, &text, [after.into()]).await?;
    Ok(rows.into_iter().map(IndexRow::from).collect())
}

/// Products that were listed, changed or left after a version and id, in that order.
pub async fn changed(connection: &impl ConnectionTrait, (version, product): (i64, Uuid)) -> Outcome<Vec<IndexRow>> {
    let text = format!(
        "select c.product_id, c.version, {COLUMNS} from storefront_changes c \
         left join storefront_products p on p.product_id = c.product_id and p.listed = 1 \
         where (c.version, c.product_id) > (?, ?) order by c.version, c.product_id limit {BATCH}"
    );
    let rows: Vec<Row> = select(connection, &text, [version.into(), product.into()]).await?;
    Ok(rows.into_iter().map(IndexRow::from).collect())
}

#[derive(FromQueryResult)]
struct CategoryRow {
    slug: String,
    name: Localized,
}

#[derive(FromQueryResult)]
struct ShownRow {
    slug: String,
    title: Localized,
    product_id: Uuid,
}

/// What filters and facets name beside the products.
pub async fn surroundings(connection: &impl ConnectionTrait, version: i64) -> Outcome<Surroundings> {
    let categories: Vec<CategoryRow> = select(connection, "select slug, name from categories", []).await?;
    let text = format!(
        "select distinct e.id, e.slug, e.title, l.product_id from exhibitions e join lineup_items l on l.exhibition_id = e.id \
         join applications a on a.id = l.application_id and a.status in {TAKES_PART} where e.status in {LINEUP_IS_PUBLIC} order by e.id desc"
    );
    let mut exhibitions: Vec<Shown> = Vec::new();
    for row in select::<ShownRow>(connection, &text, []).await? {
        match exhibitions.last_mut().filter(|shown| shown.slug == row.slug) {
            Some(shown) => shown.products.push(row.product_id),
            None => exhibitions.push(Shown { slug: row.slug, title: row.title, products: vec![row.product_id] }),
        }
    }
    let categories = categories.into_iter().map(|row| CategoryName { slug: row.slug, name: row.name }).collect();
    Ok(Surroundings { version, categories, exhibitions })
}
