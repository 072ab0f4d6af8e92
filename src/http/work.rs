//! The unit of work: one transaction that holds the change, its audit rows, its jobs, the catalogue
//! version and the record of an idempotent request. It all happens, or none of it.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Duration, Utc};
use poem::{
    FromRequest, IntoResponse, Request, RequestBody, Response,
    http::{StatusCode, header},
    middleware::ReqId,
};
use poem_openapi::types::ToJSON;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use serde_json::Value;
use uuid::Uuid;

use super::{
    compression::plain_etag,
    outermost::LONGEST,
    reply::{NoContent, Reply},
};
use crate::{
    app::App,
    audit,
    fault::{CONFIRMATION_REQUIRED, Fault, IDEMPOTENCY_MISMATCH, IDEMPOTENCY_RUNNING, IF_MATCH_REQUIRED, INVALID_PARAMETER, Outcome, STALE, say},
    identity::{Actor, policy::Permit, service::FRESH},
    platform::{
        clock::now,
        database::{Transaction, sql},
        jobs::{self, JobKind},
    },
};

/// How long a key is remembered.
const REMEMBERED: Duration = Duration::hours(24);
/// A request that has not ended by then, well after its timeout, died with its process.
const LONGEST_REQUEST: Duration = Duration::seconds(LONGEST.as_secs() as i64 + 15);

/// What a writing operation needs of its request: the app, the preconditions, the idempotency key.
pub struct Write {
    app: App,
    request_id: String,
    route: String,
    key: Option<String>,
    if_match: Option<String>,
}

impl<'a> FromRequest<'a> for Write {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        // Several lines of one field are one list (RFC 9110, 5.3).
        let lines = |name: &str| {
            let lines: Vec<&str> = request.headers().get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
            (!lines.is_empty()).then(|| lines.join(", "))
        };
        let app = App::of(request)?;
        Ok(Self {
            app: app.clone(),
            request_id: request.data::<ReqId>().map(ToString::to_string).unwrap_or_default(),
            route: format!("{} {}", request.method(), request.uri().path()),
            key: text("Idempotency-Key"),
            if_match: lines("If-Match"),
        })
    }
}

impl Write {
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Begins the work of `actor` on a body. A repeated idempotent request is answered at once, as an
    /// early answer in place of the error, if the actor still has every role that it had the first time.
    pub async fn begin(&self, actor: &Actor, body: &[u8]) -> poem::Result<Work> {
        let ticket = match &self.key {
            Some(key) => Some(self.take_key(actor, key, body).await?),
            None => None,
        };
        let mut work = Work::begin(&self.app, &self.request_id).await?;
        work.ticket = ticket;
        Ok(work)
    }

    /// The same for a sensitive step, which asks that the person of the session has proved to be there within ten minutes: what
    /// a stolen session could not do before it costs its thief a password.
    pub async fn begin_confirmed(&self, actor: &Actor, body: &[u8]) -> poem::Result<Work> {
        if actor.proved_at.is_none_or(|proved| now() - proved > FRESH) {
            let detail =
                say("Kirim kata sandi atau kode ke POST /v1/me/confirm, lalu ulangi.", "Send password or code to POST /v1/me/confirm, then repeat.");
            return Err(Fault::new(&CONFIRMATION_REQUIRED).detail(detail).into());
        }
        self.begin(actor, body).await
    }

    /// Fails unless `If-Match` names the current version: 428 where it is missing, 412 where it is stale.
    pub fn if_match(&self, version: i64) -> Outcome<()> {
        let current = format!("\"{version}\"");
        match self.if_match.as_deref().map(str::trim) {
            None => Err(Fault::new(&IF_MATCH_REQUIRED)
                .with("current_etag", current.into())
                .detail(say("Kirim ETag yang terakhir dibaca di If-Match.", "Send the ETag you last read in If-Match."))),
            Some(given) if given == "*" || given.split(',').any(|tag| plain_etag(tag.trim()) == current) => Ok(()),
            Some(_) => Err(Fault::new(&STALE)
                .with("current_etag", current.into())
                .detail(say("Baca ulang, gabungkan perubahan, lalu kirim lagi.", "Read it again, merge your change, and send it again."))),
        }
    }

