//! Webhooks over HTTP.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    model::{DeliveryStatus, EventKind},
    service::{self, Change},
    store::{self, Attempt, DeliveryRow, EndpointRow},
};
use crate::{
    app::App,
    clients::{
        api::{Rotation, owner},
        service::overlap,
    },
    fault::{Fault, Outcome},
    http::{
        Body, Member, Page, Reply, Tag, Work, Write,
        reply::{Accepted, Created, NoContent, page_limit},
    },
    identity::policy::{self, ManageClients, Permit},
    platform::database::Connection,
};

pub struct WebhooksApi;

/// A server that is told what happened.
#[derive(Clone, Object)]
pub struct WebhookEndpoint {
    pub id: Uuid,
    /// Of an SME; else of an agency.
    pub sme_id: Option<Uuid>,
    pub agency_id: Option<Uuid>,
    pub url: String,
    pub events: Vec<EventKind>,
    pub enabled: bool,
    /// `by_hand`, `gone` (it answered 410), `failing` (it took nothing for 24 hours), `maker_left`, or `secret_lost` (rotate it).
    pub disabled_reason: Option<String>,
    /// UTC.
    pub last_success_at: Option<DateTime<Utc>>,
    /// UTC.
    pub created_at: DateTime<Utc>,
    /// UTC; until then messages are signed with the old secret too.
    pub old_secret_until: Option<DateTime<Utc>>,
    pub version: i64,
    /// The new secret, `whsec_…`. Shown once, when it is made.
    #[oai(skip_serializing_if_is_none)]
    pub secret: Option<String>,
}

impl TryFrom<EndpointRow> for WebhookEndpoint {
    type Error = Fault;

    fn try_from(row: EndpointRow) -> Outcome<Self> {
        Ok(Self {
            events: service::kinds(&row)?,
            id: row.id,
            sme_id: row.sme_id,
            agency_id: row.agency_id,
            url: row.url,
            enabled: row.enabled == 1,
            disabled_reason: row.disabled_reason,
            last_success_at: row.last_success_at,
            created_at: row.created_at,
            old_secret_until: row.old_secret_until,
            version: row.version,
            secret: None,
        })
    }
}

/// An endpoint to be made, of one SME or one agency.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewWebhookEndpoint {
    #[serde(default)]
    pub sme_id: Option<Uuid>,
    #[serde(default)]
    pub agency_id: Option<Uuid>,
    /// Encrypted, and reachable from the internet.
    #[oai(validator(max_length = 2000))]
    pub url: String,
    /// An SME is told of itself, its products and applications, and of exhibitions; an agency of everything public, of the
    /// SMEs that it mentors, and of applications to its exhibitions.
    #[oai(validator(max_items = 50))]
    pub events: Vec<EventKind>,
}

/// What is to change; what is absent stays.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct WebhookEndpointPatch {
    #[serde(default)]
    #[oai(validator(max_length = 2000))]
    pub url: Option<String>,
    #[serde(default)]
    #[oai(validator(max_items = 50))]
    pub events: Option<Vec<EventKind>>,
    /// Switched on again, it is sent what waited.
    #[serde(default)]
    pub enabled: Option<bool>,
}

/// Which deliveries are to be sent again.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// UTC; those of events from then on, at most 10,000.
    pub since: DateTime<Utc>,
    /// Those that were given up where nothing is said; `delivered` for those that arrived.
    #[serde(default)]
    pub status: Option<DeliveryStatus>,
}

/// How many deliveries are due again.
#[derive(Object)]
pub struct Replayed {
    pub deliveries: i64,
}

/// An event on its way to an endpoint.
#[derive(Object)]
pub struct WebhookDelivery {
    pub id: Uuid,
    pub event_id: Uuid,
    pub kind: String,
    /// What it happened to.
    pub subject_id: Uuid,
    /// Its number among the events of the subject.
    pub sequence: i64,
    pub status: DeliveryStatus,
    pub attempts: i64,
    /// UTC; when it is tried next.
    pub next_at: Option<DateTime<Utc>>,
    /// UTC.
    pub created_at: DateTime<Utc>,
    /// UTC.
    pub ended_at: Option<DateTime<Utc>>,
}

