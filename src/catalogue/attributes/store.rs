//! SQL of attribute definitions.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    catalogue::store::category,
    fault::Outcome,
    platform::{
        clock::now,
        database::{Connection, marks, select, sql},
    },
};

/// A version of the definitions of a category.
#[derive(FromQueryResult)]
pub struct Row {
    /// Slug of the category that they are of: itself, or one above it.
    pub category: String,
    pub version: i64,
    pub definitions: Value,
    pub created_at: DateTime<Utc>,
}

const ROW: &str =
    "select c.slug as category, a.version, a.definitions, a.created_at from category_attributes a join categories c on c.id = a.category_id";

/// The definitions that count for a category: the newest of its own, or of the nearest above it that has any.
pub async fn effective(connection: &Connection, category: &category::Model) -> Outcome<Option<Row>> {
    let slugs: Vec<&str> = category.path.split('/').collect();
    let text = format!("{ROW} where c.slug in ({}) order by length(c.path) desc, a.version desc limit 1", marks(slugs.len()));
    let rows: Vec<Row> = select(connection, &text, slugs.into_iter().map(Into::into)).await?;
    Ok(rows.into_iter().next())
}

/// The number of the newest version of a category's own definitions; 0 where it has none.
pub async fn newest(connection: &Connection, category: Uuid) -> Outcome<i64> {
    let row = connection
        .query_one_raw(sql(
            connection,
            "select coalesce(max(version), 0) as version from category_attributes where category_id = ?",
            [category.into()],
        ))
        .await?;
    Ok(row.map(|row| row.try_get("", "version")).transpose()?.unwrap_or(0))
}

pub async fn insert(connection: &Connection, category: Uuid, version: i64, definitions: Value, by: Option<Uuid>) -> Outcome<()> {
    let text = "insert into category_attributes (category_id, version, definitions, created_by, created_at) values (?, ?, ?, ?, ?)";
    connection.execute_raw(sql(connection, text, [category.into(), version.into(), definitions.into(), by.into(), now().into()])).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

/// SMEs with published products of a category or those below it.
pub async fn smes_below(connection: &Connection, path: &str) -> Outcome<Vec<Uuid>> {
    let text = "select distinct p.sme_id as id from products p join categories c on c.id = p.category_id where (c.path = ? or c.path like ?) \
                and p.status = 'published' and p.deleted_at is null";
    let rows: Vec<Id> = select(connection, text, [path.into(), format!("{path}/%").into()]).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
