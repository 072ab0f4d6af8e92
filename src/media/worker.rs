//! The worker: takes media jobs, one at a time, for as long as the service runs.

use std::{num::NonZeroUsize, time::Duration};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    decode::Refusal,
    isolation::Crash,
    model::{Format, MediaStatus},
    pipeline::Processed,
    service::original_key,
    store::{self, NewRendition},
    uploads,
};
use crate::{
    app::App,
    fault::{Fault, Outcome},
    http::work::{Work, hex},
    platform::{
        bucket::BucketError,
        jobs::{self, Job, JobKind},
    },
    storefront,
};

/// How often a worker looks for jobs that nobody announced, such as retries.
const POLL: Duration = Duration::from_secs(2);
/// A photo that made its worker crash so many times is damaged; fewer times may be bad luck.
const MOST_CRASHES: i64 = 3;

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
        Some(JobKind::ProcessMedia) => process(app, job).await,
        Some(JobKind::DeleteMedia) => delete(app, job.subject_id).await,
        Some(JobKind::DiscardOriginal) => app.bucket.delete(&original_key(job.subject_id)).await.map_err(Fault::from),
        Some(JobKind::ExpireUpload) => uploads::expire(app, job.subject_id).await,
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

/// Makes the renditions of an asset. Doing it twice gives the same objects.
async fn process(app: &App, job: &Job) -> Outcome<()> {
    let id = job.subject_id;
    let Some(asset) = store::by_id(app.database.reader(), id).await? else { return Ok(()) };
    if asset.status != MediaStatus::Processing {
        return Ok(());
    }
    let original = match app.bucket.get(&asset.original_key).await {
        Ok(bytes) => bytes,
        Err(BucketError::NotFound) => return end(app, id, Err(Refusal::Damaged)).await,
        Err(error) => return Err(error.into()),
    };
    // On all processors: a photo alone is ready soonest, and several share them fairly.
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(64) as u8;
    match app.image_workers.process(&original, threads).await {
        Ok(finished) => end(app, id, finished.processed).await,
        Err(crash) if !matches!(crash, Crash::NotStarted(_)) && job.attempts >= MOST_CRASHES => {
            tracing::warn!(media = %id, %crash, "given up");
            end(app, id, Err(Refusal::Damaged)).await
        }
        Err(crash) => Err(Fault::unavailable(crash)),
    }
}

async fn end(app: &App, id: Uuid, processed: Result<Processed, Refusal>) -> Outcome<()> {
    let mut renditions = Vec::new();
    for encoded in processed.as_ref().map(|processed| processed.renditions.as_slice()).unwrap_or_default() {
        let hash = hex(&Sha256::digest(&encoded.bytes));
        let key = format!("img/{}/{}.{}", id.simple(), &hash[..32], encoded.format.extension());
        let mime = if encoded.format == Format::Webp { "image/webp" } else { "image/jpeg" };
        app.bucket.put(&key, &encoded.bytes, mime).await?;
        let (width, height) = (i64::from(encoded.width), i64::from(encoded.height));
        renditions.push(NewRendition { format: encoded.format, width, height, bytes: encoded.bytes.len() as i64, key });
    }
    let work = Work::begin(app, "media-job").await?;
    let Some(mut asset) = store::by_id(work.db(), id).await? else { return Ok(()) };
    let fingerprint = processed.as_ref().ok().and_then(|processed| processed.look.fingerprint);
    store::replace_fingerprint(work.db(), id, fingerprint).await?;
    match processed {
        Ok(processed) => {
            asset.status = MediaStatus::Ready;
            asset.width = Some(i64::from(processed.width));
            asset.height = Some(i64::from(processed.height));
            asset.placeholder = Some(processed.look.placeholder);
            asset.dominant_color = Some(processed.look.dominant_color);
            asset.quality = Some(serde_json::to_value(processed.look.quality).map_err(Fault::internal)?);
            if !app.config.keep_originals {
                asset.original_kept = 0;
                work.enqueue(JobKind::DiscardOriginal, id).await?;
            }
        }
        Err(refusal) => {
            asset.status = MediaStatus::Failed;
            asset.failure_code = Some(refusal.code().into());
        }
    }
    store::replace_renditions(work.db(), id, &renditions).await?;
    store::update(work.db(), asset).await?;
    for product in store::users_of(work.db(), id).await? {
        storefront::service::refresh_product(&work, product).await?;
    }
    work.commit().await
}

/// Removes objects first, rows last: dying in between leaves rows that the next attempt finds.
async fn delete(app: &App, id: Uuid) -> Outcome<()> {
    let asset = store::by_id(app.database.reader(), id).await?;
    if asset.as_ref().is_some_and(|asset| asset.status != MediaStatus::Deleting) {
        return Ok(());
    }
    let (renditions, _) = app.bucket.list(&format!("img/{}/", id.simple()), None).await?;
    for key in renditions {
        app.bucket.delete(&key).await?;
    }
    app.bucket.delete(&original_key(id)).await?;
    let work = Work::begin(app, "media-job").await?;
    store::forget(work.db(), id).await?;
    work.commit().await
}
