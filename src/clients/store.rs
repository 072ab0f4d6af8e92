//! SQL of API clients.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::Value;
use uuid::Uuid;

use super::model::{ClientKind, RateTier};
use crate::{
    fault::{Fault, Outcome, STALE},
    identity::store::{Target, of_target},
    platform::{
        clock::now,
        database::{Connection, insert_many, marks, select, sql},
    },
};

#[derive(Debug, Clone, FromQueryResult)]
pub struct ClientRow {
    pub id: Uuid,
    pub sme_id: Option<Uuid>,
    pub agency_id: Option<Uuid>,
    pub name: String,
    pub kind: ClientKind,
    pub scopes: Value,
    pub rate_tier: RateTier,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    pub version: i64,
}

impl ClientRow {
    pub fn owner(&self) -> Target {
        Target::of(self.sme_id, self.agency_id)
    }
}

const CLIENT: &str = "select c.id, c.sme_id, c.agency_id, c.name, c.kind, c.scopes, c.rate_tier, c.created_by, c.created_at, c.expires_at, \
                      c.last_used_at, c.version from api_clients c where c.revoked_at is null and";

/// A client that was not revoked.
pub async fn client(connection: &Connection, id: Uuid) -> Outcome<ClientRow> {
    let rows: Vec<ClientRow> = select(connection, &format!("{CLIENT} c.id = ?"), [id.into()]).await?;
    rows.into_iter().next().ok_or_else(Fault::not_found)
}

/// Clients of an owner, newest first.
pub async fn clients(connection: &Connection, owner: Target) -> Outcome<Vec<ClientRow>> {
    let (column, id) = owner.column();
    select(connection, &format!("{CLIENT} c.{column} = ? order by c.id desc limit 100"), [id.into()]).await
}

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

/// Ends the keys that a user received, of one owner's clients or of all. Returns those clients, and whether each still has a key.
pub async fn end_keys_of(connection: &Connection, user: Uuid, owner: Option<Target>) -> Outcome<Vec<(Uuid, bool)>> {
    let received = "select c.id from api_clients c where c.revoked_at is null and exists (select 1 from api_keys k where k.client_id = c.id \
                    and coalesce(k.received_by, c.created_by) = ? and (k.expires_at is null or k.expires_at > ?))";
    let at = now();
    let (text, values) = of_target(received, vec![user.into(), at.into()], owner);
    let clients: Vec<Id> = select(connection, &text, values).await?;
    let mut ended = Vec::new();
    for Id { id } in clients {
        let end = "update api_keys set expires_at = ? where client_id = ? and (expires_at is null or expires_at > ?) and \
                   coalesce(received_by, (select c.created_by from api_clients c where c.id = client_id)) = ?";
        connection.execute_raw(sql(connection, end, [at.into(), id.into(), at.into(), user.into()])).await?;
        let current = "select 1 as one from api_keys where client_id = ? and expires_at is null limit 1";
        ended.push((id, connection.query_one_raw(sql(connection, current, [id.into()])).await?.is_some()));
    }
    Ok(ended)
}

