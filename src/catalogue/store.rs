//! SQL of categories, products, variants and materials.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict,
};
use uuid::Uuid;

use super::model::ListingStatus;
use crate::{
    fault::{Fault, Outcome},
    platform::{
        clock::now,
        database::{Connection, insert_many, names, select, sql, update_if_version},
    },
    values::common_beginning,
};

pub mod category {
    use sea_orm::entity::prelude::*;

    use crate::values::Localized;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "categories")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub parent_id: Option<Uuid>,
        pub slug: String,
        pub path: String,
        #[sea_orm(column_type = "JsonBinary")]
        pub name: Localized,
        pub is_food: i64,
        pub default_kbli: Option<String>,
        pub position: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod product {
    use sea_orm::entity::prelude::*;

    use crate::{
        catalogue::model::{ListingStatus, Storage},
        values::Localized,
    };

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "products")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub sme_id: Uuid,
        pub category_id: Uuid,
        pub handle: String,
        #[sea_orm(column_type = "JsonBinary")]
        pub title: Localized,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub summary: Option<Localized>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub description: Option<Localized>,
        pub status: ListingStatus,
        pub status_reason: Option<String>,
        #[sea_orm(column_type = "JsonBinary")]
        pub reason_codes: Json,
        pub made_to_order: i64,
        pub lead_time_days: Option<i64>,
        pub shelf_life_days: Option<i64>,
        pub storage: Option<Storage>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub ingredients: Option<Localized>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub allergens: Option<Json>,
        #[sea_orm(column_type = "JsonBinary")]
        pub attributes: Json,
        pub published_at: Option<DateTimeUtc>,
        pub deleted_at: Option<DateTimeUtc>,
        pub version: i64,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod variant {
    use sea_orm::entity::prelude::*;

    use crate::catalogue::model::{ContentUnit, StockPolicy};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "product_variants")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub sme_id: Uuid,
        pub product_id: Uuid,
        pub sku: Option<String>,
        /// The SKU as people read it, whatever its case, width and spaces.
        pub sku_read: Option<String>,
        #[sea_orm(column_type = "JsonBinary")]
        pub options: Json,
        /// The options as people read them; absent if there are none.
        pub options_read: Option<String>,
        pub price_minor: i64,
        pub currency: String,
        pub moq: i64,
        pub order_multiple: i64,
        pub net_content_value: Option<i64>,
        pub net_content_unit: Option<ContentUnit>,
        pub weight_g: Option<i64>,
        pub length_mm: Option<i64>,
        pub width_mm: Option<i64>,
        pub height_mm: Option<i64>,
        pub gtin: Option<String>,
        /// The GTIN as the number of 14 digits that it is.
        pub gtin_read: Option<String>,
        pub stock_policy: StockPolicy,
        pub on_hand: i64,
        pub position: i64,
        pub deleted_at: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod material {
    use sea_orm::entity::prelude::*;

    use crate::{
        catalogue::model::{Origin, Verification},
        values::Localized,
    };

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "product_materials")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub product_id: Uuid,
        #[sea_orm(column_type = "JsonBinary")]
        pub name: Localized,
        pub origin: Origin,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub waste_source: Option<Localized>,
        pub mass_share_bp: i64,
        pub grams_diverted_per_unit: Option<i64>,
        pub verification: Verification,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// All categories, parents before children.
pub async fn categories(connection: &Connection) -> Outcome<Vec<category::Model>> {
    Ok(category::Entity::find().order_by_asc(category::Column::Position).order_by_asc(category::Column::Slug).all(connection).await?)
}

pub async fn category_by_slug(connection: &Connection, slug: &str) -> Outcome<Option<category::Model>> {
    Ok(category::Entity::find().filter(category::Column::Slug.eq(slug)).one(connection).await?)
}

pub async fn category_by_id(connection: &Connection, id: Uuid) -> Outcome<category::Model> {
    category::Entity::find_by_id(id).one(connection).await?.ok_or_else(Fault::not_found)
}

/// Inserts a category of the reference data.
pub async fn insert_category(connection: &Connection, category: category::Model) -> Outcome<()> {
    category.into_active_model().insert(connection).await?;
    Ok(())
}

/// A product that is not deleted.
pub async fn by_id(connection: &Connection, id: Uuid) -> Outcome<product::Model> {
    let product = product::Entity::find_by_id(id).filter(product::Column::DeletedAt.is_null()).one(connection).await?;
    product.ok_or_else(Fault::not_found)
}

/// A product, deleted or not.
pub async fn any_by_id(connection: &Connection, id: Uuid) -> Outcome<product::Model> {
    product::Entity::find_by_id(id).one(connection).await?.ok_or_else(Fault::not_found)
}

