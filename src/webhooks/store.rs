//! SQL of webhooks.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult, Value as SqlValue};
use serde_json::Value;
use uuid::Uuid;

use super::model::DeliveryStatus;
use crate::{
    fault::{Fault, Outcome, STALE},
    identity::store::{Target, of_target},
    platform::{
        clock::now,
        database::{Connection, marks, select, sql},
        jobs::JobKind,
        vault::Sealed,
    },
};

/// Something that happened, as a trigger wrote it down.
#[derive(FromQueryResult)]
pub struct Happened {
    pub id: Uuid,
    pub kind: String,
    pub subject_id: Uuid,
    pub parent_id: Option<Uuid>,
    pub sme_id: Option<Uuid>,
    pub agency_id: Option<Uuid>,
    pub status: Option<String>,
    pub slug: Option<String>,
}

/// Whether anything waits in the outbox.
pub async fn has_happened(connection: &Connection) -> Outcome<bool> {
    Ok(connection.query_one_raw(sql(connection, "select 1 as one from outbox limit 1", [])).await?.is_some())
}

/// The oldest rows of the outbox, at most `most`.
pub async fn happened(connection: &Connection, most: u32) -> Outcome<Vec<Happened>> {
    let text = format!("select id, kind, subject_id, parent_id, sme_id, agency_id, status, slug from outbox order by number, id limit {most}");
    select(connection, &text, []).await
}

pub async fn clear_outbox(connection: &Connection, rows: &[Happened]) -> Outcome<()> {
    let text = format!("delete from outbox where id in ({})", marks(rows.len()));
    connection.execute_raw(sql(connection, &text, rows.iter().map(|row| row.id.into()))).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Link {
    sme_id: Uuid,
    agency_id: Uuid,
}

/// Which agencies mentor these SMEs.
pub async fn agencies_of(connection: &Connection, smes: &[Uuid]) -> Outcome<Vec<(Uuid, Uuid)>> {
    if smes.is_empty() {
        return Ok(Vec::new());
    }
    let text = format!("select sme_id, agency_id from sme_agencies where sme_id in ({})", marks(smes.len()));
    let rows: Vec<Link> = select(connection, &text, smes.iter().map(|id| (*id).into())).await?;
    Ok(rows.into_iter().map(|row| (row.sme_id, row.agency_id)).collect())
}

/// The next number of a subject's events. Whoever else wants one waits.
pub async fn next_sequence(connection: &Connection, subject: Uuid) -> Outcome<i64> {
    let text = "insert into event_sequences (subject_id, sequence) values (?, 1) \
                on conflict (subject_id) do update set sequence = event_sequences.sequence + 1 returning sequence";
    let row = connection.query_one_raw(sql(connection, text, [subject.into()])).await?;
    Ok(row.map(|row| row.try_get("", "sequence")).transpose()?.unwrap_or(1))
}

pub struct NewEvent<'a> {
    pub id: Uuid,
    pub kind: &'a str,
    pub subject: Uuid,
    pub sequence: i64,
    pub payload: &'a str,
}

