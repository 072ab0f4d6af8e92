//! The worker: takes jobs, one at a time, until it is told to stop.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{Either, select},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

use crate::{
    app::App,
    backup, catalogue,
    exhibitions::{applications::service as applications, model::ExhibitionEvent},
    fault::{Fault, Outcome},
    media,
    platform::{
        jobs::{self, Job, JobKind, Lane},
        metrics,
    },
    webhooks,
};

/// How often a worker looks for jobs that nobody announced, such as retries.
const POLL: Duration = Duration::from_secs(2);
/// A database that does not answer within this time is asked again.
const PATIENCE: Duration = Duration::from_secs(30);
/// No job takes longer unless something hangs; then another worker tries.
const LONGEST_JOB: Duration = Duration::from_mins(5);
/// Objects stay where they are while a backup copies them; their removal is tried again after this time.
const AFTER_BACKUP: chrono::Duration = chrono::Duration::seconds(30);

/// Does the jobs of a lane until `stopping`; the one at hand is finished first.
pub async fn run(app: App, lane: Lane, stopping: CancellationToken) {
    while !stopping.is_cancelled() {
        match timeout(PATIENCE, jobs::claim(&app.database, lane)).await {
            Ok(Ok(Some(job))) => {
                // Others may sleep while there is more to do.
                app.signals.due(lane).notify_one();
                let span = info_span!("job", id = %job.id, kind = job.kind, request_id = job.request_id(), attempt = job.attempts);
                // A panic costs its job an attempt, when the lease runs out, never the worker.
                let _ = AssertUnwindSafe(work_on(&app, &job).instrument(span)).catch_unwind().await;
            }
            Ok(Ok(None)) => {
                tokio::select! {
                    () = app.signals.due(lane).notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                    () = stopping.cancelled() => {}
                }
            }
            failed => {
                if let Ok(Err(error)) = failed {
                    tracing::warn!(%error, "taking a job");
                } else {
                    tracing::warn!("taking a job: the database does not answer");
                }
                tokio::select! {
                    () = tokio::time::sleep(POLL) => {}
                    () = stopping.cancelled() => {}
                }
            }
        }
    }
}

async fn work_on(app: &App, job: &Job) {
    let started = Instant::now();
    let ended = match attempt(app, job).await {
        Ok(End::Done) => jobs::done(&app.database, job).await.map(|()| "done"),
        Ok(End::PutOff) => jobs::put_off(&app.database, job, AFTER_BACKUP).await.map(|()| "put_off"),
        Err(fault) => {
            let cause = fault.cause.as_ref().map_or_else(|| fault.to_string(), |cause| format!("{cause:#}"));
            tracing::warn!(cause, "a job failed");
            jobs::failed(&app.database, job, &cause).await.map(|dead| {
                if dead {
                    tracing::error!("a job is set aside");
                    return "dead";
                }
                "failed"
            })
        }
    };
    match ended {
        Ok(outcome) => {
            metrics::job(&job.kind, outcome, started.elapsed());
            tracing::debug!(outcome, took = ?started.elapsed(), "a job ended");
        }
        Err(error) => tracing::warn!(%error, "ending a job; its lease will run out"),
    }
}

enum End {
    Done,
    PutOff,
}

/// Does the work while keeping its lease.
async fn attempt(app: &App, job: &Job) -> Outcome<End> {
    let kind = JobKind::from_name(&job.kind).ok_or_else(|| Fault::internal(anyhow::anyhow!("unknown kind of job `{}`", job.kind)))?;
    if kind.removes_objects() && backup::is_under_way(app.database.reader()).await? {
        return Ok(End::PutOff);
    }
    let work = pin!(timeout(LONGEST_JOB, perform(app, kind, job)));
    let result = match select(work, pin!(keep_lease(app, job))).await {
        Either::Left((result, _)) => result,
        Either::Right((never, _)) => match never {},
    };
    result.map_err(|_| Fault::unavailable(anyhow::anyhow!("the job took longer than {LONGEST_JOB:?}")))?.map(|()| End::Done)
}

async fn keep_lease(app: &App, job: &Job) -> Infallible {
    loop {
        tokio::time::sleep(jobs::LEASE / 3).await;
        if let Err(error) = jobs::renew_lease(&app.database, job).await {
            tracing::warn!(%error, "keeping a lease");
        }
    }
}

async fn perform(app: &App, kind: JobKind, job: &Job) -> Outcome<()> {
    match kind {
        JobKind::ProcessMedia => media::jobs::process(app, job).await,
        JobKind::DeleteMedia => media::jobs::delete(app, job).await,
        JobKind::DiscardOriginal => media::jobs::discard_original(app, job).await,
        JobKind::ExpireUpload => media::uploads::expire(app, job).await,
        JobKind::OpenCall => applications::by_the_clock(app, job.subject_id, ExhibitionEvent::Open, &job.request_id()).await,
        JobKind::CloseCall => applications::by_the_clock(app, job.subject_id, ExhibitionEvent::Close, &job.request_id()).await,
        JobKind::ShowSme => catalogue::attributes::service::show(app, job.subject_id, &job.request_id()).await,
        JobKind::DeliverWebhook => webhooks::deliver(app, job.subject_id, &job.request_id()).await,
        JobKind::LapseOffers => applications::lapse(app, job.subject_id, &job.request_id()).await,
    }
}
