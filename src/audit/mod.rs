//! The append-only audit trail: who did what, for whom, and why. The database refuses changes to it.

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    fault::Outcome,
    platform::{
        clock::now,
        database::{Connection, sql},
    },
};

/// A row to be written.
pub struct Entry<'a> {
    pub actor_user_id: Option<Uuid>,
    pub on_behalf_of_sme_id: Option<Uuid>,
    pub api_client_id: Option<Uuid>,
    pub action: &'a str,
    pub entity: &'a str,
    pub entity_id: Uuid,
    /// What changed; free of personal data.
    pub change: Value,
    pub reason: Option<&'a str>,
    pub request_id: &'a str,
}

impl<'a> Entry<'a> {
    /// Of what a command of the operator did, where nobody has signed in.
    pub fn of_command(action: &'a str, entity: &'a str, entity_id: Uuid, change: Value) -> Self {
        let (actor_user_id, on_behalf_of_sme_id, api_client_id) = (None, None, None);
        Self { actor_user_id, on_behalf_of_sme_id, api_client_id, action, entity, entity_id, change, reason: None, request_id: "command-line" }
    }
}

/// Appends a row within the transaction of the change.
pub async fn record(connection: &Connection, entry: Entry<'_>) -> Outcome<()> {
    let text = "insert into audit_log (id, at, actor_user_id, on_behalf_of_sme_id, api_client_id, action, entity, entity_id, change, reason, request_id) \
                values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = [
        Uuid::now_v7().into(),
        now().into(),
        entry.actor_user_id.into(),
        entry.on_behalf_of_sme_id.into(),
        entry.api_client_id.into(),
        entry.action.into(),
        entry.entity.into(),
        entry.entity_id.into(),
        entry.change.into(),
        entry.reason.into(),
        entry.request_id.into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// A row of the trail.
#[derive(Object, FromQueryResult)]
pub struct AuditEntry {
    pub id: Uuid,
    /// UTC.
    pub at: DateTime<Utc>,
    pub actor_user_id: Option<Uuid>,
    /// The SME for which somebody else acted.
    pub on_behalf_of_sme_id: Option<Uuid>,
    /// The program that acted in the person's name.
    pub api_client_id: Option<Uuid>,
    pub action: String,
    pub change: Option<Value>,
    pub reason: Option<String>,
    pub request_id: String,
}

/// The newest 100 rows about one entity, newest first.
pub async fn of_entity(connection: &Connection, entity: &str, id: Uuid) -> Outcome<Vec<AuditEntry>> {
    let text = "select id, at, actor_user_id, on_behalf_of_sme_id, api_client_id, action, change, reason, request_id from audit_log \
                where entity = ? and entity_id = ? order by id desc limit 100";
    let rows = connection.query_all_raw(sql(connection, text, [entity.into(), id.into()])).await?;
    Ok(rows.iter().map(|row| AuditEntry::from_query_result(row, "")).collect::<Result<_, _>>()?)
}