impl From<DeliveryRow> for WebhookDelivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            event_id: row.event_id,
            kind: row.kind,
            subject_id: row.subject_id,
            sequence: row.sequence,
            status: row.status,
            attempts: row.attempts,
            next_at: row.next_at,
            created_at: row.created_at,
            ended_at: row.ended_at,
        }
    }
}

/// The same with what was sent and how that went.
#[derive(Object)]
pub struct WebhookDeliveryDetail {
    #[oai(flatten)]
    pub delivery: WebhookDelivery,
    /// The body, byte for byte.
    pub payload: String,
    /// Oldest first.
    pub log: Vec<WebhookAttempt>,
}

/// One attempt.
#[derive(Object)]
pub struct WebhookAttempt {
    /// UTC.
    pub at: DateTime<Utc>,
    /// Of the answer, if there was one.
    pub status_code: Option<i64>,
    /// Milliseconds.
    pub took_ms: i64,
    pub error: Option<String>,
    /// The beginning of the answer.
    pub answer: Option<String>,
}

impl From<Attempt> for WebhookAttempt {
    fn from(row: Attempt) -> Self {
        Self { at: row.at, status_code: row.status_code, took_ms: row.took_ms, error: row.error, answer: row.answer }
    }
}

/// A permitted write on one endpoint, begun.
async fn begin(member: &Member, write: &Write, id: Uuid, body: &[u8]) -> poem::Result<(Work, Permit<ManageClients>, EndpointRow)> {
    let work = write.begin(member, body).await?;
    let (row, permit) = permitted(work.db(), member, id).await?;
    Ok((work, permit, row))
}

/// The same for a sensitive step.
async fn begin_confirmed(member: &Member, write: &Write, id: Uuid, body: &[u8]) -> poem::Result<(Work, Permit<ManageClients>, EndpointRow)> {
    let work = write.begin_confirmed(member, body).await?;
    let (row, permit) = permitted(work.db(), member, id).await?;
    Ok((work, permit, row))
}

async fn permitted(connection: &Connection, member: &Member, id: Uuid) -> Outcome<(EndpointRow, Permit<ManageClients>)> {
    let row = store::endpoint(connection, id).await?;
    let permit = policy::permit(member, &row.owner().scope())?;
    Ok((row, permit))
}

async fn detail(connection: &Connection, row: DeliveryRow) -> Outcome<WebhookDeliveryDetail> {
    let log = store::attempts(connection, row.id).await?.into_iter().map(WebhookAttempt::from).collect();
    Ok(WebhookDeliveryDetail { payload: row.payload.clone(), log, delivery: row.into() })
}

#[OpenApi(tag = "Tag::Integrations")]
impl WebhooksApi {
    /// List webhook endpoints
    ///
    /// Of one SME or one agency, newest first.
    #[oai(path = "/v1/webhook-endpoints", method = "get", operation_id = "list_webhook_endpoints")]
    async fn list(
        &self,
        app: Data<&App>,
        member: Member,
        sme_id: Query<Option<Uuid>>,
        agency_id: Query<Option<Uuid>>,
    ) -> poem::Result<Reply<Page<WebhookEndpoint>>> {
        let owner = owner(sme_id.0, agency_id.0)?;
        policy::permit::<ManageClients>(&member, &owner.scope())?;
        let rows = store::endpoints(app.database.reader(), owner).await?.into_iter();
        Ok(Reply::new(&Page::whole(rows.map(WebhookEndpoint::try_from).collect::<Outcome<_>>()?, 100)))
    }

