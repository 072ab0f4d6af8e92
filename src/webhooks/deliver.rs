//! One attempt to deliver one event.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use chrono::Duration;
use rand::Rng;
use reqwest::{Response, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::{
    model::{DeliveryStatus, sign, wait_after},
    store::{self, Attempt, DeliveryRow, EndpointRow},
    target,
};
use crate::{
    app::App,
    fault::{Fault, Outcome},
    identity::policy::{ManageClients, clock},
    platform::{clock::now, jobs::JobKind, vault::Unreadable},
    secrets,
    work::Work,
};

/// Characters of an answer that are kept for whoever looks for the mistake.
const KEPT_OF_ANSWER: usize = 1_000;
/// An endpoint that has taken nothing for this long when a delivery is given up is switched off.
const PATIENCE: Duration = Duration::hours(24);

/// Deliveries to one endpoint at a time: one that does not answer leaves workers for the others.
const TO_ONE_AT_ONCE: usize = 4;

/// How many deliveries to each endpoint are in progress in this process.
#[derive(Default)]
pub struct UnderWay(Mutex<HashMap<Uuid, usize>>);

/// Counts as one delivery in progress for as long as it lives.
struct Place<'a>(&'a UnderWay, Uuid);

impl UnderWay {
    fn take(&self, endpoint: Uuid) -> Option<Place<'_>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(endpoint).or_default();
        (*count < TO_ONE_AT_ONCE).then(|| {
            *count += 1;
            Place(self, endpoint)
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

/// Tries a delivery, unless an earlier one of its subject waits: that one calls it when it has ended.
pub async fn deliver(app: &App, id: Uuid, request_id: &str) -> Outcome<()> {
    let reader = app.database.reader();
    let Some(delivery) = store::delivery(reader, id).await?.filter(|delivery| delivery.status == DeliveryStatus::Waiting) else {
        return Ok(());
    };
    let Some(endpoint) = store::find_endpoint(reader, delivery.endpoint_id).await? else {
        // Removed while the event was on its way here.
        let work = Work::begin(app, request_id).await?;
        end(&work, &delivery, DeliveryStatus::Dead, delivery.attempts).await?;
        return work.commit().await;
    };
    if endpoint.enabled == 0 || store::has_earlier(reader, &delivery).await? {
        return Ok(());
    }
    let Some(_place) = app.webhooks_under_way.take(endpoint.id) else {
        let wait = Duration::seconds(rand::rng().random_range(5..60));
        let work = Work::begin(app, request_id).await?;
        work.enqueue_later(JobKind::DeliverWebhook, id, wait).await?;
        return work.commit().await;
    };
    let attempt = attempt(app, &endpoint, &delivery).await?;
    let is_gone = attempt.status_code == Some(i64::from(StatusCode::GONE.as_u16()));
    let attempts = delivery.attempts + 1;
    let work = Work::begin(app, request_id).await?;
    store::insert_attempt(work.db(), id, &attempt).await?;
    if attempt.error.is_none() {
        store::note_success(work.db(), endpoint.id).await?;
        end(&work, &delivery, DeliveryStatus::Delivered, attempts).await?;
    } else if let Some(wait) = wait_after(attempts).filter(|_| !is_gone) {
        if store::settle(work.db(), id, DeliveryStatus::Waiting, attempts, Some(now() + wait)).await? {
            work.enqueue_later(JobKind::DeliverWebhook, id, wait).await?;
        }
    } else {
        end(&work, &delivery, DeliveryStatus::Dead, attempts).await?;
        let is_silent = endpoint.last_success_at.is_none_or(|at| at < now() - PATIENCE);
        if is_gone || is_silent {
            let reason = if is_gone { "gone" } else { "failing" };
            store::disable(work.db(), endpoint.id, reason).await?;
            work.audit(&clock::<ManageClients>(), "disable", "webhook_endpoint", endpoint.id, json!({ "reason": reason }), None).await?;
        }
    }
    work.commit().await
}

/// Ends a delivery, and calls the one behind it.
async fn end(work: &Work, delivery: &DeliveryRow, status: DeliveryStatus, attempts: i64) -> Outcome<()> {
    if store::settle(work.db(), delivery.id, status, attempts, None).await?
        && let Some(next) = store::next_in_line(work.db(), delivery).await?
    {
        work.enqueue(JobKind::DeliverWebhook, next).await?;
    }
    Ok(())
}

/// Sends the event once, and says how that went.
async fn attempt(app: &App, endpoint: &EndpointRow, delivery: &DeliveryRow) -> Outcome<Attempt> {
    let (at, started) = (now(), Instant::now());
    let (status_code, error, answer) = match send(app, endpoint, delivery).await {
        Ok(response) => {
            let status = response.status();
            let error = (!status.is_success()).then(|| format!("answered {}", status.as_u16()));
            (Some(i64::from(status.as_u16())), error, Some(beginning(response).await))
        }
        Err(Refused::Target(why)) => (None, Some(why), None),
        Err(Refused::Request(error)) => (None, Some(describe(&error)), None),
        Err(Refused::Ours(fault)) => return Err(fault),
    };
    let took_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    Ok(Attempt { number: 0, at, status_code, took_ms, error, answer })
}

/// Why nothing was sent.
enum Refused {
    Target(String),
    Request(reqwest::Error),
    Ours(Fault),
}

async fn send(app: &App, endpoint: &EndpointRow, delivery: &DeliveryRow) -> Result<Response, Refused> {
    if let Some(why) = target::refusal(&endpoint.url, app.config.webhooks_to_private) {
        return Err(Refused::Target(why.en.into_owned()));
    }
    let old = endpoint.old_secret.as_ref().filter(|_| endpoint.old_secret_until.is_some_and(|until| until > now()));
    let owner = secrets::webhook(endpoint.id);
    let opened = std::iter::once(&endpoint.secret).chain(old).map(|sealed| app.vault.open_secret(&owner, sealed));
    let secrets: Vec<String> = opened
        .collect::<Result<_, _>>()
        .map_err(|Unreadable| Refused::Target("the secret can't be read any more since data was restored: rotate it".to_owned()))?;
    // The same for each attempt and each replay: who got it already knows it by this.
    let id = format!("msg_{}", delivery.event_id.simple());
    let timestamp = now().timestamp();
    let signature = sign(&secrets, &id, timestamp, &delivery.payload).map_err(Refused::Ours)?;
    let request = app.webhooks.post(&endpoint.url).header("content-type", "application/json").header("webhook-id", id);
    let request = request.header("webhook-timestamp", timestamp).header("webhook-signature", signature).body(delivery.payload.clone());
    request.send().await.map_err(Refused::Request)
}

/// The first part of an answer, as text; no more is read.
async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= KEPT_OF_ANSWER {
            break;
        }
    }
    // PostgreSQL's text holds no zero.
    String::from_utf8_lossy(&bytes).replace('\0', "").chars().take(KEPT_OF_ANSWER).collect()
}

/// What went wrong, down to its cause, without the address: it may hold a token.
fn describe(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() { "no answer in time" } else { "no connection" };
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}"))
}