/// A valid key, and whose it is.
#[derive(FromQueryResult)]
pub struct Holder {
    pub client_id: Uuid,
    /// Who received the key, and answers for what it does.
    pub received_by: Option<Uuid>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// The key with this hash, unless it has ended.
pub async fn holder(connection: &Connection, hash: &str) -> Outcome<Option<Holder>> {
    let text = "select client_id, received_by, expires_at from api_keys where key_hash = ? and (expires_at is null or expires_at > ?)";
    let rows: Vec<Holder> = select(connection, text, [hash.into(), now().into()]).await?;
    Ok(rows.into_iter().next())
}

#[derive(FromQueryResult)]
struct OriginRow {
    client_id: Uuid,
    origin: String,
}

/// The origins of these clients.
pub async fn origins(connection: &Connection, clients: &[Uuid]) -> Outcome<HashMap<Uuid, Vec<String>>> {
    let text = format!("select client_id, origin from api_client_origins where client_id in ({}) order by origin", marks(clients.len()));
    let mut origins: HashMap<Uuid, Vec<String>> = HashMap::new();
    if !clients.is_empty() {
        let rows: Vec<OriginRow> = select(connection, &text, clients.iter().map(|id| (*id).into())).await?;
        for row in rows {
            origins.entry(row.client_id).or_default().push(row.origin);
        }
    }
    Ok(origins)
}

/// Whether a web page of this origin may read with some key.
pub async fn is_known_origin(connection: &Connection, origin: &str) -> Outcome<bool> {
    let text = "select 1 as one from api_client_origins o join api_clients c on c.id = o.client_id \
                where o.origin = ? and c.revoked_at is null and (c.expires_at is null or c.expires_at > ?) limit 1";
    Ok(connection.query_one_raw(sql(connection, text, [origin.into(), now().into()])).await?.is_some())
}

#[derive(FromQueryResult)]
pub struct KeyRow {
    pub client_id: Uuid,
    pub prefix: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Valid keys of these clients, newest first.
pub async fn keys(connection: &Connection, clients: &[Uuid]) -> Outcome<Vec<KeyRow>> {
    let text = format!(
        "select client_id, prefix, created_at, expires_at from api_keys where (expires_at is null or expires_at > ?) and client_id in ({}) \
         order by id desc",
        marks(clients.len())
    );
    if clients.is_empty() {
        return Ok(Vec::new());
    }
    select(connection, &text, std::iter::once(now().into()).chain(clients.iter().map(|id| (*id).into()))).await
}

pub struct NewClient<'a> {
    pub id: Uuid,
    pub owner: Target,
    pub name: &'a str,
    pub kind: ClientKind,
    pub scopes: Value,
    pub tier: RateTier,
    pub created_by: Uuid,
    pub expires_at: Option<DateTime<Utc>>,
}

pub async fn insert(connection: &Connection, new: NewClient<'_>) -> Outcome<()> {
    let (sme, agency) = new.owner.columns();
    let text = "insert into api_clients (id, sme_id, agency_id, name, kind, scopes, rate_tier, created_by, created_at, expires_at) \
                values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = [
        new.id.into(),
        sme.into(),
        agency.into(),
        new.name.into(),
        new.kind.into(),
        new.scopes.into(),
        new.tier.into(),
        new.created_by.into(),
        now().into(),
        new.expires_at.into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// Writes what can be edited under the next version, unless somebody was faster.
pub async fn update(connection: &Connection, client: &ClientRow) -> Outcome<()> {
    let text = "update api_clients set name = ?, scopes = ?, rate_tier = ?, expires_at = ?, version = version + 1 where id = ? and version = ?";
    let values = [
        client.name.as_str().into(),
        client.scopes.clone().into(),
        client.rate_tier.into(),
        client.expires_at.into(),
        client.id.into(),
        client.version.into(),
    ];
    let changed = connection.execute_raw(sql(connection, text, values)).await?.rows_affected();
    if changed == 1 { Ok(()) } else { Err(Fault::new(&STALE)) }
}

pub async fn set_origins(connection: &Connection, client: Uuid, origins: &[String]) -> Outcome<()> {
    connection.execute_raw(sql(connection, "delete from api_client_origins where client_id = ?", [client.into()])).await?;
    let rows = origins.iter().map(|origin| vec![client.into(), origin.as_str().into()]).collect();
    insert_many(connection, "api_client_origins (client_id, origin)", rows).await
}

/// Adds a key without an end; the database refuses a second one.
pub async fn insert_key(connection: &Connection, client: Uuid, prefix: &str, hash: &str, received_by: Uuid) -> Outcome<()> {
    let text = "insert into api_keys (id, client_id, prefix, key_hash, received_by, created_at) values (?, ?, ?, ?, ?, ?)";
    let values = [Uuid::now_v7().into(), client.into(), prefix.into(), hash.into(), received_by.into(), now().into()];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// Gives the keys of a client an end, unless they have an earlier one.
pub async fn end_keys(connection: &Connection, client: Uuid, at: DateTime<Utc>) -> Outcome<()> {
    let text = "update api_keys set expires_at = ? where client_id = ? and (expires_at is null or expires_at > ?)";
    connection.execute_raw(sql(connection, text, [at.into(), client.into(), at.into()])).await?;
    Ok(())
}

pub async fn revoke(connection: &Connection, client: Uuid) -> Outcome<()> {
    end_keys(connection, client, now()).await?;
    let text = "update api_clients set revoked_at = ?, version = version + 1 where id = ?";
    connection.execute_raw(sql(connection, text, [now().into(), client.into()])).await?;
    Ok(())
}

/// Adds to what a client used today (UTC); returns whether that is its first use of the day.
pub async fn add_usage(connection: &Connection, client: Uuid, requests: i64, refused: i64) -> Outcome<bool> {
    let today: NaiveDate = now().date_naive();
    let text = "insert into api_usage (client_id, day, requests, refused) values (?, ?, 0, 0) on conflict (client_id, day) do nothing";
    let is_first = connection.execute_raw(sql(connection, text, [client.into(), today.into()])).await?.rows_affected() == 1;
    let text = "update api_usage set requests = requests + ?, refused = refused + ? where client_id = ? and day = ?";
    connection.execute_raw(sql(connection, text, [requests.into(), refused.into(), client.into(), today.into()])).await?;
    let text = "update api_clients set last_used_at = ? where id = ?";
    connection.execute_raw(sql(connection, text, [now().into(), client.into()])).await?;
    Ok(is_first)
}

#[derive(FromQueryResult)]
pub struct UsageRow {
    pub day: NaiveDate,
    pub requests: i64,
    pub refused: i64,
}

/// What a client used on the last 90 days on which it used anything, the newest first.
pub async fn usage(connection: &Connection, client: Uuid) -> Outcome<Vec<UsageRow>> {
    select(connection, "select day, requests, refused from api_usage where client_id = ? order by day desc limit 90", [client.into()]).await
}
