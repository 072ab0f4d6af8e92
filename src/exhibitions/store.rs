//! SQL of exhibitions, exhibitors and line-ups.

use std::collections::HashSet;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict,
};
use uuid::Uuid;

use super::applications::model::new_check_in_code;
use crate::{
    fault::{Fault, Outcome},
    platform::{
        clock::now,
        database::{Connection, names, sql, update_if_version},
    },
    values::{Localized, common_beginning},
};

pub mod entity {
    use sea_orm::entity::prelude::*;

    use crate::{
        exhibitions::model::{DatePrecision, ExhibitionStatus},
        values::Localized,
    };

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "exhibitions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub agency_id: Uuid,
        pub slug: String,
        #[sea_orm(column_type = "JsonBinary")]
        pub title: Localized,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub description: Option<Localized>,
        pub city: String,
        pub province_code: String,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub venue: Option<Json>,
        #[sea_orm(column_type = "JsonBinary")]
        pub opening_hours: Json,
        pub starts_on: Option<Date>,
        pub ends_on: Option<Date>,
        pub date_precision: DatePrecision,
        /// The days for which it was announced before it was postponed, as exactly as they were ever known.
        pub previous_starts_on: Option<Date>,
        pub previous_ends_on: Option<Date>,
        pub previous_precision: Option<DatePrecision>,
        /// The first day under which calendars know it.
        pub calendar_starts_on: Option<Date>,
        /// Opening hours by whose order within their days calendars know the sessions, and the first day that they count from: those
        /// there were when an older version named sessions so.
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub calendar_sessions: Option<Json>,
        pub calendar_sessions_from: Option<Date>,
        pub time_zone: String,
        pub status: ExhibitionStatus,
        pub status_reason: Option<String>,
        /// Since when it is public; absent of a draft, and of what was cancelled as one.
        pub announced_at: Option<DateTimeUtc>,
        pub lineup_frozen_at: Option<DateTimeUtc>,
        pub source: Option<String>,
        pub source_status: Option<String>,
        pub is_demo: i64,
        pub version: i64,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "lineup_items")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub exhibition_id: Uuid,
        pub sme_id: Uuid,
        pub application_id: Uuid,
        pub product_id: Uuid,
        pub variant_id: Uuid,
        pub units_planned: i64,
        pub exhibition_price_minor: Option<i64>,
        pub currency: String,
        pub is_sample: i64,
        pub position: i64,
        pub version: i64,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub async fn by_id(connection: &Connection, id: Uuid) -> Outcome<entity::Model> {
    entity::Entity::find_by_id(id).one(connection).await?.ok_or_else(Fault::not_found)
}

/// The exhibition, kept as it is until the transaction ends; others may do the same. SQLite has one writer anyway.
pub async fn shared(connection: &Connection, id: Uuid) -> Outcome<entity::Model> {
    entity::Entity::find_by_id(id).lock_shared().one(connection).await?.ok_or_else(Fault::not_found)
}

/// The exhibition, locked against everybody who changes it or adds to its line-up.
pub async fn locked(connection: &Connection, id: Uuid) -> Outcome<entity::Model> {
    entity::Entity::find_by_id(id).lock_exclusive().one(connection).await?.ok_or_else(Fault::not_found)
}

/// Exhibitions of agencies by id.
pub async fn of_agencies(connection: &Connection, agencies: &[Uuid], after: Option<Uuid>, limit: u64) -> Outcome<Vec<entity::Model>> {
    let mut find =
        entity::Entity::find().filter(entity::Column::AgencyId.is_in(agencies.iter().copied())).order_by_asc(entity::Column::Id).limit(limit);
    if let Some(after) = after {
        find = find.filter(entity::Column::Id.gt(after));
    }
    Ok(find.all(connection).await?)
}

pub async fn insert(connection: &Connection, exhibition: entity::Model) -> Outcome<entity::Model> {
    Ok(exhibition.into_active_model().insert(connection).await?)
}

/// Inserts the exhibition unless another has its slug; returns whether it was inserted.
pub async fn insert_if_free(connection: &Connection, exhibition: &entity::Model) -> Outcome<bool> {
    let insert = entity::Entity::insert(exhibition.clone().into_active_model()).on_conflict(OnConflict::new().do_nothing().to_owned());
    Ok(insert.exec_without_returning(connection).await? == 1)
}