    /// Make a webhook endpoint
    ///
    /// The answer holds its secret, which is not shown again. Messages are signed by the rules of Standard Webhooks
    /// (`webhook-id`, `webhook-timestamp`, `webhook-signature`), so its libraries verify them. They come at least once, and
    /// those of one subject in their order; a message says what happened and where to read it. What is not answered with 2xx
    /// within ten seconds is tried again for 24 hours.
    #[oai(path = "/v1/webhook-endpoints", method = "post", operation_id = "create_webhook_endpoint")]
    async fn create(&self, member: Member, write: Write, body: Body<NewWebhookEndpoint>) -> poem::Result<Created<WebhookEndpoint>> {
        let new = body.read()?;
        let owner = owner(new.sme_id, new.agency_id)?;
        let permit = policy::permit::<ManageClients>(&member, &owner.scope())?;
        let work = write.begin_confirmed(&member, body.bytes()).await?;
        let (row, secret) = service::create(&work, &permit, owner, new.url, &new.events).await?;
        let location = format!("/v1/webhook-endpoints/{}", row.id);
        let again = WebhookEndpoint::try_from(row)?;
        let shown = Created::new(&WebhookEndpoint { secret: Some(secret), ..again.clone() }).version(again.version).location(location);
        work.finish_secret(shown, &again).await
    }

    /// Read a webhook endpoint
    #[oai(path = "/v1/webhook-endpoints/:endpoint_id", method = "get", operation_id = "get_webhook_endpoint")]
    async fn get(&self, app: Data<&App>, member: Member, endpoint_id: Path<Uuid>) -> poem::Result<Reply<WebhookEndpoint>> {
        let (row, _) = permitted(app.database.reader(), &member, *endpoint_id).await?;
        let version = row.version;
        Ok(Reply::new(&row.try_into()?).version(version))
    }

    /// Edit a webhook endpoint
    ///
    /// A JSON Merge Patch with If-Match. Turning it off, and nothing else, needs no proof of presence.
    #[oai(path = "/v1/webhook-endpoints/:endpoint_id", method = "patch", operation_id = "edit_webhook_endpoint")]
    async fn edit(
        &self,
        member: Member,
        write: Write,
        endpoint_id: Path<Uuid>,
        body: Body<WebhookEndpointPatch>,
    ) -> poem::Result<Reply<WebhookEndpoint>> {
        let patch = body.read()?;
        let is_turned_off_only = patch.enabled == Some(false) && patch.url.is_none() && patch.events.is_none();
        let (work, permit, row) = if is_turned_off_only {
            begin(&member, &write, *endpoint_id, body.bytes()).await?
        } else {
            begin_confirmed(&member, &write, *endpoint_id, body.bytes()).await?
        };
        write.if_match(row.version)?;
        service::edit(&work, &permit, row, Change { url: patch.url, events: patch.events, enabled: patch.enabled }).await?;
        let row = store::endpoint(work.db(), *endpoint_id).await?;
        let version = row.version;
        work.finish(Reply::new(&row.try_into()?).version(version)).await
    }

    /// Remove a webhook endpoint
    ///
    /// What waits for it is given up.
    #[oai(path = "/v1/webhook-endpoints/:endpoint_id", method = "delete", operation_id = "delete_webhook_endpoint")]
    async fn delete(&self, member: Member, write: Write, endpoint_id: Path<Uuid>) -> poem::Result<NoContent> {
        let (work, permit, row) = begin(&member, &write, *endpoint_id, &[]).await?;
        service::delete(&work, &permit, &row).await?;
        work.finish_empty().await
    }

    /// Make a new secret
    ///
    /// The answer holds it, this once. For some more hours messages are signed with the old one too.
    #[oai(path = "/v1/webhook-endpoints/:endpoint_id/rotate", method = "post", operation_id = "rotate_webhook_secret")]
    async fn rotate(&self, member: Member, write: Write, endpoint_id: Path<Uuid>, body: Body<Rotation>) -> poem::Result<Reply<WebhookEndpoint>> {
        let (work, permit, row) = begin_confirmed(&member, &write, *endpoint_id, body.bytes()).await?;
        let (row, secret) = service::rotate(&work, &permit, row, overlap(body.read()?.overlap_hours)?).await?;
        let again = WebhookEndpoint::try_from(row)?;
        let shown = Reply::new(&WebhookEndpoint { secret: Some(secret), ..again.clone() }).version(again.version);
        work.finish_secret(shown, &again).await
    }