/// A product that was deleted after `since`.
pub async fn deleted_since(connection: &Connection, id: Uuid, since: DateTime<Utc>) -> Outcome<Option<product::Model>> {
    Ok(product::Entity::find_by_id(id).filter(product::Column::DeletedAt.gt(since)).one(connection).await?)
}

/// The SME of a product, deleted or not.
pub async fn owner(connection: &Connection, id: Uuid) -> Outcome<Uuid> {
    let row = connection.query_one_raw(sql(connection, "select sme_id from products where id = ?", [id.into()])).await?;
    Ok(row.ok_or_else(Fault::not_found)?.try_get("", "sme_id")?)
}

/// A filter over the products of one SME.
pub struct ProductsOf {
    pub sme: Uuid,
    pub status: Option<ListingStatus>,
    pub after: Option<Uuid>,
    pub limit: u64,
}

/// Products of an SME by id, oldest first.
pub async fn of_sme(connection: &Connection, wanted: ProductsOf) -> Outcome<Vec<product::Model>> {
    let mut find = product::Entity::find()
        .filter(product::Column::SmeId.eq(wanted.sme))
        .filter(product::Column::DeletedAt.is_null())
        .order_by_asc(product::Column::Id)
        .limit(wanted.limit);
    if let Some(status) = wanted.status {
        find = find.filter(product::Column::Status.eq(status));
    }
    if let Some(after) = wanted.after {
        find = find.filter(product::Column::Id.gt(after));
    }
    Ok(find.all(connection).await?)
}

/// Products that wait for a decision within the agencies, oldest first.
pub async fn waiting(connection: &Connection, agencies: &[Uuid], after: Option<Uuid>, limit: u64) -> Outcome<Vec<product::Model>> {
    use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
    let mentored = Query::select()
        .column(Alias::new("sme_id"))
        .from(Alias::new("sme_agencies"))
        .and_where(Expr::col(Alias::new("agency_id")).is_in(agencies.iter().copied()))
        .to_owned();
    let mut find = product::Entity::find()
        .filter(product::Column::Status.eq(ListingStatus::Submitted))
        .filter(product::Column::DeletedAt.is_null())
        .filter(product::Column::SmeId.in_subquery(mentored))
        .order_by_asc(product::Column::Id)
        .limit(limit);
    if let Some(after) = after {
        find = find.filter(product::Column::Id.gt(after));
    }
    Ok(find.all(connection).await?)
}

/// What a piece costs from a number of pieces on.
#[derive(Debug, Clone, FromQueryResult)]
pub struct TierRow {
    pub variant_id: Uuid,
    pub min_quantity: i64,
    pub price_minor: i64,
}

/// Tiers of all variants of a product, the smallest quantity first.
pub async fn tiers(connection: &Connection, product: Uuid) -> Outcome<Vec<TierRow>> {
    let text = "select t.variant_id, t.min_quantity, t.price_minor from price_tiers t join product_variants v on v.id = t.variant_id \
                where v.product_id = ? order by t.variant_id, t.min_quantity";
    select(connection, text, [product.into()]).await
}

/// Puts these in place of the tiers of a variant; the database refuses those that don't fall.
pub async fn set_tiers(connection: &Connection, variant: Uuid, tiers: &[TierRow]) -> Outcome<()> {
    connection.execute_raw(sql(connection, "delete from price_tiers where variant_id = ?", [variant.into()])).await?;
    let rows = tiers.iter().map(|tier| vec![variant.into(), tier.min_quantity.into(), tier.price_minor.into()]).collect();
    insert_many(connection, "price_tiers (variant_id, min_quantity, price_minor)", rows).await
}

