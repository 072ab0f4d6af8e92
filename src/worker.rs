//! The worker: takes jobs, one at a time, for as long as the service runs.

use std::time::Duration;

use crate::{
    app::App,
    exhibitions::{applications::service as applications, model::ExhibitionEvent},
    fault::Fault,
    media,
    platform::jobs::{self, Job, JobKind},
};

/// How often a worker looks for jobs that nobody announced, such as retries.
const POLL: Duration = Duration::from_secs(2);

/// Runs until the task is aborted.
pub async fn run(app: App) {
    loop {
        match jobs::claim(&app.database).await {
            Ok(Some(job)) => {
                // Others may sleep while there is more to do.
                app.jobs_due.notify_one();
                work_on(&app, &job).await;
            }
            Ok(None) => {
                let _ = tokio::time::timeout(POLL, app.jobs_due.notified()).await;
            }
            Err(error) => {
                tracing::warn!(%error, "taking a job");
                tokio::time::sleep(POLL).await;
            }
        }
    }
}

async fn work_on(app: &App, job: &Job) {
    let result = match JobKind::from_name(&job.kind) {
        Some(JobKind::ProcessMedia) => media::jobs::process(app, job).await,
        Some(JobKind::DeleteMedia) => media::jobs::delete(app, job.subject_id).await,
        Some(JobKind::DiscardOriginal) => media::jobs::discard_original(app, job.subject_id).await,
        Some(JobKind::ExpireUpload) => media::uploads::expire(app, job.subject_id).await,
        Some(JobKind::OpenCall) => applications::by_the_clock(app, job.subject_id, ExhibitionEvent::Open).await,
        Some(JobKind::CloseCall) => applications::by_the_clock(app, job.subject_id, ExhibitionEvent::Close).await,
        Some(JobKind::LapseOffers) => applications::lapse(app, job.subject_id).await,
        None => Err(Fault::internal(anyhow::anyhow!("unknown kind of job `{}`", job.kind))),
    };
    let ended = match result {
        Ok(()) => jobs::done(&app.database, job).await,
        Err(fault) => {
            let cause = fault.cause.as_ref().map_or_else(|| fault.to_string(), |cause| format!("{cause:#}"));
            tracing::warn!(job = %job.id, kind = job.kind, attempts = job.attempts, cause, "a job failed");
            jobs::failed(&app.database, job, &cause).await.map(|dead| {
                if dead {
                    tracing::error!(job = %job.id, "a job is set aside");
                }
            })
        }
    };
    if let Err(error) = ended {
        tracing::warn!(%error, "ending a job; its lease will run out");
    }
}