    async fn take_key(&self, actor: &Actor, key: &str, body: &[u8]) -> poem::Result<Ticket> {
        if key.is_empty() || key.len() > 255 {
            let message = say("Idempotency-Key: panjang 1–255 karakter.", "Idempotency-Key: 1 to 255 characters.");
            return Err(Fault::new(&INVALID_PARAMETER).detail(message).into());
        }
        let fingerprint = self.app.vault.fingerprint(&[self.route.as_bytes(), body]).map_err(Fault::internal)?;
        let principal = actor.principal().to_string();
        let roles = actor.roles();
        let locked_until = now() + LONGEST_REQUEST;
        let database = &self.app.database;
        let work = database.begin().await.map_err(Fault::from)?;
        let insert = "insert into idempotency_keys (principal, key, fingerprint, roles, locked_until, expires_at) values (?, ?, ?, ?, ?, ?) \
                      on conflict (principal, key) do update set fingerprint = excluded.fingerprint, roles = excluded.roles, \
                      locked_until = excluded.locked_until, expires_at = excluded.expires_at, status = null, body = null \
                      where idempotency_keys.expires_at < ? or (idempotency_keys.status is null and idempotency_keys.locked_until < ?)";
        let values = [
            principal.clone().into(),
            key.into(),
            fingerprint.clone().into(),
            roles.join(" ").into(),
            locked_until.into(),
            (now() + REMEMBERED).into(),
            now().into(),
            now().into(),
        ];
        let taken = work.execute_raw(sql(&work, insert, values)).await.map_err(Fault::from)?.rows_affected() == 1;
        if taken {
            work.commit().await.map_err(Fault::from)?;
            return Ok(Ticket { app: self.app.clone(), principal, key: key.to_owned(), locked_until, answered: AtomicBool::new(false) });
        }
        let select = "select fingerprint, roles, status, etag, location, body from idempotency_keys where principal = ? and key = ?";
        let row = work.query_one_raw(sql(&work, select, [principal.into(), key.into()])).await.map_err(Fault::from)?;
        let known = row.map(|row| Known::from_query_result(&row, "")).transpose().map_err(Fault::from)?;
        let known = known.ok_or_else(|| Fault::new(&IDEMPOTENCY_RUNNING).retry_after(1))?;
        if known.fingerprint != fingerprint {
            return Err(Fault::new(&IDEMPOTENCY_MISMATCH).into());
        }
        // What was allowed then may not be allowed now: a person who has left is told what a stranger is told.
        if !known.roles.split_whitespace().all(|role| roles.iter().any(|held| held == role)) {
            return Err(Fault::not_found().into());
        }
        match known.replay() {
            Some(response) => Err(poem::Error::from_response(response)),
            None => Err(Fault::new(&IDEMPOTENCY_RUNNING).retry_after(1).into()),
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[derive(FromQueryResult)]
struct Known {
    fingerprint: String,
    /// That the actor had when the request was first sent.
    roles: String,
    status: Option<i64>,
    etag: Option<String>,
    location: Option<String>,
    body: Option<String>,
}

impl Known {
    fn replay(self) -> Option<Response> {
        let status = StatusCode::from_u16(u16::try_from(self.status?).ok()?).ok()?;
        let body = self.body.unwrap_or_default();
        let mut response = Response::builder().status(status).header("Idempotent-Replayed", "true");
        if !body.is_empty() {
            response = response.content_type("application/json");
        }
        for (name, value) in [(header::ETAG, self.etag), (header::LOCATION, self.location)] {
            if let Some(value) = value {
                response = response.header(name, value);
            }
        }
        Some(response.body(body).into_response())
    }
}

/// A taken idempotency key. Dropped before an answer was remembered, it is free again: a request that failed
/// changed nothing and may be corrected under the same key.
struct Ticket {
    app: App,
    principal: String,
    key: String,
    /// Fences off a request that was given up for dead, perhaps by a replica whose clock is ahead, and then comes back:
    /// another holds the key by then, and this one may no longer commit.
    locked_until: DateTime<Utc>,
    answered: AtomicBool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.answered.load(Ordering::Relaxed) {
            return;
        }
        let (app, principal, key) = (self.app.clone(), std::mem::take(&mut self.principal), std::mem::take(&mut self.key));
        let locked_until = self.locked_until;
        tokio::spawn(async move {
            // The database may be what failed; after that time the key is free anyway.
            while locked_until > now() {
                match free(&app, &principal, &key, locked_until).await {
                    Ok(()) => return,
                    Err(error) => tracing::debug!(%error, "freeing an idempotency key"),
                }
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        });
    }
}

async fn free(app: &App, principal: &str, key: &str, locked_until: DateTime<Utc>) -> Result<(), DbErr> {
    let text = "delete from idempotency_keys where principal = ? and key = ? and locked_until = ? and status is null";
    let work = app.database.begin().await?;
    work.execute_raw(sql(&work, text, [principal.into(), key.into(), locked_until.into()])).await?;
    work.commit().await
}

/// A change in progress. Dropped without an end, it never happened.
pub struct Work {
    app: App,
    transaction: Transaction,
    pub request_id: String,
    ticket: Option<Ticket>,
    touches_catalogue: AtomicBool,
    touches_clients: AtomicBool,
    has_jobs: AtomicBool,
}

impl Work {
    /// Begins work outside HTTP, such as the seed's; `request_id` names it in the audit trail.
    pub async fn begin(app: &App, request_id: &str) -> Outcome<Self> {
        Ok(Self {
            app: app.clone(),
            transaction: app.database.begin().await?,
            request_id: request_id.to_owned(),
            ticket: None,
            touches_catalogue: AtomicBool::new(false),
            touches_clients: AtomicBool::new(false),
            has_jobs: AtomicBool::new(false),
        })
    }

    /// The transaction, for the capability's store.
    pub fn db(&self) -> &Transaction {
        &self.transaction
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    /// Something public changes with this work.
    pub fn touch_catalogue(&self) {
        self.touches_catalogue.store(true, Ordering::Relaxed);
    }

    /// Keys or what they may do change with this work.
    pub fn touch_clients(&self) {
        self.touches_clients.store(true, Ordering::Relaxed);
    }

    /// Asks for background work once this commits.
    pub async fn enqueue(&self, kind: JobKind, subject: Uuid) -> Outcome<()> {
        self.enqueue_all(kind, &[subject]).await
    }

    /// The same on many subjects, in few statements.
    pub async fn enqueue_all(&self, kind: JobKind, subjects: &[Uuid]) -> Outcome<()> {
        if subjects.is_empty() {
            return Ok(());
        }
        self.has_jobs.store(true, Ordering::Relaxed);
        jobs::enqueue(&self.transaction, kind, subjects, Duration::zero(), &self.request_id).await
    }

    /// The same on one, due only after `wait`.
    pub async fn enqueue_later(&self, kind: JobKind, subject: Uuid, wait: Duration) -> Outcome<()> {
        jobs::enqueue(&self.transaction, kind, &[subject], wait, &self.request_id).await
    }

    /// Writes the audit row of what `permit` allowed.
    pub async fn audit<A>(&self, permit: &Permit<A>, action: &str, entity: &str, id: Uuid, change: Value, reason: Option<&str>) -> Outcome<()> {
        let entry = audit::Entry {
            // The clock is nobody.
            actor_user_id: Some(permit.by()).filter(|by| !by.is_nil()),
            on_behalf_of_sme_id: permit.on_behalf_of(),
            api_client_id: permit.by_client(),
            action,
            entity,
            entity_id: id,
            change,
            reason,
            request_id: &self.request_id,
        };
        audit::record(&self.transaction, entry).await
    }

    /// Commits and answers. The answer is remembered in the same transaction, for a replay.
    pub async fn finish<T, const S: u16>(self, reply: Reply<T, S>) -> poem::Result<Reply<T, S>> {
        let status = i64::from(reply.status.as_u16());
        self.remember(status, reply.get(&header::ETAG), reply.get(&header::LOCATION), &reply.json).await?;
        self.commit().await?;
        Ok(reply)
    }

    /// The same for an answer that holds a secret, which is shown once and never kept: a replay answers what was made, as
    /// `again` says it.
    pub async fn finish_secret<T: ToJSON, const S: u16>(self, reply: Reply<T, S>, again: &T) -> poem::Result<Reply<T, S>> {
        let status = i64::from(reply.status.as_u16());
        self.remember(status, reply.get(&header::ETAG), reply.get(&header::LOCATION), &again.to_json_string()).await?;
        self.commit().await?;
        Ok(reply)
    }

    /// Commits and answers 204.
    pub async fn finish_empty(self) -> poem::Result<NoContent> {
        self.remember(204, None, None, "").await?;
        self.commit().await?;
        Ok(NoContent)
    }

    async fn remember(&self, status: i64, etag: Option<&str>, location: Option<&str>, body: &str) -> Outcome<()> {
        let Some(ticket) = &self.ticket else { return Ok(()) };
        let text = "update idempotency_keys set status = ?, etag = ?, location = ?, body = ? \
                    where principal = ? and key = ? and locked_until = ? and status is null";
        let (principal, key) = (ticket.principal.clone(), ticket.key.clone());
        let values = [status.into(), etag.into(), location.into(), body.into(), principal.into(), key.into(), ticket.locked_until.into()];
        if self.transaction.execute_raw(sql(&self.transaction, text, values)).await?.rows_affected() != 1 {
            return Err(Fault::new(&IDEMPOTENCY_RUNNING).retry_after(1));
        }
        ticket.answered.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Commits without an answer.
    pub async fn commit(self) -> Outcome<()> {
        let touched = self.touches_catalogue.load(Ordering::Relaxed);
        if touched {
            let text = "update catalogue_version set version = version + 1";
            self.transaction.execute_raw(sql(&self.transaction, text, [])).await?;
        }
        self.transaction.commit().await?;
        if touched {
            self.app.reread_catalogue_version().await;
        }
        if self.touches_clients.load(Ordering::Relaxed) {
            self.app.clients.forget();
        }
        if self.has_jobs.load(Ordering::Relaxed) {
            self.app.wake_workers();
        }
        Ok(())
    }
}
