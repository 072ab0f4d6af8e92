//! Background jobs: rows with leases, retried with backoff, set aside as dead after too many attempts.
//!
//! A job is due work on one subject; asking twice for the same work is one job. A worker that dies
//! leaves its lease to run out, and the next worker takes the job again.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult};
use uuid::Uuid;

use crate::platform::{
    clock::now,
    database::{Database, skip_locked, sql},
};

/// How long a worker may be silent before its job is taken by another.
const LEASE: Duration = Duration::from_mins(1);
const MOST_ATTEMPTS: i64 = 8;

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Make the renditions of a media asset.
    ProcessMedia,
    /// Remove a media asset with its objects.
    DeleteMedia,
    /// Remove the original of a media asset whose renditions are made.
    DiscardOriginal,
    /// Remove an upload to the bucket, completed or not.
    ExpireUpload,
    /// Open the call of an exhibition, unless that was done.
    OpenCall,
    /// Close the call of an exhibition, unless that was done.
    CloseCall,
    /// Take back offers that nobody confirmed in time.
    LapseOffers,
}

impl JobKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::ProcessMedia => "process_media",
            Self::DeleteMedia => "delete_media",
            Self::DiscardOriginal => "discard_original",
            Self::ExpireUpload => "expire_upload",
            Self::OpenCall => "open_call",
            Self::CloseCall => "close_call",
            Self::LapseOffers => "lapse_offers",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        use JobKind::{CloseCall, DeleteMedia, DiscardOriginal, ExpireUpload, LapseOffers, OpenCall, ProcessMedia};
        let all = [ProcessMedia, DeleteMedia, DiscardOriginal, ExpireUpload, OpenCall, CloseCall, LapseOffers];
        all.into_iter().find(|kind| kind.name() == name)
    }
}

#[derive(Debug, FromQueryResult)]
pub struct Job {
    pub id: Uuid,
    pub kind: String,
    pub subject_id: Uuid,
    pub attempts: i64,
}

/// Asks for work within a transaction; it is seen by workers once that commits.
pub async fn enqueue(work: &DatabaseTransaction, kind: JobKind, subject: Uuid) -> Result<(), DbErr> {
    enqueue_later(work, kind, subject, chrono::Duration::zero()).await
}

/// Asks for work that is due only after `wait`.
pub async fn enqueue_later(work: &DatabaseTransaction, kind: JobKind, subject: Uuid, wait: chrono::Duration) -> Result<(), DbErr> {
    let text = "insert into jobs (id, kind, subject_id, run_at, created_at) values (?, ?, ?, ?, ?) \
                on conflict (kind, subject_id) do update set run_at = excluded.run_at, attempts = 0, dead = 0";
    let values = [Uuid::now_v7().into(), kind.name().into(), subject.into(), (now() + wait).into(), now().into()];
    work.execute_raw(sql(work, text, values)).await.map(|_| ())
}

/// Takes back what was asked for.
pub async fn withdraw(work: &DatabaseTransaction, kind: JobKind, subject: Uuid) -> Result<(), DbErr> {
    let text = "delete from jobs where kind = ? and subject_id = ?";
    work.execute_raw(sql(work, text, [kind.name().into(), subject.into()])).await.map(|_| ())
}

/// Whether such work is asked for.
pub async fn exists(connection: &impl ConnectionTrait, kind: JobKind, subject: Uuid) -> Result<bool, DbErr> {
    let text = "select 1 as one from jobs where kind = ? and subject_id = ?";
    Ok(connection.query_one_raw(sql(connection, text, [kind.name().into(), subject.into()])).await?.is_some())
}

/// How many pieces of such work wait or are being done.
pub async fn depth(connection: &impl ConnectionTrait, kind: JobKind) -> Result<i64, DbErr> {
    let text = "select count(*) as depth from jobs where kind = ? and dead = 0";
    let row = connection.query_one_raw(sql(connection, text, [kind.name().into()])).await?;
    row.map_or(Ok(0), |row| row.try_get("", "depth"))
}

/// Takes the job that has been due longest, if any.
pub async fn claim(database: &Database) -> Result<Option<Job>, DbErr> {
    let work = database.begin().await?;
    let text = format!(
        "update jobs set locked_until = ?, attempts = attempts + 1 where id = (select id from jobs \
         where dead = 0 and run_at <= ? and (locked_until is null or locked_until < ?) \
         order by run_at limit 1 {}) returning id, kind, subject_id, attempts",
        skip_locked(database.backend())
    );
    let row = work.query_one_raw(sql(&work, &text, [(now() + LEASE).into(), now().into(), now().into()])).await?;
    let job = row.map(|row| Job::from_query_result(&row, "")).transpose()?;
    work.commit().await?;
    Ok(job)
}

/// Takes a finished job off the table, unless the same work was asked for again meanwhile.
pub async fn done(database: &Database, job: &Job) -> Result<(), DbErr> {
    let work = database.begin().await?;
    work.execute_raw(sql(&work, "delete from jobs where id = ? and attempts = ?", [job.id.into(), job.attempts.into()])).await?;
    return_lease(&work, job).await?;
    work.commit().await
}

/// What was asked for again while it was worked on is free to be taken.
async fn return_lease(work: &DatabaseTransaction, job: &Job) -> Result<(), DbErr> {
    work.execute_raw(sql(work, "update jobs set locked_until = null where id = ? and attempts = 0", [job.id.into()])).await.map(|_| ())
}

/// Puts a failed job back for later, or aside when it has failed too often. True where it is set aside. What was asked for
/// again meanwhile stays as it was asked for.
pub async fn failed(database: &Database, job: &Job, error: &str) -> Result<bool, DbErr> {
    let dead = job.attempts >= MOST_ATTEMPTS;
    let wait = chrono::Duration::seconds(1_i64 << job.attempts.clamp(0, 9));
    let work = database.begin().await?;
    let text = "update jobs set locked_until = null, run_at = ?, last_error = ?, dead = ? where id = ? and attempts = ?";
    let values = [(now() + wait).into(), error.into(), i64::from(dead).into(), job.id.into(), job.attempts.into()];
    work.execute_raw(sql(&work, text, values)).await?;
    return_lease(&work, job).await?;
    work.commit().await?;
    Ok(dead)
}

/// Returns the leases of a previous process and makes due what waits for another try, or for a request that died with
/// it. Only where one process owns the database (SQLite).
pub async fn release_leases(database: &Database) -> Result<(), DbErr> {
    let work = database.begin().await?;
    let text = "update jobs set locked_until = null, run_at = ? where attempts > 0 or locked_until is not null or kind = ?";
    work.execute_raw(sql(&work, text, [now().into(), JobKind::DeleteMedia.name().into()])).await?;
    work.commit().await
}
