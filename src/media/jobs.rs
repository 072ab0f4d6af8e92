//! The jobs of photos: make renditions, delete.

use std::num::NonZeroUsize;

use etalase_pictures::{
    decode::Refusal,
    pipeline::{Encoded, Processed},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    isolation::Crash,
    model::{Format, MediaStatus},
    service::original_key,
    store::{self, NewRendition},
};
use crate::{
    app::App,
    fault::{Fault, Outcome},
    platform::{
        bucket::BucketError,
        jobs::{Job, JobKind},
    },
    storefront,
    values::hex,
    work::Work,
};

/// A photo that made its worker crash this many times is damaged; fewer times may be bad luck.
const MOST_CRASHES: i64 = 3;
/// Renditions on their way to the bucket at a time: a slow store makes one photo wait, not ten times in a row.
const PUTS_AT_ONCE: usize = 5;

/// Makes the renditions of an asset. Doing it twice gives the same objects.
pub async fn process(app: &App, job: &Job) -> Outcome<()> {
    let id = job.subject_id;
    let Some(asset) = store::by_id(app.database.reader(), id).await? else { return Ok(()) };
    if asset.status != MediaStatus::Processing {
        return Ok(());
    }
    let original = match app.bucket.get(&asset.original_key).await {
        Ok(bytes) => bytes,
        Err(BucketError::NotFound) => return end(app, job, Err(Refusal::Damaged), true).await,
        Err(error) => return Err(error.into()),
    };
    // On all processors: a photo alone is ready soonest, and several share them fairly.
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(64) as u8;
    match app.image_workers.process(&original, threads).await {
        Ok(finished) => end(app, job, finished.processed, false).await,
        Err(crash) if !matches!(crash, Crash::NotStarted(_)) && job.attempts >= MOST_CRASHES => {
            tracing::warn!(media = %id, %crash, "given up");
            end(app, job, Err(Refusal::Damaged), false).await
        }
        Err(crash) => Err(Fault::unavailable(crash)),
    }
}

/// Records what became of a photo; `is_lost` says that its original is not in the bucket.
async fn end(app: &App, job: &Job, processed: Result<Processed, Refusal>, is_lost: bool) -> Outcome<()> {
    let id = job.subject_id;
    let encoded = processed.as_ref().map(|processed| processed.renditions.as_slice()).unwrap_or_default();
    let puts: Vec<_> = encoded.iter().map(|encoded| put(app, id, encoded)).collect();
    let renditions: Vec<NewRendition> = stream::iter(puts).buffered(PUTS_AT_ONCE).try_collect().await?;
    let work = Work::begin(app, &job.request_id()).await?;
    let asset = store::by_id(work.db(), id).await?;
    let Some(mut asset) = asset.filter(|asset| asset.status == MediaStatus::Processing) else {
        // Deleted, or finished by another worker, meanwhile: what was just stored has to go unless somebody names it.
        work.enqueue(JobKind::DeleteMedia, id).await?;
        return work.commit().await;
    };
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
            asset.original_kept = i64::from(!is_lost);
        }
    }
    store::replace_renditions(work.db(), id, &renditions).await?;
    store::update(work.db(), asset).await?;
    for product in store::users_of(work.db(), id).await? {
        storefront::service::refresh_product(&work, product).await?;
    }
    work.commit().await
}

/// Stores one rendition, under a name that its content gives it.
async fn put(app: &App, asset: Uuid, encoded: &Encoded) -> Outcome<NewRendition> {
    let hash = hex(&Sha256::digest(&encoded.bytes));
    let format = Format::from(encoded.format);
    let key = format!("img/{}/{}.{}", asset.simple(), &hash[..32], format.extension());
    app.bucket.put(&key, &encoded.bytes, format.mime()).await?;
    let (width, height) = (i64::from(encoded.width), i64::from(encoded.height));
    Ok(NewRendition { format, width, height, bytes: encoded.bytes.len() as i64, key })
}

/// Removes the original of an asset whose renditions are made.
pub async fn discard_original(app: &App, job: &Job) -> Outcome<()> {
    app.bucket.delete(&original_key(job.subject_id)).await.map_err(Fault::from)
}

/// Removes objects first, rows last: dying in between leaves rows that the next attempt finds.
pub async fn delete(app: &App, job: &Job) -> Outcome<()> {
    let id = job.subject_id;
    let asset = store::by_id(app.database.reader(), id).await?;
    if asset.as_ref().is_some_and(|asset| asset.status != MediaStatus::Deleting) {
        return Ok(());
    }
    let (renditions, _) = app.bucket.list(&format!("img/{}/", id.simple()), None).await?;
    for key in renditions {
        app.bucket.delete(&key).await?;
    }
    app.bucket.delete(&original_key(id)).await?;
    let work = Work::begin(app, &job.request_id()).await?;
    store::forget(work.db(), id).await?;
    work.commit().await
}
