//! Uploads straight to the bucket: a signed address, then `complete`, which takes the bytes in as if they had been sent
//! here. What is not completed within a day is gone.
//!
//! The signed address writes to a key of its own and never to an original, so that a second write under it
//! changes nothing that was checked. It can't be called back, and what is sent to a bucket of one's own does not pass through here: what
//! arrives when the upload is completed is removed as long as something can arrive.

use chrono::{DateTime, Duration, Utc};
use poem_openapi::Object;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    model::{MOST_BYTES, Photo, Sniffed, advice, media_type},
    service::{self, Received},
    spool,
    store::{self, upload},
};
use crate::{
    app::App,
    catalogue::model::check_range,
    fault::{Fault, Outcome, UNSUPPORTED_MEDIA, field, say},
    identity::policy::{EditProduct, Permit},
    platform::{
        bucket::{Bucket, BucketError},
        clock::now,
        jobs::{Job, JobKind},
    },
    quotas,
    work::Work,
};

/// How long the signed address can be written to.
const SIGNED_FOR: Duration = Duration::minutes(15);
/// How long an upload may stay without being completed.
const KEPT_FOR: Duration = Duration::hours(24);
/// What began while the address was signed has arrived after this time. What we pass on ends within ten minutes; a bucket of
/// one's own may be more patient.
const ARRIVES_WITHIN: Duration = Duration::hours(1);
/// How often what arrives for a completed upload is removed meanwhile.
const SWEEP: Duration = Duration::minutes(10);

/// A photo to be sent to the bucket.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewUpload {
    /// Whose photo.
    pub sme_id: Uuid,
    /// Such as `image/jpeg`.
    #[oai(validator(max_length = 100))]
    pub content_type: String,
    /// Length of the file: 1 to 20 MiB.
    #[oai(validator(minimum(value = "1"), maximum(value = "20971520")))]
    pub bytes: i64,
    /// Of the file, hexadecimal.
    #[oai(validator(min_length = 64, max_length = 64))]
    pub sha256: String,
}

/// Where and how to send the file.
#[derive(Object)]
pub struct Upload {
    pub id: Uuid,
    /// `PUT`.
    pub method: String,
    /// Signed; accepts these bytes' length and type only, for 15 minutes.
    pub url: String,
    /// To be sent exactly so.
    pub headers: UploadHeaders,
    /// Unless it is completed before, the upload is removed (UTC).
    pub expires_at: DateTime<Utc>,
}

/// Headers that are part of the signature.
#[derive(Object)]
pub struct UploadHeaders {
    #[oai(rename = "Content-Type")]
    pub content_type: String,
    #[oai(rename = "Content-Length")]
    pub content_length: String,
}

fn key(upload: Uuid) -> String {
    format!("uploads/{upload}")
}

/// Signs an address for a photo that `permit` allows; `host` is where the client reaches us.
pub async fn begin(work: &Work, bucket: &Bucket, _permit: &Permit<EditProduct>, new: NewUpload, host: Option<&str>) -> Outcome<Upload> {
    match media_type(&new.content_type) {
        Sniffed::Image(_) => {}
        Sniffed::Refused(kind) => return Err(Fault::new(&UNSUPPORTED_MEDIA).with("kind", kind.into()).detail(advice(kind))),
        Sniffed::Unknown => return Err(Fault::new(&UNSUPPORTED_MEDIA).detail(advice(""))),
    }
    let mut faults = Vec::new();
    check_range(Some(new.bytes), 1..=MOST_BYTES as i64, "/bytes", &mut faults);
    let sha256 = new.sha256.to_ascii_lowercase();
    if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        faults.push(field("/sha256", "bad_digest", say("64 angka heksadesimal.", "64 hexadecimal digits.")));
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    service::check_queue(work.config(), work.db()).await?;
    quotas::upload(work, new.sme_id, new.bytes).await?;
    let (id, expires_at) = (Uuid::now_v7(), now() + KEPT_FOR);
    let url = bucket.sign_put(host, &key(id), SIGNED_FOR, &new.content_type, new.bytes).await?;
    let row = upload::Model {
        id,
        sme_id: new.sme_id,
        mime: new.content_type.clone(),
        bytes: new.bytes,
        sha256,
        media_id: None,
        expires_at,
        created_at: now(),
    };
    store::insert_upload(work.db(), row).await?;
    work.enqueue_later(JobKind::ExpireUpload, id, KEPT_FOR).await?;
    let headers = UploadHeaders { content_type: new.content_type, content_length: new.bytes.to_string() };
    Ok(Upload { id, method: "PUT".into(), url, headers, expires_at })
}

/// What the bucket received, checked against what was announced.
pub async fn fetch(app: &App, upload: &upload::Model) -> Outcome<spool::Spooled> {
    let stream = app.bucket.get_stream(&key(upload.id)).await.map_err(|error| match error {
        BucketError::NotFound => {
            let detail =
                say("Berkas belum sampai di penyimpanan; kirim dahulu ke url.", "The file is not in the bucket yet; send it to the url first.");
            Fault::conflict("not_uploaded", detail)
        }
        other => other.into(),
    })?;
    let spooled = spool::receive(app, stream, Fault::from).await?;
    if spooled.bytes != upload.bytes as u64 || spooled.sha256 != upload.sha256 {
        let detail = say(
            format!("Yang diterima {} bita dengan SHA-256 {}; kirim ulang berkasnya.", spooled.bytes, spooled.sha256),
            format!("Received were {} bytes with SHA-256 {}; send the file again.", spooled.bytes, spooled.sha256),
        );
        return Err(Fault::conflict("differs_from_announced", detail));
    }
    Ok(spooled)
}

/// Records a fetched upload as a photo, in place of the upload.
pub async fn complete(
    work: &Work,
    permit: &Permit<EditProduct>,
    upload: upload::Model,
    received: &Received<'_>,
    stored: &service::Stored,
    mime: &str,
) -> Outcome<Photo> {
    let photo = service::record(work, permit, received, stored, mime).await?;
    let id = upload.id;
    store::complete_upload(work.db(), id, photo.id).await?;
    work.enqueue(JobKind::ExpireUpload, id).await?;
    Ok(photo)
}

/// Removes what the bucket holds of an upload that is completed or whose time is over, and looks again until that time.
pub async fn expire(app: &App, job: &Job) -> Outcome<()> {
    let (id, at) = (job.subject_id, now());
    let upload = store::find_upload(app.database.reader(), id).await?.filter(|upload| upload.expires_at > at);
    let is_awaited = upload.as_ref().is_some_and(|upload| upload.media_id.is_none());
    if !is_awaited {
        app.bucket.delete(&key(id)).await?;
    }
    let work = Work::begin(app, &job.request_id()).await?;
    match upload {
        Some(upload) => work.enqueue_later(JobKind::ExpireUpload, id, next_look(&upload, at) - at).await?,
        None => store::forget_upload(work.db(), id).await?,
    }
    work.commit().await
}

/// Often while something can arrive that nobody would count, and once more at the end.
fn next_look(upload: &upload::Model, at: DateTime<Utc>) -> DateTime<Utc> {
    let is_over = upload.media_id.is_some();
    let all_arrived = upload.created_at + SIGNED_FOR + ARRIVES_WITHIN;
    if is_over && at < all_arrived { at + SWEEP } else { upload.expires_at }
}