/// Ids of the published products of an SME.
pub async fn published_of(connection: &Connection, sme: Uuid) -> Outcome<Vec<Uuid>> {
    let text = "select id from products where sme_id = ? and status = 'published' and deleted_at is null";
    let rows = connection.query_all_raw(sql(connection, text, [sme.into()])).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

pub async fn insert(connection: &Connection, product: product::Model) -> Outcome<product::Model> {
    Ok(product.into_active_model().insert(connection).await?)
}

/// Inserts the product unless another has its handle; returns whether it was inserted.
pub async fn insert_if_free(connection: &Connection, product: &product::Model) -> Outcome<bool> {
    let insert = product::Entity::insert(product.clone().into_active_model()).on_conflict(OnConflict::new().do_nothing().to_owned());
    Ok(insert.exec_without_returning(connection).await? == 1)
}

/// Handles of the SME like `base` that a product has, or that lead to one from before.
pub async fn handles_like(connection: &Connection, sme: Uuid, base: &str) -> Outcome<HashSet<String>> {
    let text = "select handle from products where sme_id = ? and deleted_at is null and handle like ? \
                union select handle from product_handle_history where sme_id = ? and handle like ?";
    let like = format!("{}%", common_beginning(base));
    names(connection, text, [sme.into(), like.clone().into(), sme.into(), like.into()]).await
}

/// The product of an SME to which a handle leads that it had before, unless that product is deleted.
pub async fn remembered(connection: &Connection, sme: Uuid, handle: &str) -> Outcome<Option<Uuid>> {
    let text = "select h.product_id from product_handle_history h join products p on p.id = h.product_id and p.deleted_at is null \
                where h.sme_id = ? and h.handle = ?";
    let row = connection.query_one_raw(sql(connection, text, [sme.into(), handle.into()])).await?;
    Ok(row.map(|row| row.try_get("", "product_id")).transpose()?)
}

/// Writes every column of `product` under the next version, unless somebody was faster.
pub async fn update(connection: &Connection, mut product: product::Model) -> Outcome<product::Model> {
    let read = product.version;
    product.version += 1;
    product.updated_at = now();
    let changed = product.clone().into_active_model().reset_all();
    update_if_version(connection, changed, (product::Column::Id, product.id), (product::Column::Version, read)).await?;
    Ok(product)
}

/// Frees `new` from the history of the SME and remembers `old` there.
pub async fn remember_handle(connection: &Connection, product: &product::Model, old: &str) -> Outcome<()> {
    let forget = "delete from product_handle_history where sme_id = ? and handle in (?, ?)";
    let values = [product.sme_id.into(), old.into(), product.handle.clone().into()];
    connection.execute_raw(sql(connection, forget, values)).await?;
    let text = "insert into product_handle_history (sme_id, handle, product_id) values (?, ?, ?)";
    connection.execute_raw(sql(connection, text, [product.sme_id.into(), old.into(), product.id.into()])).await?;
    Ok(())
}

pub async fn variants(connection: &Connection, product: Uuid) -> Outcome<Vec<variant::Model>> {
    let find = variant::Entity::find().filter(variant::Column::ProductId.eq(product)).filter(variant::Column::DeletedAt.is_null());
    Ok(find.order_by_asc(variant::Column::Position).order_by_asc(variant::Column::Id).all(connection).await?)
}

pub async fn variant(connection: &Connection, product: Uuid, id: Uuid) -> Outcome<variant::Model> {
    let find = variant::Entity::find_by_id(id).filter(variant::Column::ProductId.eq(product)).filter(variant::Column::DeletedAt.is_null());
    find.one(connection).await?.ok_or_else(Fault::not_found)
}

/// A variant by its id alone, with the product it belongs to.
pub async fn variant_by_id(connection: &Connection, id: Uuid) -> Outcome<Option<variant::Model>> {
    Ok(variant::Entity::find_by_id(id).filter(variant::Column::DeletedAt.is_null()).one(connection).await?)
}

pub async fn insert_variant(connection: &Connection, variant: variant::Model) -> Outcome<()> {
    variant.into_active_model().insert(connection).await?;
    Ok(())
}

pub async fn update_variant(connection: &Connection, variant: variant::Model) -> Outcome<()> {
    variant.into_active_model().reset_all().update(connection).await?;
    Ok(())
}

/// Marks the variants of a product as deleted at `at`, the time of the product's own deletion.
pub async fn delete_variants(connection: &Connection, product: Uuid, at: DateTime<Utc>) -> Outcome<()> {
    let text = "update product_variants set deleted_at = ? where product_id = ? and deleted_at is null";
    connection.execute_raw(sql(connection, text, [at.into(), product.into()])).await?;
    Ok(())
}

/// Brings back the variants that left with their product at `at`.
pub async fn restore_variants(connection: &Connection, product: Uuid, at: DateTime<Utc>) -> Outcome<()> {
    let text = "update product_variants set deleted_at = null where product_id = ? and deleted_at = ?";
    connection.execute_raw(sql(connection, text, [product.into(), at.into()])).await?;
    Ok(())
}

pub async fn materials(connection: &Connection, product: Uuid) -> Outcome<Vec<material::Model>> {
    let find = material::Entity::find().filter(material::Column::ProductId.eq(product));
    Ok(find.order_by_asc(material::Column::Id).all(connection).await?)
}

pub async fn insert_material(connection: &Connection, material: material::Model) -> Outcome<()> {
    material.into_active_model().insert(connection).await?;
    Ok(())
}

/// Deletes a material line; returns whether the product had it.
pub async fn delete_material(connection: &Connection, product: Uuid, id: Uuid) -> Outcome<bool> {
    let text = "delete from product_materials where id = ? and product_id = ?";
    Ok(connection.execute_raw(sql(connection, text, [id.into(), product.into()])).await?.rows_affected() == 1)
}