/// Slugs like `base` that an exhibition has.
pub async fn slugs_like(connection: &Connection, base: &str) -> Outcome<HashSet<String>> {
    names(connection, "select slug from exhibitions where slug like ?", [format!("{}%", common_beginning(base)).into()]).await
}

/// Writes every column under the next version, unless somebody was faster.
pub async fn update(connection: &Connection, mut exhibition: entity::Model) -> Outcome<entity::Model> {
    let read = exhibition.version;
    exhibition.version += 1;
    exhibition.updated_at = now();
    let changed = exhibition.clone().into_active_model().reset_all();
    update_if_version(connection, changed, (entity::Column::Id, exhibition.id), (entity::Column::Version, read)).await?;
    Ok(exhibition)
}

/// An SME that takes part.
#[derive(FromQueryResult)]
pub struct ExhibitorRow {
    pub application_id: Uuid,
    pub sme_id: Uuid,
    pub brand_name: String,
    pub status: String,
    pub note: Option<String>,
}

pub async fn exhibitors(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<ExhibitorRow>> {
    let text = "select a.id as application_id, a.sme_id, s.brand_name, a.status, a.note from applications a \
                join smes s on s.id = a.sme_id where a.exhibition_id = ? order by a.id limit 1000";
    let rows = connection.query_all_raw(sql(connection, text, [exhibition.into()])).await?;
    Ok(rows.iter().map(|row| ExhibitorRow::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// Adds an SME as a confirmed exhibitor.
pub async fn add_exhibitor(connection: &Connection, exhibition: Uuid, sme: Uuid, note: Option<String>) -> Outcome<Uuid> {
    let id = Uuid::now_v7();
    let text = "insert into applications (id, exhibition_id, sme_id, status, note, check_in_code, created_at) values (?, ?, ?, 'confirmed', ?, ?, ?)";
    let values = [id.into(), exhibition.into(), sme.into(), note.into(), new_check_in_code().into(), now().into()];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(id)
}

/// The participation of an SME, confirmed or not.
pub async fn application(connection: &Connection, exhibition: Uuid, sme: Uuid) -> Outcome<Option<Uuid>> {
    let text = "select id from applications where exhibition_id = ? and sme_id = ?";
    let row = connection.query_one_raw(sql(connection, text, [exhibition.into(), sme.into()])).await?;
    Ok(row.map(|row| row.try_get("", "id")).transpose()?)
}

pub async fn item(connection: &Connection, exhibition: Uuid, id: Uuid) -> Outcome<item::Model> {
    let find = item::Entity::find_by_id(id).filter(item::Column::ExhibitionId.eq(exhibition));
    find.one(connection).await?.ok_or_else(Fault::not_found)
}

pub async fn insert_item(connection: &Connection, item: item::Model) -> Outcome<item::Model> {
    Ok(item.into_active_model().insert(connection).await?)
}

pub async fn update_item(connection: &Connection, mut item: item::Model) -> Outcome<item::Model> {
    let read = item.version;
    item.version += 1;
    let changed = item.clone().into_active_model().reset_all();
    update_if_version(connection, changed, (item::Column::Id, item.id), (item::Column::Version, read)).await?;
    Ok(item)
}

pub async fn delete_item(connection: &Connection, id: Uuid) -> Outcome<()> {
    connection.execute_raw(sql(connection, "delete from lineup_items where id = ?", [id.into()])).await?;
    Ok(())
}

/// Keeps what the line-up shows as it is now, for good; to be done before the line-up is marked as frozen.
pub async fn freeze(connection: &Connection, exhibition: Uuid) -> Outcome<()> {
    let text = "update lineup_items set frozen_title = (select p.title from products p where p.id = lineup_items.product_id), \
                frozen_brand_name = (select s.brand_name from smes s where s.id = lineup_items.sme_id), \
                frozen_price_minor = (select v.price_minor from product_variants v where v.id = lineup_items.variant_id) where exhibition_id = ?";
    connection.execute_raw(sql(connection, text, [exhibition.into()])).await?;
    Ok(())
}

/// Makes the line-up follow the live products again, because the exhibition is another time. Its mark is taken off before.
pub async fn thaw(connection: &Connection, exhibition: Uuid) -> Outcome<()> {
    let text = "update lineup_items set frozen_title = null, frozen_brand_name = null, frozen_price_minor = null where exhibition_id = ?";
    connection.execute_raw(sql(connection, text, [exhibition.into()])).await?;
    Ok(())
}

/// A line-up item with the names that people know it by.
#[derive(FromQueryResult)]
pub struct LineupRow {
    pub id: Uuid,
    pub sme_id: Uuid,
    pub brand_name: String,
    pub product_id: Uuid,
    pub title: Localized,
    pub product_status: String,
    pub variant_id: Uuid,
    pub price_minor: i64,
    pub units_planned: i64,
    pub exhibition_price_minor: Option<i64>,
    pub is_sample: i64,
    pub position: i64,
    pub version: i64,
}

/// The line-up, of one SME or of all, in one statement.
pub async fn lineup(connection: &Connection, exhibition: Uuid, sme: Option<Uuid>) -> Outcome<Vec<LineupRow>> {
    let own = if sme.is_some() { "and l.sme_id = ?" } else { "" };
    let text = format!(
        "select l.id, l.sme_id, coalesce(l.frozen_brand_name, s.brand_name) as brand_name, l.product_id, coalesce(l.frozen_title, p.title) as title, \
         p.status as product_status, l.variant_id, coalesce(l.frozen_price_minor, v.price_minor) as price_minor, \
         l.units_planned, l.exhibition_price_minor, l.is_sample, l.position, l.version from lineup_items l \
         join smes s on s.id = l.sme_id join products p on p.id = l.product_id join product_variants v on v.id = l.variant_id \
         where l.exhibition_id = ? {own} order by l.sme_id, l.position, l.id limit 5000"
    );
    let values = [exhibition].into_iter().chain(sme).map(Into::into);
    let rows = connection.query_all_raw(sql(connection, &text, values)).await?;
    Ok(rows.iter().map(|row| LineupRow::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// What the public may read: exhibitions that were announced once, the newest first.
pub async fn public(connection: &Connection) -> Outcome<Vec<entity::Model>> {
    let find = entity::Entity::find().filter(entity::Column::AnnouncedAt.is_not_null());
    let find = find.order_by_desc(entity::Column::CreatedAt).order_by_desc(entity::Column::Id).limit(500);
    Ok(find.all(connection).await?)
}

pub async fn public_by_slug(connection: &Connection, slug: &str) -> Outcome<entity::Model> {
    let find = entity::Entity::find().filter(entity::Column::Slug.eq(slug)).filter(entity::Column::AnnouncedAt.is_not_null());
    find.one(connection).await?.ok_or_else(Fault::not_found)
}

/// The name of the agency.
pub async fn organiser(connection: &Connection, agency: Uuid) -> Outcome<String> {
    let row = connection.query_one_raw(sql(connection, "select name from agencies where id = ?", [agency.into()])).await?;
    Ok(row.ok_or_else(Fault::not_found)?.try_get("", "name")?)
}

/// The statuses in which the line-up is public, as an SQL list.
pub const LINEUP_IS_PUBLIC: &str = "('lineup_published', 'ongoing', 'completed', 'archived')";

/// The statuses of applications whose SMEs take part, as an SQL list.
pub const TAKES_PART: &str = "('confirmed', 'attended')";

/// A public line-up item: only of listed products and of those who take part, whatever was linked.
#[derive(FromQueryResult)]
pub struct PublicItem {
    pub id: Uuid,
    pub frozen_title: Option<Localized>,
    pub frozen_brand_name: Option<String>,
    /// The application that leads the booth.
    pub lead_id: Uuid,
    pub card: String,
    pub price_minor: i64,
    pub exhibition_price_minor: Option<i64>,
    pub units_planned: i64,
    pub is_sample: i64,
}

pub async fn public_lineup(connection: &Connection, slug: &str, card: &str) -> Outcome<Vec<PublicItem>> {
    let text = format!(
        "select l.id, l.frozen_title, l.frozen_brand_name, coalesce(a.lead_id, a.id) as lead_id, p.{card} as card, coalesce(l.frozen_price_minor, v.price_minor) as price_minor, \
         l.exhibition_price_minor, l.units_planned, l.is_sample from exhibitions e join lineup_items l on l.exhibition_id = e.id \
         join applications a on a.id = l.application_id and a.status in {TAKES_PART} \
         join storefront_products p on p.product_id = l.product_id and p.listed = 1 \
         join product_variants v on v.id = l.variant_id \
         where e.slug = ? and e.status in {LINEUP_IS_PUBLIC} order by l.sme_id, l.position, l.id limit 5000"
    );
    let rows = connection.query_all_raw(sql(connection, &text, [slug.into()])).await?;
    Ok(rows.iter().map(|row| PublicItem::from_query_result(row, "")).collect::<Result<_, _>>()?)
}
