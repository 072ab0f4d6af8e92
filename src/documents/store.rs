//! SQL of legal documents.

use chrono::NaiveDate;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::model::{DocumentKind, DocumentStatus};
use crate::{
    fault::{Fault, Outcome},
    platform::database::{Connection, select, sql, update_if_version},
};

pub mod entity {
    use sea_orm::entity::prelude::*;

    use crate::documents::model::{DocumentKind, DocumentStatus};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "legal_documents")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub sme_id: Uuid,
        pub product_id: Option<Uuid>,
        pub kind: DocumentKind,
        pub number: String,
        pub issuer: Option<String>,
        pub issued_on: Option<Date>,
        pub expires_on: Option<Date>,
        pub status: DocumentStatus,
        pub note: Option<String>,
        pub decided_by: Option<Uuid>,
        pub decided_at: Option<DateTimeUtc>,
        pub version: i64,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub async fn of_sme(connection: &Connection, sme: Uuid) -> Outcome<Vec<entity::Model>> {
    let find = entity::Entity::find().filter(entity::Column::SmeId.eq(sme)).order_by_desc(entity::Column::Id).limit(500);
    Ok(find.all(connection).await?)
}

pub async fn by_id(connection: &Connection, sme: Uuid, id: Uuid) -> Outcome<entity::Model> {
    let find = entity::Entity::find_by_id(id).filter(entity::Column::SmeId.eq(sme));
    find.one(connection).await?.ok_or_else(Fault::not_found)
}

pub async fn insert(connection: &Connection, document: entity::Model) -> Outcome<entity::Model> {
    Ok(document.into_active_model().insert(connection).await?)
}

pub async fn update(connection: &Connection, mut document: entity::Model) -> Outcome<entity::Model> {
    let read = document.version;
    document.version += 1;
    let changed = document.clone().into_active_model().reset_all();
    update_if_version(connection, changed, (entity::Column::Id, document.id), (entity::Column::Version, read)).await?;
    Ok(document)
}

pub async fn delete(connection: &Connection, id: Uuid) -> Outcome<()> {
    entity::Entity::delete_by_id(id).exec(connection).await?;
    Ok(())
}

/// What a requirement is tested against.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Held {
    pub sme_id: Uuid,
    /// Counts for this product only; for all if absent.
    pub product_id: Option<Uuid>,
    pub kind: DocumentKind,
    pub status: DocumentStatus,
    pub expires_on: Option<NaiveDate>,
}

/// The documents that applicants of an exhibition hold, of one application or of all, in one statement.
pub async fn held_by_applicants(connection: &Connection, exhibition: Uuid, application: Option<Uuid>) -> Outcome<Vec<Held>> {
    let one = if application.is_some() { "and a.id = ?" } else { "" };
    let text = format!(
        "select d.sme_id, d.product_id, d.kind, d.status, d.expires_on from applications a join legal_documents d on d.sme_id = a.sme_id \
         where a.exhibition_id = ? {one} and d.status in ('uploaded', 'verified')"
    );
    let values = [exhibition].into_iter().chain(application).map(Into::into);
    let rows = connection.query_all_raw(sql(connection, &text, values)).await?;
    Ok(rows.iter().map(|row| Held::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

#[derive(FromQueryResult)]
struct Until {
    expires_on: Option<NaiveDate>,
}

/// Last days of the verified halal certificates that cover a product; `None` for one that does not end.
pub async fn halal(connection: &Connection, sme: Uuid, product: Uuid) -> Outcome<Vec<Option<NaiveDate>>> {
    let text = "select expires_on from legal_documents where sme_id = ? and kind = 'halal' and status = 'verified' \
                and (product_id is null or product_id = ?)";
    let rows: Vec<Until> = select(connection, text, [sme.into(), product.into()]).await?;
    Ok(rows.into_iter().map(|row| row.expires_on).collect())
}
