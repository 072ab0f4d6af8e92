//! From the outbox to deliveries; endpoints and replays.

use std::time::Duration as StdDuration;

use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    model::{DeliveryStatus, EventKind, new_secret},
    store::{self, DeliveryRow, EndpointRow, Happened, NewEvent},
    target,
};
use crate::{
    app::App,
    audit,
    config::Config,
    fault::{Fault, FieldFault, Outcome, field, say},
    identity::{
        policy::{self, ManageClients, Permit},
        store::Target,
    },
    platform::{
        clock::now,
        database::{Connection, only_here},
        jobs::JobKind,
    },
    quotas, secrets,
    work::Work,
};

/// How often the outbox is looked at.
const LOOK: StdDuration = StdDuration::from_millis(500);
/// How often stranded deliveries are looked for, and when one is.
const RESCUE: StdDuration = StdDuration::from_secs(30);
const STRANDED: Duration = Duration::minutes(2);
/// How often what is old is taken away, and how old that is.
const TIDY: StdDuration = StdDuration::from_hours(1);
const KEPT: Duration = Duration::days(30);
/// Rows of the outbox, and of what is old, that are dealt with in one transaction.
const AT_ONCE: u32 = 500;
/// Most endpoints of an owner.
const MOST_ENDPOINTS: usize = 20;
/// Most deliveries that one request makes due again.
const MOST_REPLAYED: u32 = 10_000;
/// One replica fans out at a time, so that a subject's events keep their order.
const FAN_OUT_LOCK: i64 = 0x4554_414c + 2;

/// Turns what happened into deliveries, for as long as the service runs.
pub async fn fan_out_forever(app: App) {
    forever(LOOK, "fanning out", || fan_out(&app)).await;
}

/// Retries stranded deliveries, for as long as the service runs.
pub async fn rescue_forever(app: App) {
    forever(RESCUE, "stranded deliveries", || rescue(&app, now() - STRANDED)).await;
}

/// Deletes what ended more than 30 days ago, for as long as the service runs.
pub async fn tidy_forever(app: App) {
    forever(TIDY, "taking away what is old", || tidy(&app, now() - KEPT)).await;
}

async fn forever<F: Future<Output = Outcome<()>>>(every: StdDuration, what: &'static str, act: impl Fn() -> F) {
    loop {
        tokio::time::sleep(every).await;
        if let Err(fault) = act().await {
            tracing::warn!(%fault, "webhooks: {what}");
        }
    }
}

/// Asks for another try of deliveries that were due before `before` and that no job will try.
pub async fn rescue(app: &App, before: DateTime<Utc>) -> Outcome<()> {
    let stranded = store::stranded(app.database.reader(), before, AT_ONCE).await?;
    if stranded.is_empty() {
        return Ok(());
    }
    let work = Work::begin(app, "webhooks").await?;
    work.enqueue_all(JobKind::DeliverWebhook, &stranded).await?;
    work.commit().await
}

/// Deletes deliveries, their attempts and their events that ended before `before`.
pub async fn tidy(app: &App, before: DateTime<Utc>) -> Outcome<()> {
    loop {
        let work = Work::begin(app, "tidy").await?;
        let has_more = store::forget(work.db(), before, AT_ONCE).await?;
        work.commit().await?;
        if !has_more {
            return Ok(());
        }
    }
}

/// Turns everything in the outbox into deliveries.
pub async fn fan_out(app: &App) -> Outcome<()> {
    while store::has_happened(app.database.reader()).await? {
        let work = Work::begin(app, "webhooks").await?;
        if !only_here(work.db(), FAN_OUT_LOCK).await? {
            return Ok(());
        }
        let happened = store::happened(work.db(), AT_ONCE).await?;
        if happened.is_empty() {
            return Ok(());
        }
        let endpoints = store::enabled_endpoints(work.db()).await?;
        if !endpoints.is_empty() {
            let smes: Vec<Uuid> = happened.iter().filter_map(|row| row.sme_id).collect();
            let mentoring = store::agencies_of(work.db(), &smes).await?;
            let mut deliveries = Vec::new();
            for row in &happened {
                deliveries.extend(tell(&work, row, &endpoints, &mentoring).await?);
            }
            work.enqueue_all(JobKind::DeliverWebhook, &deliveries).await?;
        }
        store::clear_outbox(work.db(), &happened).await?;
        work.commit().await?;
    }
    Ok(())
}

