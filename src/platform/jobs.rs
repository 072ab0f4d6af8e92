//! Background jobs: rows with leases, retried with backoff, set aside as dead after too many attempts.
//!
//! A job is due work on one subject; asking twice for the same work is one job. A worker that dies
//! leaves its lease to run out, and the next worker takes the job again.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use crate::{
    fault::Outcome,
    platform::{
        clock::now,
        database::{Connection, Database, Transaction, insert_many_or, marks, select, shared_now, skip_locked, sql},
    },
};

/// How long a worker may be silent before its job is taken by another.
pub const LEASE: Duration = Duration::from_secs(30);
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
    /// Show the products of an SME as they are described now.
    ShowSme,
    /// Try to deliver an event to a third-party endpoint.
    DeliverWebhook,
}

/// Workers of one lane take no jobs of another: third-party servers that don't answer must not keep photos waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Ours,
    Webhooks,
}

impl JobKind {
    pub const ALL: [Self; 9] = [
        Self::ProcessMedia,
        Self::DeleteMedia,
        Self::DiscardOriginal,
        Self::ExpireUpload,
        Self::OpenCall,
        Self::CloseCall,
        Self::LapseOffers,
        Self::ShowSme,
        Self::DeliverWebhook,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::ProcessMedia => "process_media",
            Self::DeleteMedia => "delete_media",
            Self::DiscardOriginal => "discard_original",
            Self::ExpireUpload => "expire_upload",
            Self::OpenCall => "open_call",
            Self::CloseCall => "close_call",
            Self::LapseOffers => "lapse_offers",
            Self::ShowSme => "show_sme",
            Self::DeliverWebhook => "deliver_webhook",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether the work takes objects out of the bucket.
    pub fn removes_objects(self) -> bool {
        matches!(self, Self::DeleteMedia | Self::DiscardOriginal | Self::ExpireUpload)
    }
}

#[derive(Debug, FromQueryResult)]
pub struct Job {
    pub id: Uuid,
    pub kind: String,
    pub subject_id: Uuid,
    pub attempts: i64,
    /// Since when it has been due (UTC).
    pub run_at: DateTime<Utc>,
    request_id: Option<String>,
}

impl Job {
    /// The request that asked for the work; jobs of a version that did not note it are named by themselves.
    pub fn request_id(&self) -> String {
        self.request_id.clone().unwrap_or_else(|| format!("job-{}", self.id))
    }
}

/// Asks, on behalf of a request, for work on subjects that is due after `wait`; workers see it once the transaction commits.
pub async fn enqueue(work: &Transaction, kind: JobKind, subjects: &[Uuid], wait: chrono::Duration, request_id: &str) -> Outcome<()> {
    let at = shared_now(work).await?;
    let row = |subject: &Uuid| vec![Uuid::now_v7().into(), kind.name().into(), (*subject).into(), (at + wait).into(), at.into(), request_id.into()];
    let again = "on conflict (kind, subject_id) do update set run_at = excluded.run_at, attempts = 0, dead = 0, request_id = excluded.request_id";
    let into = "jobs (id, kind, subject_id, run_at, created_at, request_id)";
    insert_many_or(work, into, subjects.iter().map(row).collect(), again).await
}

/// Deletes a job, whether it waits or is set aside.
pub async fn withdraw(work: &Transaction, kind: JobKind, subject: Uuid) -> Result<(), DbErr> {
    let text = "delete from jobs where kind = ? and subject_id = ?";
    work.execute_raw(sql(work, text, [kind.name().into(), subject.into()])).await.map(|_| ())
}

/// The subjects that have a job of one of these kinds.
pub async fn subjects(connection: &Connection, kinds: &[JobKind]) -> Result<BTreeSet<Uuid>, DbErr> {
    let text = format!("select subject_id from jobs where kind in ({})", marks(kinds.len()));
    let rows = connection.query_all_raw(sql(connection, &text, kinds.iter().map(|kind| kind.name().into()))).await?;
    rows.iter().map(|row| row.try_get("", "subject_id")).collect()
}

/// How many jobs of this kind wait or are being worked on.
pub async fn depth(connection: &Connection, kind: JobKind) -> Result<i64, DbErr> {
    let text = "select count(*) as depth from jobs where kind = ? and dead = 0";
    let row = connection.query_one_raw(sql(connection, text, [kind.name().into()])).await?;
    row.map_or(Ok(0), |row| row.try_get("", "depth"))
}

/// Takes the job of a lane that has been due longest, if any.
pub async fn claim(database: &Database, lane: Lane) -> Result<Option<Job>, DbErr> {
    let work = database.begin().await?;
    let at = shared_now(&work).await?;
    let text = format!(
        "update jobs set locked_until = ?, attempts = attempts + 1 where id = (select id from jobs \
         where dead = 0 and run_at <= ? and (locked_until is null or locked_until < ?) and kind {} ? \
         order by run_at limit 1 {}) returning id, kind, subject_id, attempts, run_at, request_id",
        if lane == Lane::Webhooks { "=" } else { "<>" },
        skip_locked(database.backend())
    );
    let values = [(at + LEASE).into(), at.into(), at.into(), JobKind::DeliverWebhook.name().into()];
    let row = work.query_one_raw(sql(&work, &text, values)).await?;
    let job = row.map(|row| Job::from_query_result(&row, "")).transpose()?;
    work.commit().await?;
    Ok(job)
}

/// Keeps a job from being taken by another for as long as its worker lives.
pub async fn renew_lease(database: &Database, job: &Job) -> Result<(), DbErr> {
    let work = database.begin().await?;
    let text = "update jobs set locked_until = ? where id = ? and attempts = ?";
    work.execute_raw(sql(&work, text, [(shared_now(&work).await? + LEASE).into(), job.id.into(), job.attempts.into()])).await?;
    work.commit().await
}

/// Puts a job off without counting it as an attempt.
pub async fn put_off(database: &Database, job: &Job, wait: chrono::Duration) -> Result<(), DbErr> {
    let work = database.begin().await?;
    let text = "update jobs set locked_until = null, run_at = ?, attempts = attempts - 1 where id = ? and attempts = ?";
    work.execute_raw(sql(&work, text, [(shared_now(&work).await? + wait).into(), job.id.into(), job.attempts.into()])).await?;
    return_lease(&work, job).await?;
    work.commit().await
}

/// How many jobs of each kind wait and are set aside, and since when the oldest has been due.
#[derive(Debug, FromQueryResult)]
pub struct Queue {
    pub kind: String,
    pub due: i64,
    pub later: i64,
    pub dead: i64,
    /// UTC; of those that are due.
    pub oldest_due: Option<DateTime<Utc>>,
}

pub async fn queues(connection: &Connection) -> Outcome<Vec<Queue>> {
    let text = "select kind, count(case when dead = 0 and run_at <= ? then 1 end) as due, \
                count(case when dead = 0 and run_at > ? then 1 end) as later, count(case when dead = 1 then 1 end) as dead, \
                min(case when dead = 0 and run_at <= ? then run_at end) as oldest_due from jobs group by kind";
    let at = shared_now(connection).await?;
    select(connection, text, [at.into(), at.into(), at.into()]).await
}

/// A job that was set aside.
#[derive(Debug, FromQueryResult)]
pub struct SetAside {
    pub kind: String,
    pub subject_id: Uuid,
    pub last_error: Option<String>,
    /// UTC.
    pub created_at: DateTime<Utc>,
}

/// The oldest 100 jobs that were set aside.
pub async fn set_aside(connection: &Connection) -> Outcome<Vec<SetAside>> {
    let text = "select kind, subject_id, last_error, created_at from jobs where dead = 1 order by created_at limit 100";
    select(connection, text, []).await
}

/// Makes jobs that were set aside due again; returns how many.
pub async fn retry(database: &Database) -> Result<u64, DbErr> {
    let work = database.begin().await?;
    let text = "update jobs set dead = 0, attempts = 0, run_at = ? where dead = 1";
    let count = work.execute_raw(sql(&work, text, [shared_now(&work).await?.into()])).await?.rows_affected();
    work.commit().await?;
    Ok(count)
}

/// Takes a finished job off the table, unless the same work was asked for again meanwhile.
pub async fn done(database: &Database, job: &Job) -> Result<(), DbErr> {
    let work = database.begin().await?;
    work.execute_raw(sql(&work, "delete from jobs where id = ? and attempts = ?", [job.id.into(), job.attempts.into()])).await?;
    return_lease(&work, job).await?;
    work.commit().await
}

/// Frees a job that was asked for again while it was being worked on, so that a worker can take it.
async fn return_lease(work: &Transaction, job: &Job) -> Result<(), DbErr> {
    work.execute_raw(sql(work, "update jobs set locked_until = null where id = ? and attempts = 0", [job.id.into()])).await.map(|_| ())
}

/// Puts a failed job back for later, or aside when it has failed too often; returns whether it was set aside. A job
/// that was asked for again meanwhile stays as it was asked for.
pub async fn failed(database: &Database, job: &Job, error: &str) -> Result<bool, DbErr> {
    let dead = job.attempts >= MOST_ATTEMPTS;
    let wait = chrono::Duration::seconds(1_i64 << job.attempts.clamp(0, 9));
    let work = database.begin().await?;
    let text = "update jobs set locked_until = null, run_at = ?, last_error = ?, dead = ? where id = ? and attempts = ?";
    let values = [(shared_now(&work).await? + wait).into(), error.into(), i64::from(dead).into(), job.id.into(), job.attempts.into()];
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
