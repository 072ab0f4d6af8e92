//! Use cases of photos: store what was uploaded, attach, delete, publish the result of processing.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use etalase_pictures::decode::Refusal;
use serde_json::json;
use tokio::{io::AsyncReadExt, time::timeout};
use uuid::Uuid;

use super::{
    isolation::Crash,
    model::{AttachedPhoto, AttachmentPatch, MediaStatus, NewAttachment, Photo, SimilarPhoto, Sniffed, StoredObject, advice, sniff},
    store::{self, asset},
};
use crate::{
    app::App,
    catalogue::model::check_range,
    config::Config,
    fault::{Fault, INVALID, Outcome, UNAVAILABLE, UNSUPPORTED_MEDIA, say},
    identity::policy::{EditProduct, Permit},
    platform::{
        bucket::Bucket,
        clock::now,
        database::Connection,
        jobs::{self, JobKind},
    },
    quotas,
    work::Work,
};

/// A photo waits so long for its turn to be looked at, which takes milliseconds each.
const LOOK_PATIENCE: Duration = Duration::from_secs(10);

/// A body that was received whole, in a file of ours.
pub struct Received<'a> {
    pub file: &'a Path,
    pub bytes: u64,
    pub sha256: String,
    pub sme: Uuid,
    /// The request that brought it, for the log.
    pub request_id: &'a str,
}

/// The photo that an upload became.
pub struct Stored {
    id: Uuid,
    /// What was put into the bucket for it; `None` if the photo was there already.
    put: Option<Put>,
}

/// An object that no row names yet. Dropped before one does, such as when the SME has no room left, it leaves the bucket at once:
/// until its job is due, which remains for when this process dies, it would take the room that was refused.
struct Put {
    bucket: Bucket,
    key: String,
    is_recorded: AtomicBool,
}

impl Drop for Put {
    fn drop(&mut self) {
        if self.is_recorded.load(Ordering::Relaxed) {
            return;
        }
        let (bucket, key) = (self.bucket.clone(), std::mem::take(&mut self.key));
        tokio::spawn(async move {
            if let Err(error) = bucket.delete(&key).await {
                tracing::debug!(%error, key, "taking back what was not recorded; its job will");
            }
        });
    }
}

/// Where the upload of `asset` is kept, never served.
pub fn original_key(asset: Uuid) -> String {
    format!("originals/{asset}")
}

/// Checks content and size of a received file before anything of it is decoded or stored. Only its first bytes are read
/// here; the rest of the look is a worker's.
pub async fn check(app: &App, file: &Path) -> Outcome<&'static str> {
    let mime = match sniff(&head(file).await.map_err(Fault::unavailable)?) {
        Sniffed::Image(mime) => mime,
        Sniffed::Refused(kind) => return Err(Fault::new(&UNSUPPORTED_MEDIA).with("kind", kind.into()).detail(advice(kind))),
        Sniffed::Unknown => return Err(Fault::new(&UNSUPPORTED_MEDIA).detail(advice(""))),
    };
    let _turn = timeout(LOOK_PATIENCE, app.looks.acquire()).await.map_err(|_| crowded())?.map_err(Fault::internal)?;
    match app.image_workers.look(file).await {
        Ok(looked) => looked.map(|_| mime).map_err(refused),
        Err(Crash::NotStarted(error)) => Err(Fault::unavailable(error)),
        Err(crash) => {
            tracing::warn!(%crash, "a photo was refused");
            Err(refused(Refusal::Damaged))
        }
    }
}

/// As many bytes as tell what kind of file it is.
async fn head(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    tokio::fs::File::open(file).await?.take(512).read_to_end(&mut head).await?;
    Ok(head)
}

fn crowded() -> Fault {
    let detail = say("Sedang banyak foto yang diperiksa; coba lagi sebentar lagi.", "Many photos are being looked at; try again in a moment.");
    Fault::new(&UNAVAILABLE).retry_after(5).detail(detail)
}

/// Asks to come back later while too many photos wait: a queue that only grows helps nobody.
pub async fn check_queue(config: &Config, connection: &Connection) -> Outcome<()> {
    let depth = jobs::depth(connection, JobKind::ProcessMedia).await?;
    if depth < config.image_queue {
        return Ok(());
    }
    let detail = say(
        format!("{depth} foto masih menunggu diproses; coba lagi sebentar lagi."),
        format!("{depth} photos are waiting to be processed; try again in a moment."),
    );
    Err(Fault::new(&UNAVAILABLE).retry_after(30).detail(detail))
}

fn refused(refusal: Refusal) -> Fault {
    let detail = match refusal {
        Refusal::TooManyPixels => {
            say("Foto terlalu besar: paling banyak 50 megapiksel, HEIC 26.", "The photo is too large: at most 50 megapixels, HEIC 26.")
        }
        _ => say("Berkas rusak atau bukan foto.", "The file is damaged or no photo."),
    };
    Fault::new(&INVALID).with("reason", refusal.code().into()).detail(detail)
}

/// Moves a checked file into the bucket, before the transaction that records it. The same photo of the same
/// SME is kept once.
pub async fn put(app: &App, received: &Received<'_>) -> Outcome<Stored> {
    if let Some(id) = store::by_content(app.database.reader(), received.sme, &received.sha256).await? {
        return Ok(Stored { id, put: None });
    }
    let id = Uuid::now_v7();
    let intent = Work::begin(app, received.request_id).await?;
    intent.enqueue_later(JobKind::DeleteMedia, id, chrono::Duration::minutes(10)).await?;
    intent.commit().await?;
    let put = Put { bucket: app.bucket.clone(), key: original_key(id), is_recorded: AtomicBool::new(false) };
    app.bucket.put_file(&put.key, received.file, received.bytes).await?;
    Ok(Stored { id, put: Some(put) })
}

