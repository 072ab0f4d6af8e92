//! Rows that have expired and that nobody reads any more are taken away, a few thousand at a time.

use chrono::{DateTime, Duration, Utc};
use sea_orm::ConnectionTrait;

use super::{
    clock::now,
    database::{Database, sql},
};
use crate::fault::Outcome;

/// How often expired rows are deleted.
const EVERY: std::time::Duration = std::time::Duration::from_mins(10);
/// Rows deleted in one statement, so that no writer waits long.
const AT_ONCE: i64 = 2_000;

/// What expires: table, key, condition with one time in it, and how long ago that time has to be.
const EXPIRING: &[(&str, &str, &str, Duration)] = &[
    // Answers to repeated requests are remembered for a day, and hold personal data.
    ("idempotency_keys", "principal || ' ' || key", "expires_at < ?", Duration::zero()),
    ("sign_in_failures", "id", "at < ?", Duration::days(1)),
    ("sessions", "id", "(expires_at < ? or revoked_at < ?)", Duration::days(30)),
    ("invitations", "id", "(expires_at < ? or revoked_at < ?)", Duration::days(90)),
];

/// Deletes what has expired at `at`; returns how many rows that was.
pub async fn tidy(database: &Database, at: DateTime<Utc>) -> Outcome<u64> {
    let mut gone = 0;
    for (table, key, condition, kept) in EXPIRING {
        let before = at - *kept;
        let text = format!("delete from {table} where {key} in (select {key} from {table} where {condition} limit {AT_ONCE})");
        loop {
            let values = condition.matches('?').map(|_| before.into());
            let work = database.begin().await?;
            let rows = work.execute_raw(sql(&work, &text, values)).await?.rows_affected();
            work.commit().await?;
            gone += rows;
            if rows < AT_ONCE.unsigned_abs() {
                break;
            }
        }
    }
    Ok(gone)
}

/// Repeats [`tidy`] for as long as the process runs.
pub async fn tidy_forever(database: Database) {
    loop {
        match tidy(&database, now()).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "expired rows were taken away"),
            Err(fault) => tracing::warn!(%fault, "taking away expired rows"),
        }
        tokio::time::sleep(EVERY).await;
    }
}
