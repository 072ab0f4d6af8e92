//! SQL of results that no other capability has.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::{
    exhibitions::{
        model::ExhibitionStatus,
        store::{
            TAKES_PART,
            entity::{self, Model as Exhibition},
        },
    },
    fault::Outcome,
    platform::database::{Connection, select},
    values::Localized,
};

/// Up to ten other exhibitions of the agency that were held or are going on, those that were created last.
pub async fn others(connection: &Connection, exhibition: &Exhibition) -> Outcome<Vec<Exhibition>> {
    use ExhibitionStatus::{Archived, Completed, Ongoing};
    let find = entity::Entity::find()
        .filter(entity::Column::AgencyId.eq(exhibition.agency_id))
        .filter(entity::Column::Id.ne(exhibition.id))
        .filter(entity::Column::Status.is_in([Ongoing, Completed, Archived]))
        .order_by_desc(entity::Column::CreatedAt)
        .limit(10);
    Ok(find.all(connection).await?)
}

#[derive(FromQueryResult)]
struct CategoryRow {
    application_id: Uuid,
    path: String,
    items: i64,
}

/// The root category that most line-up items of each exhibitor are of.
pub async fn main_categories(connection: &Connection, exhibition: Uuid) -> Outcome<HashMap<Uuid, String>> {
    let text = "select l.application_id, c.path, count(*) as items from lineup_items l join products p on p.id = l.product_id \
                join categories c on c.id = p.category_id where l.exhibition_id = ? group by l.application_id, c.path order by l.application_id, c.path";
    let mut counts: HashMap<Uuid, HashMap<String, i64>> = HashMap::new();
    for row in select::<CategoryRow>(connection, text, [exhibition.into()]).await? {
        let root = row.path.split('/').next().unwrap_or_default().to_owned();
        *counts.entry(row.application_id).or_default().entry(root).or_default() += row.items;
    }
    let main = |counts: HashMap<String, i64>| counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0))).map(|(root, _)| root);
    Ok(counts.into_iter().filter_map(|(application, counts)| Some((application, main(counts)?))).collect())
}

/// Something to be packed.
#[derive(FromQueryResult)]
pub struct PackRow {
    pub sme_id: Uuid,
    pub brand_name: String,
    /// The application that leads the booth.
    pub lead_id: Uuid,
    pub title: Localized,
    pub sku: Option<String>,
    pub units_planned: i64,
    pub is_sample: i64,
    /// Grams of one parcel.
    pub weight_g: Option<i64>,
}

/// What every exhibitor brings.
pub async fn packing(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<PackRow>> {
    let text = format!(
        "select l.sme_id, s.brand_name, coalesce(a.lead_id, a.id) as lead_id, coalesce(l.frozen_title, p.title) as title, v.sku, l.units_planned, \
                l.is_sample, v.weight_g from lineup_items l join applications a on a.id = l.application_id and a.status in {TAKES_PART} join smes s on s.id = l.sme_id \
                join products p on p.id = l.product_id join product_variants v on v.id = l.variant_id \
                where l.exhibition_id = ? order by s.brand_name, l.sme_id, l.position, l.id limit 50000"
    );
    select(connection, &text, [exhibition.into()]).await
}