/// Makes an event of what happened, if an endpoint wants it, and its deliveries.
async fn tell(work: &Work, row: &Happened, endpoints: &[EndpointRow], mentoring: &[(Uuid, Uuid)]) -> Outcome<Vec<Uuid>> {
    let kind: EventKind = serde_json::from_value(row.kind.as_str().into()).map_err(Fault::internal)?;
    let told: Vec<&EndpointRow> = endpoints.iter().filter(|endpoint| wants(endpoint, kind) && concerns(endpoint, kind, row, mentoring)).collect();
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let path = path_of(kind, row);
    let (sequence, payload) = number(work, &row.kind, row.subject_id, row.status.as_deref(), path).await?;
    let event = NewEvent { id: Uuid::now_v7(), kind: &row.kind, subject: row.subject_id, sequence, payload: &payload };
    store::insert_event(work.db(), &event).await?;
    let mut deliveries = Vec::new();
    for endpoint in told {
        deliveries.push(store::insert_delivery(work.db(), endpoint.id, &event).await?);
    }
    Ok(deliveries)
}

/// The number and the body of an event. It says what changed and where to read it, not how it looks: that may have changed
/// again by the time it arrives.
async fn number(work: &Work, kind: &str, subject: Uuid, status: Option<&str>, path: Option<String>) -> Outcome<(i64, String)> {
    let sequence = store::next_sequence(work.db(), subject).await?;
    let mut data = Map::from_iter([("id".to_owned(), json!(subject)), ("sequence".to_owned(), json!(sequence))]);
    if let Some(status) = status {
        data.insert("status".to_owned(), status.into());
    }
    if let Some(path) = path {
        data.insert("url".to_owned(), format!("{}{path}", work.config().public_url()).into());
    }
    let payload = json!({ "type": kind, "timestamp": now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true), "data": Value::Object(data) });
    Ok((sequence, payload.to_string()))
}

fn path_of(kind: EventKind, row: &Happened) -> Option<String> {
    let subject = row.subject_id;
    match kind {
        EventKind::ProductListed | EventKind::ProductChanged => Some(format!("/v1/storefront/products/{subject}")),
        EventKind::ExhibitionChanged => row.slug.as_ref().map(|slug| format!("/v1/storefront/exhibitions/{slug}")),
        EventKind::ApplicationChanged => row.parent_id.map(|exhibition| format!("/v1/exhibitions/{exhibition}/applications/{subject}")),
        EventKind::SmeChanged => Some(format!("/v1/smes/{subject}")),
        EventKind::ProductRemoved | EventKind::Ping => None,
    }
}

fn wants(endpoint: &EndpointRow, kind: EventKind) -> bool {
    kinds(endpoint).is_ok_and(|kinds| kinds.contains(&kind))
}

/// Whether an endpoint may know: an SME of its own and of exhibitions; an agency of everything public, of the SMEs that it
/// mentors and of applications to its exhibitions.
fn concerns(endpoint: &EndpointRow, kind: EventKind, row: &Happened, mentoring: &[(Uuid, Uuid)]) -> bool {
    match endpoint.owner() {
        Target::Sme(sme) => kind == EventKind::ExhibitionChanged || row.sme_id == Some(sme),
        Target::Agency(agency) => match kind {
            EventKind::ApplicationChanged => row.agency_id == Some(agency),
            EventKind::SmeChanged => mentoring.contains(&(row.subject_id, agency)),
            _ => true,
        },
    }
}