/// Records what [`put`] stored and asks for its processing.
pub async fn record(work: &Work, permit: &Permit<EditProduct>, received: &Received<'_>, stored: &Stored, mime: &str) -> Outcome<Photo> {
    if let Some(put) = &stored.put {
        quotas::photo(work, received.sme, received.bytes as i64).await?;
        let asset = asset::Model {
            id: stored.id,
            owner_sme_id: received.sme,
            sha256: received.sha256.clone(),
            original_key: original_key(stored.id),
            mime: mime.to_owned(),
            bytes: received.bytes as i64,
            width: None,
            height: None,
            status: MediaStatus::Processing,
            failure_code: None,
            placeholder: None,
            dominant_color: None,
            quality: None,
            original_kept: 1,
            created_at: now(),
            updated_at: now(),
        };
        store::insert(work.db(), asset).await?;
        jobs::withdraw(work.db(), JobKind::DeleteMedia, stored.id).await?;
        work.enqueue(JobKind::ProcessMedia, stored.id).await?;
        let change = json!({ "sme_id": received.sme, "bytes": received.bytes });
        work.audit(permit, "upload", "media", stored.id, change, None).await?;
        // From here on it is the transaction that decides: its job is back if that does not commit.
        put.is_recorded.store(true, Ordering::Relaxed);
    }
    store::photo(work.db(), stored.id).await
}

/// What the bucket has to hold of `most` assets after `after`, with each object's asset.
pub async fn stored_objects(connection: &Connection, after: Uuid, most: u64) -> Outcome<Vec<(Uuid, StoredObject)>> {
    store::stored_objects(connection, after, most).await
}

/// The photos of a product, in order.
pub async fn attached(connection: &Connection, product: Uuid) -> Outcome<Vec<AttachedPhoto>> {
    store::attached(connection, product).await
}

/// Photos of other SMEs that look like those of a product, the nearest first.
pub async fn similar_to_product(connection: &Connection, product: Uuid) -> Outcome<Vec<SimilarPhoto>> {
    store::similar_to_product(connection, product).await
}

/// Attaches a photo of `sme` to its product; the first is the primary one.
pub async fn attach(work: &Work, sme: Uuid, product: Uuid, new: NewAttachment) -> Outcome<()> {
    let mut faults = Vec::new();
    new.alt.check("/alt", 300, &mut faults);
    let asset = store::by_id(work.db(), new.media_id).await?.filter(|asset| asset.owner_sme_id == sme && asset.status != MediaStatus::Deleting);
    match &asset {
        None => faults.push(crate::fault::field("/media_id", "unknown", say("Foto tidak dikenal.", "No such photo."))),
        Some(asset) if asset.status == MediaStatus::Failed => {
            faults.push(crate::fault::field("/media_id", "failed", say("Foto ini gagal diproses.", "This photo could not be processed.")));
        }
        Some(_) => {}
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    let present = store::attached(work.db(), product).await?;
    let is_primary = new.is_primary || present.is_empty();
    if is_primary {
        store::clear_primary(work.db(), product).await?;
    }
    let position = present.last().map_or(0, |last| last.position + 1);
    store::attach(work.db(), store::Attachment { sme, product, asset: new.media_id, position, is_primary, alt: new.alt }).await
}

pub async fn edit_attachment(work: &Work, product: Uuid, image: Uuid, patch: AttachmentPatch) -> Outcome<()> {
    let present = store::attached(work.db(), product).await?;
    let mut row = present.into_iter().find(|row| row.id == image).ok_or_else(Fault::not_found)?;
    let mut faults = Vec::new();
    if let Some(alt) = patch.alt {
        alt.check("/alt", 300, &mut faults);
        row.alt = alt;
    }
    check_range(patch.focal_x_bp, 0..=10_000, "/focal_x_bp", &mut faults);
    check_range(patch.focal_y_bp, 0..=10_000, "/focal_y_bp", &mut faults);
    check_range(patch.position, 0..=1000, "/position", &mut faults);
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    row.focal_x_bp = patch.focal_x_bp.unwrap_or(row.focal_x_bp);
    row.focal_y_bp = patch.focal_y_bp.unwrap_or(row.focal_y_bp);
    row.position = patch.position.unwrap_or(row.position);
    if patch.is_primary == Some(true) && !row.is_primary {
        store::clear_primary(work.db(), product).await?;
        row.is_primary = true;
    }
    store::update_attachment(work.db(), &row).await
}

pub async fn detach(work: &Work, product: Uuid, image: Uuid) -> Outcome<()> {
    let present = store::attached(work.db(), product).await?;
    let row = present.iter().find(|row| row.id == image).ok_or_else(Fault::not_found)?;
    store::detach(work.db(), image).await?;
    if row.is_primary
        && let Some(next) = present.iter().find(|other| other.id != image)
    {
        store::update_attachment(work.db(), &AttachedPhoto { is_primary: true, ..next.clone() }).await?;
    }
    Ok(())
}

/// Marks a photo for deletion; the database refuses while a product uses it.
pub async fn delete(work: &Work, permit: &Permit<EditProduct>, mut asset: asset::Model) -> Outcome<()> {
    let id = asset.id;
    asset.status = MediaStatus::Deleting;
    store::update(work.db(), asset).await?;
    work.enqueue(JobKind::DeleteMedia, id).await?;
    work.audit(permit, "delete", "media", id, json!({}), None).await
}
