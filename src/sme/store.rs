//! SQL of SMEs.

use std::collections::HashSet;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};
use uuid::Uuid;

use crate::{
    fault::{Fault, Outcome},
    identity::policy::Scope,
    platform::{
        clock::now,
        database::{Connection, names, sql, update_if_version},
    },
    values::common_beginning,
};

pub mod entity {
    use sea_orm::entity::prelude::*;

    use crate::{sme::model::SmeStatus, values::Localized};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "smes")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub handle: String,
        pub brand_name: String,
        pub legal_name: String,
        #[sea_orm(column_type = "JsonBinary")]
        pub story: Localized,
        pub regency_code: String,
        pub time_zone: String,
        pub street: Option<String>,
        pub phone: Option<String>,
        pub whatsapp: Option<String>,
        pub email: Option<String>,
        pub website: Option<String>,
        #[sea_orm(column_type = "JsonBinary")]
        pub public_contacts: Json,
        pub founded_year: Option<i64>,
        /// Degrees times a million.
        pub latitude_e6: Option<i64>,
        pub longitude_e6: Option<i64>,
        #[sea_orm(column_type = "JsonBinary")]
        pub socials: Json,
        pub status: SmeStatus,
        pub status_reason: Option<String>,
        pub is_demo: i64,
        pub version: i64,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub async fn by_id(connection: &Connection, id: Uuid) -> Outcome<entity::Model> {
    entity::Entity::find_by_id(id).one(connection).await?.ok_or_else(Fault::not_found)
}

/// The SME and the agencies that may act on it.
pub async fn scope(connection: &Connection, sme: Uuid) -> Outcome<Scope> {
    let text = "select agency_id from sme_agencies where sme_id = ?";
    let rows = connection.query_all_raw(sql(connection, text, [sme.into()])).await?;
    let agencies = rows.iter().map(|row| row.try_get("", "agency_id")).collect::<Result<_, _>>()?;
    Ok(Scope { sme: Some(sme), agencies })
}

/// Up to `limit` SMEs after `after`: those in `own`, those of `agencies`, or all for an operator.
pub async fn visible(
    connection: &Connection,
    own: Vec<Uuid>,
    agencies: Vec<Uuid>,
    all: bool,
    after: Option<Uuid>,
    limit: u64,
) -> Outcome<Vec<entity::Model>> {
    use sea_orm::{
        Condition,
        sea_query::{Alias, Expr, ExprTrait, Query},
    };
    let mut find = entity::Entity::find().order_by_asc(entity::Column::Id).limit(limit);
    if !all {
        let mentored = Query::select()
            .column(Alias::new("sme_id"))
            .from(Alias::new("sme_agencies"))
            .and_where(Expr::col(Alias::new("agency_id")).is_in(agencies))
            .to_owned();
        find = find.filter(Condition::any().add(entity::Column::Id.is_in(own)).add(entity::Column::Id.in_subquery(mentored)));
    }
    if let Some(after) = after {
        find = find.filter(entity::Column::Id.gt(after));
    }
    Ok(find.all(connection).await?)
}

pub async fn insert(connection: &Connection, sme: entity::Model) -> Outcome<entity::Model> {
    Ok(sme.into_active_model().insert(connection).await?)
}

/// Inserts the SME unless another has its handle; returns whether it was inserted.
pub async fn insert_if_free(connection: &Connection, sme: &entity::Model) -> Outcome<bool> {
    let insert = entity::Entity::insert(sme.clone().into_active_model()).on_conflict(OnConflict::new().do_nothing().to_owned());
    Ok(insert.exec_without_returning(connection).await? == 1)
}

/// Handles like `base` that an SME has or had.
pub async fn handles_like(connection: &Connection, base: &str) -> Outcome<HashSet<String>> {
    let text = "select handle from smes where handle like ? union select handle from sme_handle_history where handle like ?";
    let like = format!("{}%", common_beginning(base));
    names(connection, text, [like.clone().into(), like.into()]).await
}

/// The SME that had a handle before.
pub async fn remembered(connection: &Connection, handle: &str) -> Outcome<Option<Uuid>> {
    let row = connection.query_one_raw(sql(connection, "select sme_id from sme_handle_history where handle = ?", [handle.into()])).await?;
    Ok(row.map(|row| row.try_get("", "sme_id")).transpose()?)
}

/// Writes every column of `sme` under the next version, unless somebody was faster.
pub async fn update(connection: &Connection, mut sme: entity::Model) -> Outcome<entity::Model> {
    let read = sme.version;
    sme.version += 1;
    sme.updated_at = now();
    let changed = sme.clone().into_active_model().reset_all();
    update_if_version(connection, changed, (entity::Column::Id, sme.id), (entity::Column::Version, read)).await?;
    Ok(sme)
}

pub async fn add_membership(connection: &Connection, sme: Uuid, user: Uuid, role: &str) -> Outcome<()> {
    let text = "insert into sme_memberships (sme_id, user_id, role, created_at) values (?, ?, ?, ?)";
    connection.execute_raw(sql(connection, text, [sme.into(), user.into(), role.into(), now().into()])).await?;
    Ok(())
}

pub async fn add_agency(connection: &Connection, sme: Uuid, agency: Uuid) -> Outcome<()> {
    let text = "insert into sme_agencies (sme_id, agency_id) values (?, ?)";
    connection.execute_raw(sql(connection, text, [sme.into(), agency.into()])).await?;
    Ok(())
}

/// The time zone of the agency, if there is such an agency.
pub async fn agency_zone(connection: &Connection, agency: Uuid) -> Outcome<Option<String>> {
    let row = connection.query_one_raw(sql(connection, "select time_zone from agencies where id = ?", [agency.into()])).await?;
    Ok(row.map(|row| row.try_get("", "time_zone")).transpose()?)
}

/// Remembers `old`, so that old addresses redirect, and forgets `new` if it was an old one of the same SME.
pub async fn remember_handle(connection: &Connection, sme: Uuid, old: &str, new: &str) -> Outcome<()> {
    let forget = "delete from sme_handle_history where sme_id = ? and handle in (?, ?)";
    connection.execute_raw(sql(connection, forget, [sme.into(), old.into(), new.into()])).await?;
    let text = "insert into sme_handle_history (handle, sme_id) values (?, ?) on conflict (handle) do update set sme_id = excluded.sme_id";
    connection.execute_raw(sql(connection, text, [old.into(), sme.into()])).await?;
    Ok(())
}