    /// Send a test
    ///
    /// A `ping`, whatever the endpoint wants. The answer is its delivery; read that for how it went.
    #[oai(path = "/v1/webhook-endpoints/:endpoint_id/test", method = "post", operation_id = "test_webhook_endpoint")]
    async fn test(&self, member: Member, write: Write, endpoint_id: Path<Uuid>) -> poem::Result<Accepted<WebhookDelivery>> {
        let (work, _, row) = begin(&member, &write, *endpoint_id, &[]).await?;
        let id = service::ping(&work, &row).await?;
        let delivery = store::delivery(work.db(), id).await?.ok_or_else(Fault::not_found)?;
        work.finish(Accepted::new(&delivery.into()).location(format!("/v1/webhook-deliveries/{id}"))).await
    }

    /// Send again
    ///
    /// All that was given up, or all that arrived, of events from a time on.
    #[oai(path = "/v1/webhook-endpoints/:endpoint_id/replay", method = "post", operation_id = "replay_webhook_endpoint")]
    async fn replay(&self, member: Member, write: Write, endpoint_id: Path<Uuid>, body: Body<Replay>) -> poem::Result<Accepted<Replayed>> {
        let (work, permit, row) = begin(&member, &write, *endpoint_id, body.bytes()).await?;
        let wanted = body.read()?;
        let deliveries = service::replay(&work, &permit, &row, wanted.since, wanted.status.unwrap_or(DeliveryStatus::Dead)).await?;
        work.finish(Accepted::new(&Replayed { deliveries: deliveries as i64 })).await
    }

    /// Deliveries of a webhook endpoint
    ///
    /// Newest first; those of the last 30 days.
    #[oai(path = "/v1/webhook-endpoints/:endpoint_id/deliveries", method = "get", operation_id = "list_webhook_deliveries")]
    async fn deliveries(
        &self,
        app: Data<&App>,
        member: Member,
        endpoint_id: Path<Uuid>,
        status: Query<Option<DeliveryStatus>>,
        limit: Query<Option<u32>>,
        cursor: Query<Option<Uuid>>,
    ) -> poem::Result<Reply<Page<WebhookDelivery>>> {
        let reader = app.database.reader();
        let (row, _) = permitted(reader, &member, *endpoint_id).await?;
        let limit = page_limit(limit.0);
        let rows = store::deliveries(reader, row.id, status.0, cursor.0, limit + 1).await?;
        Ok(Reply::new(&Page::cut(rows, limit, |row| row.id)))
    }

    /// Read a delivery
    ///
    /// With what was sent, and how each attempt went.
    #[oai(path = "/v1/webhook-deliveries/:delivery_id", method = "get", operation_id = "get_webhook_delivery")]
    async fn delivery(&self, app: Data<&App>, member: Member, delivery_id: Path<Uuid>) -> poem::Result<Reply<WebhookDeliveryDetail>> {
        let reader = app.database.reader();
        let delivery = store::delivery(reader, *delivery_id).await?.ok_or_else(Fault::not_found)?;
        permitted(reader, &member, delivery.endpoint_id).await?;
        Ok(Reply::new(&detail(reader, delivery).await?))
    }

    /// Send a delivery again
    ///
    /// With the same `webhook-id`, however it ended.
    #[oai(path = "/v1/webhook-deliveries/:delivery_id/replay", method = "post", operation_id = "replay_webhook_delivery")]
    async fn replay_one(&self, member: Member, write: Write, delivery_id: Path<Uuid>) -> poem::Result<Accepted<WebhookDelivery>> {
        let work = write.begin(&member, &[]).await?;
        let delivery = store::delivery(work.db(), *delivery_id).await?.ok_or_else(Fault::not_found)?;
        let (_, permit) = permitted(work.db(), &member, delivery.endpoint_id).await?;
        service::replay_one(&work, &permit, &delivery).await?;
        let delivery = store::delivery(work.db(), *delivery_id).await?.ok_or_else(Fault::not_found)?;
        work.finish(Accepted::new(&delivery.into())).await
    }
}