pub async fn insert_event(connection: &Connection, event: &NewEvent<'_>) -> Outcome<()> {
    let text = "insert into webhook_events (id, kind, subject_id, sequence, payload, created_at) values (?, ?, ?, ?, ?, ?)";
    let values = [event.id.into(), event.kind.into(), event.subject.into(), event.sequence.into(), event.payload.into(), now().into()];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// Adds a delivery that is due.
pub async fn insert_delivery(connection: &Connection, endpoint: Uuid, event: &NewEvent<'_>) -> Outcome<Uuid> {
    let id = Uuid::now_v7();
    let text = "insert into webhook_deliveries (id, endpoint_id, event_id, subject_id, sequence, status, next_at, created_at) \
                values (?, ?, ?, ?, ?, 'waiting', ?, ?)";
    let values = [id.into(), endpoint.into(), event.id.into(), event.subject.into(), event.sequence.into(), now().into(), now().into()];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(id)
}

#[derive(Debug, Clone, FromQueryResult)]
pub struct EndpointRow {
    pub id: Uuid,
    pub sme_id: Option<Uuid>,
    pub agency_id: Option<Uuid>,
    pub url: String,
    pub events: Value,
    pub secret: Sealed,
    pub old_secret: Option<Sealed>,
    pub old_secret_until: Option<DateTime<Utc>>,
    pub enabled: i64,
    pub disabled_reason: Option<String>,
    pub last_success_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub version: i64,
}

impl EndpointRow {
    pub fn owner(&self) -> Target {
        Target::of(self.sme_id, self.agency_id)
    }
}

const ENDPOINT: &str = "select id, sme_id, agency_id, url, events, secret, old_secret, old_secret_until, enabled, disabled_reason, \
                        last_success_at, created_at, version from webhook_endpoints where deleted_at is null";

pub async fn endpoint(connection: &Connection, id: Uuid) -> Outcome<EndpointRow> {
    find_endpoint(connection, id).await?.ok_or_else(Fault::not_found)
}

/// An endpoint; `None` if it was removed.
pub async fn find_endpoint(connection: &Connection, id: Uuid) -> Outcome<Option<EndpointRow>> {
    let rows: Vec<EndpointRow> = select(connection, &format!("{ENDPOINT} and id = ?"), [id.into()]).await?;
    Ok(rows.into_iter().next())
}

/// Turns off the endpoints whose address or secret a user holds, for one owner or for all, and notes it on those that are off by
/// hand, which somebody might turn on again. Returns which endpoints those were.
pub async fn disable_those_of(connection: &Connection, user: Uuid, owner: Option<Target>) -> Outcome<Vec<Uuid>> {
    let made = "update webhook_endpoints set enabled = 0, disabled_reason = 'maker_left', version = version + 1 where deleted_at is null \
                and (enabled = 1 or disabled_reason = 'by_hand') and (coalesce(url_by, created_by) = ? or coalesce(secret_by, created_by) = ?)";
    let (text, values) = of_target(made, vec![user.into(), user.into()], owner);
    let rows = connection.query_all_raw(sql(connection, &format!("{text} returning id"), values)).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// All endpoints that are turned on.
pub async fn enabled_endpoints(connection: &Connection) -> Outcome<Vec<EndpointRow>> {
    select(connection, &format!("{ENDPOINT} and enabled = 1 order by id"), []).await
}

/// Endpoints of an owner, newest first.
pub async fn endpoints(connection: &Connection, owner: Target) -> Outcome<Vec<EndpointRow>> {
    let (column, id) = owner.column();
    select(connection, &format!("{ENDPOINT} and {column} = ? order by id desc limit 100"), [id.into()]).await
}

pub async fn insert_endpoint(connection: &Connection, row: &EndpointRow, created_by: Uuid) -> Outcome<()> {
    let text = "insert into webhook_endpoints (id, sme_id, agency_id, url, events, secret, created_by, url_by, secret_by, created_at) \
                values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = [
        row.id.into(),
        row.sme_id.into(),
        row.agency_id.into(),
        row.url.as_str().into(),
        row.events.clone().into(),
        row.secret.clone().into(),
        created_by.into(),
        created_by.into(),
        created_by.into(),
        row.created_at.into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// Writes what can change under the next version, unless somebody was faster.
pub async fn update_endpoint(connection: &Connection, row: &EndpointRow) -> Outcome<()> {
    let text = "update webhook_endpoints set url = ?, events = ?, secret = ?, old_secret = ?, old_secret_until = ?, enabled = ?, \
                disabled_reason = ?, version = version + 1 where id = ? and version = ?";
    let values = [
        row.url.as_str().into(),
        row.events.clone().into(),
        row.secret.clone().into(),
        row.old_secret.clone().into(),
        row.old_secret_until.into(),
        row.enabled.into(),
        row.disabled_reason.clone().into(),
        row.id.into(),
        row.version.into(),
    ];
    let changed = connection.execute_raw(sql(connection, text, values)).await?.rows_affected();
    if changed == 1 { Ok(()) } else { Err(Fault::new(&STALE)) }
}

/// Remembers who set the address of an endpoint.
pub async fn set_url_by(connection: &Connection, id: Uuid, user: Uuid) -> Outcome<()> {
    connection.execute_raw(sql(connection, "update webhook_endpoints set url_by = ? where id = ?", [user.into(), id.into()])).await?;
    Ok(())
}

/// Remembers who received the secret of an endpoint.
pub async fn set_secret_by(connection: &Connection, id: Uuid, user: Uuid) -> Outcome<()> {
    connection.execute_raw(sql(connection, "update webhook_endpoints set secret_by = ? where id = ?", [user.into(), id.into()])).await?;
    Ok(())
}

/// Takes an endpoint away; what it was sent stays until it is old.
pub async fn delete_endpoint(connection: &Connection, id: Uuid) -> Outcome<()> {
    let text = "update webhook_endpoints set deleted_at = ?, enabled = 0, disabled_reason = 'deleted', version = version + 1 where id = ?";
    connection.execute_raw(sql(connection, text, [now().into(), id.into()])).await?;
    let text = "update webhook_deliveries set status = 'dead', ended_at = ?, next_at = null where endpoint_id = ? and status = 'waiting'";
    connection.execute_raw(sql(connection, text, [now().into(), id.into()])).await?;
    Ok(())
}

pub async fn disable(connection: &Connection, id: Uuid, reason: &str) -> Outcome<()> {
    let text = "update webhook_endpoints set enabled = 0, disabled_reason = ?, version = version + 1 where id = ? and enabled = 1";
    connection.execute_raw(sql(connection, text, [reason.into(), id.into()])).await?;
    Ok(())
}

pub async fn note_success(connection: &Connection, id: Uuid) -> Outcome<()> {
    let text = "update webhook_endpoints set last_success_at = ? where id = ?";
    connection.execute_raw(sql(connection, text, [now().into(), id.into()])).await?;
    Ok(())
}

#[derive(FromQueryResult)]
pub struct DeliveryRow {
    pub id: Uuid,
    pub endpoint_id: Uuid,
    pub event_id: Uuid,
    pub subject_id: Uuid,
    pub sequence: i64,
    pub kind: String,
    pub payload: String,
    pub status: DeliveryStatus,
    pub attempts: i64,
    pub next_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

const DELIVERY: &str = "select d.id, d.endpoint_id, d.event_id, d.subject_id, d.sequence, e.kind, e.payload, d.status, d.attempts, d.next_at, \
                        d.created_at, d.ended_at from webhook_deliveries d join webhook_events e on e.id = d.event_id where";

pub async fn delivery(connection: &Connection, id: Uuid) -> Outcome<Option<DeliveryRow>> {
    let rows: Vec<DeliveryRow> = select(connection, &format!("{DELIVERY} d.id = ?"), [id.into()]).await?;
    Ok(rows.into_iter().next())
}

/// Deliveries to an endpoint before `before`, newest first.
pub async fn deliveries(
    connection: &Connection,
    endpoint: Uuid,
    status: Option<DeliveryStatus>,
    before: Option<Uuid>,
    limit: u32,
) -> Outcome<Vec<DeliveryRow>> {
    let mut text = format!("{DELIVERY} d.endpoint_id = ?");
    let mut values: Vec<SqlValue> = vec![endpoint.into()];
    if let Some(status) = status {
        text.push_str(" and d.status = ?");
        values.push(status.into());
    }
    if let Some(before) = before {
        text.push_str(" and d.id < ?");
        values.push(before.into());
    }
    select(connection, &format!("{text} order by d.id desc limit {limit}"), values).await
}

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

/// Whether an earlier event of the same subject waits to be delivered to the same endpoint.
pub async fn has_earlier(connection: &Connection, delivery: &DeliveryRow) -> Outcome<bool> {
    let text = "select id from webhook_deliveries where endpoint_id = ? and subject_id = ? and sequence < ? and status = 'waiting' limit 1";
    let values = [delivery.endpoint_id.into(), delivery.subject_id.into(), delivery.sequence.into()];
    Ok(connection.query_one_raw(sql(connection, text, values)).await?.is_some())
}

/// The first delivery that waits at the same endpoint for the same subject.
pub async fn next_in_line(connection: &Connection, delivery: &DeliveryRow) -> Outcome<Option<Uuid>> {
    let text = "select id from webhook_deliveries where endpoint_id = ? and subject_id = ? and status = 'waiting' order by sequence limit 1";
    let rows: Vec<Id> = select(connection, text, [delivery.endpoint_id.into(), delivery.subject_id.into()]).await?;
    Ok(rows.first().map(|row| row.id))
}

/// Deliveries that should have been tried before then, have nothing in front of them, and that no job will try: their
/// worker died between two steps, or a program of an earlier version gave their job up.
pub async fn stranded(connection: &Connection, before: DateTime<Utc>, most: u32) -> Outcome<Vec<Uuid>> {
    let text = format!(
        "select d.id from webhook_deliveries d join webhook_endpoints w on w.id = d.endpoint_id and w.enabled = 1 \
         where d.status = 'waiting' and d.next_at < ? \
         and not exists (select 1 from jobs j where j.kind = ? and j.subject_id = d.id and j.dead = 0) \
         and not exists (select 1 from webhook_deliveries f where f.endpoint_id = d.endpoint_id and f.subject_id = d.subject_id \
         and f.sequence < d.sequence and f.status = 'waiting') order by d.id limit {most}"
    );
    let rows: Vec<Id> = select(connection, &text, [before.into(), JobKind::DeliverWebhook.name().into()]).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// All deliveries that wait at an endpoint.
pub async fn waiting(connection: &Connection, endpoint: Uuid) -> Outcome<Vec<Uuid>> {
    let text = "select id from webhook_deliveries where endpoint_id = ? and status = 'waiting' order by id";
    let rows: Vec<Id> = select(connection, text, [endpoint.into()]).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Makes up to `most` deliveries due again, from the first attempt on: those made since `since` that ended in this
/// state.
pub async fn revive(connection: &Connection, endpoint: Uuid, since: DateTime<Utc>, status: DeliveryStatus, most: u32) -> Outcome<Vec<Uuid>> {
    let text = format!(
        "update webhook_deliveries set status = 'waiting', ended_at = null, attempts = 0, next_at = ? where id in (select id from \
         webhook_deliveries where endpoint_id = ? and created_at >= ? and status = ? order by id limit {most}) returning id"
    );
    let rows: Vec<Id> = select(connection, &text, [now().into(), endpoint.into(), since.into(), status.into()]).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Makes one delivery due again, however it ended; returns false if it waits already.
pub async fn revive_one(connection: &Connection, id: Uuid) -> Outcome<bool> {
    let text = "update webhook_deliveries set status = 'waiting', ended_at = null, attempts = 0, next_at = ? where id = ? and status <> 'waiting'";
    Ok(connection.execute_raw(sql(connection, text, [now().into(), id.into()])).await?.rows_affected() == 1)
}

/// How an attempt went.
#[derive(FromQueryResult)]
pub struct Attempt {
    pub number: i64,
    pub at: DateTime<Utc>,
    pub status_code: Option<i64>,
    pub took_ms: i64,
    pub error: Option<String>,
    pub answer: Option<String>,
}

/// Attempts of a delivery, oldest first.
pub async fn attempts(connection: &Connection, delivery: Uuid) -> Outcome<Vec<Attempt>> {
    let text = "select number, at, status_code, took_ms, error, answer from webhook_attempts where delivery_id = ? order by number limit 200";
    select(connection, text, [delivery.into()]).await
}

/// Adds an attempt behind those there are.
pub async fn insert_attempt(connection: &Connection, delivery: Uuid, attempt: &Attempt) -> Outcome<()> {
    let text = "insert into webhook_attempts (delivery_id, number, at, status_code, took_ms, error, answer) \
                select ?, coalesce(max(number), 0) + 1, ?, ?, ?, ?, ? from webhook_attempts where delivery_id = ?";
    let values = [
        delivery.into(),
        attempt.at.into(),
        attempt.status_code.into(),
        attempt.took_ms.into(),
        attempt.error.clone().into(),
        attempt.answer.clone().into(),
        delivery.into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// Records how a delivery stands after an attempt; returns false if it does not wait any more.
pub async fn settle(connection: &Connection, delivery: Uuid, status: DeliveryStatus, attempts: i64, next_at: Option<DateTime<Utc>>) -> Outcome<bool> {
    let ended_at = (status != DeliveryStatus::Waiting).then(now);
    let text = "update webhook_deliveries set status = ?, attempts = ?, next_at = ?, ended_at = ? where id = ? and status = 'waiting'";
    let values = [status.into(), attempts.into(), next_at.into(), ended_at.into(), delivery.into()];
    Ok(connection.execute_raw(sql(connection, text, values)).await?.rows_affected() == 1)
}

/// Deletes what ended before `before`: attempts, deliveries, and events that nobody waits for. Returns whether there
/// may be more.
pub async fn forget(connection: &Connection, before: DateTime<Utc>, most: u32) -> Outcome<bool> {
    let text = format!("select id from webhook_deliveries where ended_at is not null and ended_at < ? limit {most}");
    let old: Vec<Id> = select(connection, &text, [before.into()]).await?;
    if !old.is_empty() {
        for text in ["delete from webhook_attempts where delivery_id in", "delete from webhook_deliveries where id in"] {
            let text = format!("{text} ({})", marks(old.len()));
            connection.execute_raw(sql(connection, &text, old.iter().map(|row| row.id.into()))).await?;
        }
    }
    let text = format!(
        "delete from webhook_events where id in (select e.id from webhook_events e where e.created_at < ? \
         and not exists (select 1 from webhook_deliveries d where d.event_id = e.id) limit {most})"
    );
    let events = connection.execute_raw(sql(connection, &text, [before.into()])).await?.rows_affected();
    Ok(old.len() as u64 == u64::from(most) || events == u64::from(most))
}
