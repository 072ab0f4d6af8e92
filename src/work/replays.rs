//! Requests that are repeated under one key (the header Idempotency-Key) are done once: the answer of the first is remembered in
//! the transaction that did it, and given to those that follow.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Duration, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::Core;
use crate::{
    fault::{Fault, IDEMPOTENCY_MISMATCH, IDEMPOTENCY_RUNNING, Outcome},
    platform::{
        clock::now,
        database::{Connection, Database, sql},
    },
};

/// How long a key is remembered.
const REMEMBERED: Duration = Duration::hours(24);

/// A request that names a key.
pub struct Keyed<'a> {
    /// Who asks: one person's keys say nothing about another's.
    pub principal: String,
    /// What the asker may do, so that a replay is authorised again.
    pub roles: Vec<String>,
    pub key: &'a str,
    /// Method and path, and the body: another request under the same key is refused.
    pub parts: [&'a [u8]; 2],
    /// A request that takes longer has died with its process.
    pub longest: Duration,
}

/// An answer as it is remembered.
#[derive(FromQueryResult)]
pub struct Remembered {
    pub status: i64,
    pub etag: Option<String>,
    pub location: Option<String>,
    pub body: String,
}

/// Whether a request is the first of its key.
pub enum Taken {
    First(Ticket),
    Again(Remembered),
}

#[derive(FromQueryResult)]
struct Known {
    fingerprint: String,
    /// That the asker had when the request was first sent.
    roles: String,
    status: Option<i64>,
    etag: Option<String>,
    location: Option<String>,
    body: Option<String>,
}

/// Takes a key, or finds what was remembered under it.
pub async fn take(core: &Core, keyed: Keyed<'_>) -> Outcome<Taken> {
    let Keyed { principal, roles, key, parts, longest } = keyed;
    let fingerprint = core.vault.fingerprint(&parts).map_err(Fault::internal)?;
    let locked_until = now() + longest;
    let work = core.database.begin().await?;
    let insert = "insert into idempotency_keys (principal, key, fingerprint, roles, locked_until, expires_at) values (?, ?, ?, ?, ?, ?) \
                  on conflict (principal, key) do update set fingerprint = excluded.fingerprint, roles = excluded.roles, \
                  locked_until = excluded.locked_until, expires_at = excluded.expires_at, status = null, body = null \
                  where idempotency_keys.expires_at < ? or (idempotency_keys.status is null and idempotency_keys.locked_until < ?)";
    let values = [
        principal.clone().into(),
        key.into(),
        fingerprint.into(),
        roles.join(" ").into(),
        locked_until.into(),
        (now() + REMEMBERED).into(),
        now().into(),
        now().into(),
    ];
    let is_first = work.execute_raw(sql(&work, insert, values)).await?.rows_affected() == 1;
    if is_first {
        work.commit().await?;
        let (database, key) = (core.database.clone(), key.to_owned());
        return Ok(Taken::First(Ticket { database, principal, key, locked_until, answered: AtomicBool::new(false) }));
    }
    let select = "select fingerprint, roles, status, etag, location, body from idempotency_keys where principal = ? and key = ?";
    let row = work.query_one_raw(sql(&work, select, [principal.into(), key.into()])).await?;
    let known = row.map(|row| Known::from_query_result(&row, "")).transpose()?;
    let running = || Fault::new(&IDEMPOTENCY_RUNNING).retry_after(1);
    let known = known.ok_or_else(running)?;
    // By the key that was in use then, which may have changed since.
    if !core.vault.is_fingerprint(&known.fingerprint, &parts).map_err(Fault::internal)? {
        return Err(Fault::new(&IDEMPOTENCY_MISMATCH));
    }
    // What was allowed then may not be allowed now: a person who has left is told what a stranger is told.
    if !known.roles.split_whitespace().all(|role| roles.iter().any(|held| held == role)) {
        return Err(Fault::not_found());
    }
    let status = known.status.ok_or_else(running)?;
    Ok(Taken::Again(Remembered { status, etag: known.etag, location: known.location, body: known.body.unwrap_or_default() }))
}

/// A taken idempotency key. Dropped before an answer was remembered, it is free again: a request that failed
/// changed nothing and may be corrected under the same key.
pub struct Ticket {
    database: Database,
    principal: String,
    key: String,
    /// Fences off a request that was given up for dead, perhaps by a replica whose clock is ahead, and then comes back:
    /// another holds the key by then, and this one may no longer commit.
    locked_until: DateTime<Utc>,
    answered: AtomicBool,
}

impl Ticket {
    /// Remembers an answer within the transaction that it is about.
    pub async fn remember(&self, connection: &Connection, answer: &Remembered) -> Outcome<()> {
        let text = "update idempotency_keys set status = ?, etag = ?, location = ?, body = ? \
                    where principal = ? and key = ? and locked_until = ? and status is null";
        let values = [
            answer.status.into(),
            answer.etag.clone().into(),
            answer.location.clone().into(),
            answer.body.as_str().into(),
            self.principal.as_str().into(),
            self.key.as_str().into(),
            self.locked_until.into(),
        ];
        if connection.execute_raw(sql(connection, text, values)).await?.rows_affected() != 1 {
            return Err(Fault::new(&IDEMPOTENCY_RUNNING).retry_after(1));
        }
        self.answered.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.answered.load(Ordering::Relaxed) {
            return;
        }
        let (database, principal, key) = (self.database.clone(), std::mem::take(&mut self.principal), std::mem::take(&mut self.key));
        let locked_until = self.locked_until;
        tokio::spawn(async move {
            // The database may be what failed; after that time the key is free anyway.
            while locked_until > now() {
                match free(&database, &principal, &key, locked_until).await {
                    Ok(()) => return,
                    Err(error) => tracing::debug!(%error, "freeing an idempotency key"),
                }
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        });
    }
}

async fn free(database: &Database, principal: &str, key: &str, locked_until: DateTime<Utc>) -> Result<(), DbErr> {
    let text = "delete from idempotency_keys where principal = ? and key = ? and locked_until = ? and status is null";
    let work = database.begin().await?;
    work.execute_raw(sql(&work, text, [principal.into(), key.into(), locked_until.into()])).await?;
    work.commit().await
}