/// The events that an endpoint wants.
pub fn kinds(endpoint: &EndpointRow) -> Outcome<Vec<EventKind>> {
    serde_json::from_value(endpoint.events.clone()).map_err(Fault::internal)
}

fn check(config: &Config, url: &str, events: &[EventKind]) -> Outcome<()> {
    let mut faults: Vec<FieldFault> = Vec::new();
    if let Some(why) = target::refusal(url, config.webhooks_to_private) {
        faults.push(field("/url", "bad_url", why));
    }
    if events.is_empty() {
        faults.push(field("/events", "required", say("Sebutkan sedikitnya satu.", "Name at least one.")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Fault::invalid(faults)) }
}

/// Makes an endpoint; returns it with its secret, which is shown this once.
pub async fn create(work: &Work, permit: &Permit<ManageClients>, owner: Target, url: String, events: &[EventKind]) -> Outcome<(EndpointRow, String)> {
    check(work.config(), &url, events)?;
    quotas::hold(work, owner).await?;
    if store::endpoints(work.db(), owner).await?.len() >= MOST_ENDPOINTS {
        return Err(Fault::conflict("too_many_endpoints", say("Paling banyak 20.", "At most 20.")));
    }
    let (sme_id, agency_id) = owner.columns();
    let (id, secret) = (Uuid::now_v7(), new_secret());
    let row = EndpointRow {
        id,
        sme_id,
        agency_id,
        url,
        events: json!(events),
        secret: work.vault().seal(work.db(), &secrets::webhook(id), &secret).await?,
        old_secret: None,
        old_secret_until: None,
        enabled: 1,
        disabled_reason: None,
        last_success_at: None,
        created_at: now(),
        version: 1,
    };
    store::insert_endpoint(work.db(), &row, permit.by()).await?;
    work.audit(permit, "create", "webhook_endpoint", row.id, json!({ "events": events }), None).await?;
    Ok((row, secret))
}

/// What is to change; what is absent stays.
pub struct Change {
    pub url: Option<String>,
    pub events: Option<Vec<EventKind>>,
    pub enabled: Option<bool>,
}

/// Turns off the endpoints that a person made, for one owner or for all: who has left is told nothing more. Others of the owner
/// may turn them on again.
pub async fn disable_those_of(work: &Work, user: Uuid, owner: Option<Target>) -> Outcome<usize> {
    let endpoints = store::disable_those_of(work.db(), user, owner).await?;
    for endpoint in &endpoints {
        let change = json!({ "reason": "maker_left", "made_by": user });
        work.audit(&policy::system::<ManageClients>(Uuid::nil()), "disable", "webhook_endpoint", *endpoint, change, None).await?;
    }
    Ok(endpoints.len())
}

/// Turns off an endpoint whose secret can't be read any more, within a command of the operator.
pub async fn disable_unreadable(connection: &Connection, endpoint: Uuid) -> Outcome<()> {
    if store::find_endpoint(connection, endpoint).await?.is_none_or(|row| row.enabled == 0) {
        return Ok(());
    }
    store::disable(connection, endpoint, "secret_lost").await?;
    let change = json!({ "reason": "secret_lost" });
    audit::record(connection, audit::Entry::of_command("disable", "webhook_endpoint", endpoint, change)).await
}

/// Changes an endpoint. Switched on again, it is sent what waited.
pub async fn edit(work: &Work, permit: &Permit<ManageClients>, mut row: EndpointRow, change: Change) -> Outcome<()> {
    let was_enabled = row.enabled == 1;
    if let Some(url) = change.url {
        row.url = url;
        store::set_url_by(work.db(), row.id, permit.by()).await?;
    }
    let events = match change.events {
        Some(events) => events,
        None => kinds(&row)?,
    };
    check(work.config(), &row.url, &events)?;
    row.events = json!(events);
    if let Some(enabled) = change.enabled {
        row.enabled = i64::from(enabled);
        row.disabled_reason = if enabled { None } else { Some(row.disabled_reason.unwrap_or_else(|| "by_hand".to_owned())) };
    }
    store::update_endpoint(work.db(), &row).await?;
    if !was_enabled && row.enabled == 1 {
        work.enqueue_all(JobKind::DeliverWebhook, &store::waiting(work.db(), row.id).await?).await?;
    }
    work.audit(permit, "edit", "webhook_endpoint", row.id, json!({ "events": events, "enabled": row.enabled == 1 }), None).await
}

pub async fn delete(work: &Work, permit: &Permit<ManageClients>, row: &EndpointRow) -> Outcome<()> {
    store::delete_endpoint(work.db(), row.id).await?;
    work.audit(permit, "delete", "webhook_endpoint", row.id, json!({}), None).await
}

/// Makes a new secret and returns it, this once; messages are signed with both for `overlap_hours`. An old secret that
/// can't be read any more goes at once, and an endpoint that was turned off for it is told of everything again.
pub async fn rotate(work: &Work, permit: &Permit<ManageClients>, mut row: EndpointRow, overlap_hours: i64) -> Outcome<(EndpointRow, String)> {
    let (vault, owner, secret) = (&work.vault(), secrets::webhook(row.id), new_secret());
    let is_readable = vault.open_secret(&owner, &row.secret).is_ok();
    let old = std::mem::replace(&mut row.secret, vault.seal(work.db(), &owner, &secret).await?);
    row.old_secret = is_readable.then_some(old);
    row.old_secret_until = is_readable.then(|| now() + Duration::hours(overlap_hours));
    if row.disabled_reason.as_deref() == Some("secret_lost") {
        (row.enabled, row.disabled_reason) = (1, None);
        work.enqueue_all(JobKind::DeliverWebhook, &store::waiting(work.db(), row.id).await?).await?;
    }
    store::update_endpoint(work.db(), &row).await?;
    store::set_secret_by(work.db(), row.id, permit.by()).await?;
    work.audit(permit, "rotate", "webhook_endpoint", row.id, json!({ "overlap_hours": overlap_hours }), None).await?;
    Ok((EndpointRow { version: row.version + 1, ..row }, secret))
}

/// Sends a ping; returns its delivery.
pub async fn ping(work: &Work, row: &EndpointRow) -> Outcome<Uuid> {
    quotas::ping(work, row.id).await?;
    let (sequence, payload) = number(work, "ping", row.id, None, None).await?;
    let event = NewEvent { id: Uuid::now_v7(), kind: "ping", subject: row.id, sequence, payload: &payload };
    store::insert_event(work.db(), &event).await?;
    let delivery = store::insert_delivery(work.db(), row.id, &event).await?;
    work.enqueue(JobKind::DeliverWebhook, delivery).await?;
    Ok(delivery)
}

/// Sends again what was sent, or given up, of the events since `since`; returns how many deliveries that is.
pub async fn replay(work: &Work, permit: &Permit<ManageClients>, row: &EndpointRow, since: DateTime<Utc>, status: DeliveryStatus) -> Outcome<usize> {
    let deliveries = store::revive(work.db(), row.id, since, status, MOST_REPLAYED).await?;
    work.enqueue_all(JobKind::DeliverWebhook, &deliveries).await?;
    let change = json!({ "since": since, "status": status, "deliveries": deliveries.len() });
    work.audit(permit, "replay", "webhook_endpoint", row.id, change, None).await?;
    Ok(deliveries.len())
}

/// Sends one delivery again.
pub async fn replay_one(work: &Work, permit: &Permit<ManageClients>, delivery: &DeliveryRow) -> Outcome<()> {
    if !store::revive_one(work.db(), delivery.id).await? {
        return Err(Fault::conflict("still_waiting", say("Masih menunggu dikirim.", "It still waits to be delivered.")));
    }
    work.enqueue(JobKind::DeliverWebhook, delivery.id).await?;
    work.audit(permit, "replay", "webhook_endpoint", delivery.endpoint_id, json!({ "delivery": delivery.id }), None).await
}
