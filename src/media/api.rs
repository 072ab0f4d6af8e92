//! Photos over HTTP: a streamed upload, status, deletion, and the renditions themselves.

use poem::{
    Body as RawBody, FromRequest, IntoResponse, Request, RequestBody, Response, handler,
    http::{StatusCode, header},
    web::{Data, Multipart, Path as RoutePath},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions, OpenApi,
    param::{Path, Query},
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef},
};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::{
    model::{MOST_BYTES, Photo},
    service::{self, Received},
    store,
};
use crate::{
    app::App,
    fault::{Fault, MALFORMED, Outcome, TOO_LARGE, say},
    http::{
        Member, Reply, Tag, Write,
        reply::{Accepted, NoContent},
        work::hex,
    },
    identity::policy::{self, EditProduct, ReadSme},
    sme,
};

pub struct MediaApi;

/// A multipart form with one part `file`, read as it arrives.
pub struct PhotoForm(Multipart);

impl<'a> ApiExtractor<'a> for PhotoForm {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let file = MetaSchemaRef::Inline(Box::new(MetaSchema {
            description: Some("JPEG, PNG, WebP or GIF, at most 20 MiB and 50 megapixels."),
            ..MetaSchema::new_with_format("string", "binary")
        }));
        let form = MetaSchema { properties: vec![("file", file)], required: vec!["file"], ..MetaSchema::new("object") };
        let content = MetaMediaType { content_type: "multipart/form-data", schema: MetaSchemaRef::Inline(Box::new(form)) };
        Some(MetaRequest { description: None, content: vec![content], required: true })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let form = <Multipart as FromRequest>::from_request(request, body).await;
        Ok(Self(
            form.map_err(|_| Fault::new(&crate::fault::UNSUPPORTED_MEDIA).detail(say("Kirim multipart/form-data.", "Send multipart/form-data.")))?,
        ))
    }
}

/// A received file and its digest.
struct Spooled {
    file: tempfile::NamedTempFile,
    bytes: u64,
    sha256: String,
}

/// Streams the part `file` to disk; at no time is more than a chunk of it in memory.
async fn spool(app: &App, mut form: Multipart) -> Outcome<Spooled> {
    let broken = |error: poem::error::ParseMultipartError| {
        Fault::new(&MALFORMED)
            .detail(say("Unggahan terputus atau rusak.", "The upload was cut off or is damaged."))
            .caused_by(anyhow::anyhow!("{error}"))
    };
    let file = tempfile::NamedTempFile::new_in(app.config.data_dir.join("spool")).map_err(Fault::unavailable)?;
    let mut out = tokio::fs::File::from_std(file.reopen().map_err(Fault::unavailable)?);
    if let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() != Some("file") {
            let name = field.name().unwrap_or_default().to_owned();
            return Err(Fault::invalid_field(&format!("/{name}"), "unknown_field", say("Bagian tidak dikenal.", "Unknown part.")));
        }
        let mut stream = field.into_async_read();
        let (mut hash, mut bytes, mut chunk) = (Sha256::new(), 0_u64, vec![0; 64 * 1024]);
        loop {
            let read = tokio::io::AsyncReadExt::read(&mut stream, &mut chunk).await;
            let read = read.map_err(|error| Fault::new(&MALFORMED).detail(say("Unggahan terputus.", "The upload was cut off.")).caused_by(error))?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            if bytes > MOST_BYTES {
                return Err(Fault::new(&TOO_LARGE).detail(say("Foto paling besar 20 MiB.", "Photos are at most 20 MiB.")));
            }
            hash.update(&chunk[..read]);
            out.write_all(&chunk[..read]).await.map_err(Fault::unavailable)?;
        }
        out.flush().await.map_err(Fault::unavailable)?;
        return Ok(Spooled { file, bytes, sha256: hex(&hash.finalize()) });
    }
    Err(Fault::invalid_field("/file", "required", say("Sertakan berkas foto.", "Include the photo file.")))
}

#[OpenApi(tag = "Tag::Media")]
impl MediaApi {
    /// Upload a photo
    ///
    /// Streamed, at most 20 MiB. Answers at once; the photo is `ready` or `failed` a moment later. The same file again
    /// answers the photo that is there.
    #[oai(path = "/v1/media", method = "post", operation_id = "upload_photo")]
    async fn upload(
        &self,
        app: Data<&App>,
        member: Member,
        write: Write,
        /// Whose photo; asked before the first byte, so that nobody uploads in vain.
        sme_id: Query<Uuid>,
        form: PhotoForm,
    ) -> poem::Result<Accepted<Photo>> {
        let permit = policy::permit::<EditProduct>(&member, &sme::store::scope(app.database.reader(), *sme_id).await?)?;
        let _slot = app.uploads.try_acquire().map_err(Fault::unavailable)?;
        let spooled = spool(&app, form.0).await?;
        let mime = service::check(spooled.file.path()).await?;
        let received = Received { file: spooled.file.path(), bytes: spooled.bytes, sha256: spooled.sha256, sme: *sme_id };
        let stored = service::put(&app, &received).await?;
        let work = write.begin(member.user_id, format!("{} {}", received.sme, received.sha256).as_bytes()).await?;
        let photo = service::record(&work, &permit, &received, &stored, mime).await?;
        let location = format!("/v1/media/{}", photo.id);
        work.finish(Accepted::new(&photo).location(location)).await
    }

    /// Read a photo
    #[oai(path = "/v1/media/:media_id", method = "get", operation_id = "get_photo")]
    async fn get(&self, app: Data<&App>, member: Member, media_id: Path<Uuid>) -> poem::Result<Reply<Photo>> {
        let reader = app.database.reader();
        let asset = store::by_id(reader, *media_id).await?.ok_or_else(Fault::not_found)?;
        policy::permit::<ReadSme>(&member, &sme::store::scope(reader, asset.owner_sme_id).await?)?;
        Ok(Reply::new(&store::photo(reader, *media_id).await?))
    }

    /// Delete a photo
    ///
    /// Refused while a product uses it. Its objects leave the bucket a moment later.
    #[oai(path = "/v1/media/:media_id", method = "delete", operation_id = "delete_photo")]
    async fn delete(&self, member: Member, write: Write, media_id: Path<Uuid>) -> poem::Result<NoContent> {
        let work = write.begin(member.user_id, &[]).await?;
        let asset = store::by_id(work.db(), *media_id).await?.ok_or_else(Fault::not_found)?;
        let permit = policy::permit::<EditProduct>(&member, &sme::store::scope(work.db(), asset.owner_sme_id).await?)?;
        service::delete(&work, &permit, asset).await?;
        work.finish_empty().await
    }
}

/// `GET /media/img/…`: a rendition. Its address holds its content's hash, so it is cached for ever.
#[handler]
pub async fn rendition(app: Data<&App>, key: RoutePath<String>) -> poem::Result<Response> {
    // Originals carry metadata and are never served.
    if !key.starts_with("img/") || key.contains("..") {
        return Err(Fault::not_found().into());
    }
    let bytes = app.bucket.get(&key).await.map_err(Fault::from)?;
    let mime = if key.ends_with(".webp") { "image/webp" } else { "image/jpeg" };
    let response = Response::builder()
        .status(StatusCode::OK)
        .content_type(mime)
        .header(header::CACHE_CONTROL, "public, max-age=31536000, immutable")
        .header(header::CONTENT_SECURITY_POLICY, "default-src 'none'");
    Ok(response.body(RawBody::from_bytes(bytes)).into_response())
}
