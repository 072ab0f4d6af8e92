//! SQL of the index.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    facets::{CategoryName, Placed, Shown, Surroundings, Wub},
    index::{IndexRow, Listed},
};
use crate::{
    exhibitions::store::{LINEUP_IS_PUBLIC, TAKES_PART},
    fault::Outcome,
    platform::database::{Connection, select},
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
pub async fn listed(connection: &Connection, after: Uuid) -> Outcome<Vec<IndexRow>> {
    let text = format!(
        "select p.product_id, cast(0 as bigint) as version, {COLUMNS} from storefront_products p where p.listed = 1 and p.product_id > ? \
         order by p.product_id limit {BATCH}"
    );
    let rows: Vec<Row> = select(connection, &text, [after.into()]).await?;
    Ok(rows.into_iter().map(IndexRow::from).collect())
}

/// Products that were listed, changed or left after a version and id, in that order.
pub async fn changed(connection: &Connection, (version, product): (i64, Uuid)) -> Outcome<Vec<IndexRow>> {
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
    batch_id: Option<Uuid>,
    booth: Option<String>,
}

#[derive(FromQueryResult)]
struct WubRow {
    id: Uuid,
    name: Localized,
    sme_handle: String,
}

/// What filters and facets name beside the products.
pub async fn surroundings(connection: &Connection, version: i64) -> Outcome<Surroundings> {
    let categories: Vec<CategoryRow> = select(connection, "select slug, name from categories", []).await?;
    let text = format!(
        "select distinct e.id, e.slug, e.title, l.product_id, x.batch_id, b.code as booth from exhibitions e \
         join lineup_items l on l.exhibition_id = e.id \
         join applications a on a.id = l.application_id and a.status in {TAKES_PART} \
         left join exhibition_plans p on p.exhibition_id = e.id and p.published_at is not null \
         left join booth_assignments x on x.exhibition_id = p.exhibition_id and x.application_id = coalesce(a.lead_id, a.id) \
         and x.plan = 'live' and x.status <> 'released' \
         left join booths b on b.id = x.booth_id where e.status in {LINEUP_IS_PUBLIC} order by e.id desc, l.product_id"
    );
    let mut exhibitions: Vec<Shown> = Vec::new();
    for row in select::<ShownRow>(connection, &text, []).await? {
        if exhibitions.last().is_none_or(|shown| shown.slug != row.slug) {
            exhibitions.push(Shown { slug: row.slug, title: row.title, products: Vec::new(), places: Vec::new() });
        }
        let Some(shown) = exhibitions.last_mut() else { continue };
        if shown.products.last() != Some(&row.product_id) {
            shown.products.push(row.product_id);
        }
        if let Some((batch, booth)) = row.batch_id.zip(row.booth) {
            shown.places.push(Placed { product: row.product_id, batch, booth });
        }
    }
    let text = "select g.id, g.name, s.handle as sme_handle from wub_groups g join wub_members m on m.group_id = g.id \
                join smes s on s.id = m.sme_id order by g.id";
    let mut wubs: Vec<Wub> = Vec::new();
    for row in select::<WubRow>(connection, text, []).await? {
        match wubs.last_mut().filter(|wub| wub.id == row.id) {
            Some(wub) => wub.smes.push(row.sme_handle),
            None => wubs.push(Wub { id: row.id, name: row.name, smes: vec![row.sme_handle] }),
        }
    }
    let categories = categories.into_iter().map(|row| CategoryName { slug: row.slug, name: row.name }).collect();
    Ok(Surroundings { version, categories, exhibitions, wubs })
}
