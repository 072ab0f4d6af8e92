//! Photos over HTTP: a streamed upload, status, deletion, and the renditions themselves.

use poem::{
    Body as RawBody, FromRequest, IntoResponse, Request, RequestBody, Response, handler,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    web::{Data, Field, Multipart, Path as RoutePath},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions, OpenApi,
    param::{Path, Query},
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef},
};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::{
    model::{Photo, essence, rendition_format},
    pace::{Verdict, paced},
    places::{Holder, Place},
    service::{self, Received},
    spool::{self, Spooled},
    store,
    uploads::{self, NewUpload, Upload},
};
use crate::{
    app::App,
    fault::{FORBIDDEN, Fault, MALFORMED, Outcome, UNSUPPORTED_MEDIA, say},
    http::{
        Body, Caller, Host, Reply, Tag, Write,
        problem::below,
        reply::{Accepted, Created, NoContent},
    },
    identity::policy::{self, EditProduct, ReadSme},
    quotas, sme,
};

pub struct MediaApi;

/// A multipart form with one part `file`, read as it arrives, and whether it arrived too slowly.
pub struct PhotoForm(Multipart, Verdict);

impl<'a> ApiExtractor<'a> for PhotoForm {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        let file = MetaSchemaRef::Inline(Box::new(MetaSchema {
            description: Some("JPEG, PNG, WebP, GIF or HEIC, at most 20 MiB and 50 megapixels (HEIC: 26)."),
            ..MetaSchema::new_with_format("string", "binary")
        }));
        let form = MetaSchema { properties: vec![("file", file)], required: vec!["file"], ..MetaSchema::new("object") };
        let content = MetaMediaType { content_type: "multipart/form-data", schema: MetaSchemaRef::Inline(Box::new(form)) };
        Some(MetaRequest { description: None, content: vec![content], required: true })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let (verdict, body) = paced(body.take()?.into_bytes_stream());
        let form = <Multipart as FromRequest>::from_request(request, &mut RequestBody::new(RawBody::from_bytes_stream(body))).await;
        Ok(Self(form.map_err(|_| Fault::new(&UNSUPPORTED_MEDIA).detail(say("Kirim multipart/form-data.", "Send multipart/form-data.")))?, verdict))
    }
}

/// The part `file` of the form, streamed to disk.
async fn spool_form(app: &App, PhotoForm(form, verdict): PhotoForm) -> Outcome<Spooled> {
    spool_file(app, form).await.map_err(|fault| verdict.or(fault))
}

async fn spool_file(app: &App, mut form: Multipart) -> Outcome<Spooled> {
    let broken = |error: poem::error::ParseMultipartError| {
        Fault::new(&MALFORMED)
            .detail(say("Unggahan terputus atau rusak.", "The upload was cut off or is damaged."))
            .caused_by(anyhow::anyhow!("{error}"))
    };
    let Some(field) = form.next_field().await.map_err(broken)? else {
        return Err(Fault::invalid_field("/file", "required", say("Sertakan berkas foto.", "Include the photo file.")));
    };
    if field.name() != Some("file") {
        return Err(unknown_part(&field));
    }
    let chunks = ReaderStream::with_capacity(field.into_async_read(), 64 * 1024);
    let cut_off = |error: std::io::Error| Fault::new(&MALFORMED).detail(say("Unggahan terputus.", "The upload was cut off.")).caused_by(error);
    let spooled = spool::receive(app, chunks, cut_off).await?;
    match form.next_field().await.map_err(broken)? {
        None => Ok(spooled),
        Some(field) => Err(unknown_part(&field)),
    }
}

fn unknown_part(field: &Field) -> Fault {
    Fault::invalid_field(&below(field.name().unwrap_or_default()), "unknown_field", say("Bagian tidak dikenal.", "Unknown part."))
}

/// A place among the uploads in progress and in the queue of photos, for an upload of `account` to `sme`.
async fn slot(app: &App, account: Uuid, sme: Uuid) -> Outcome<Place<'_>> {
    let slot = app.uploads.take(vec![Holder::Account(account), Holder::Sme(sme)])?;
    service::check_queue(&app.config, app.database.reader()).await?;
    quotas::any_photo(app, sme).await?;
    Ok(slot)
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
        caller: Caller,
        write: Write,
        /// Whose photo; asked before the first byte, so that nobody uploads in vain.
        sme_id: Query<Uuid>,
        form: PhotoForm,
    ) -> poem::Result<Accepted<Photo>> {
        let permit = policy::permit::<EditProduct>(&caller, &sme::store::scope(app.database.reader(), *sme_id).await?)?;
        let _slot = slot(&app, caller.principal(), *sme_id).await?;
        let spooled = spool_form(&app, form).await?;
        let mime = service::check(&app, spooled.file.path()).await?;
        let received =
            Received { file: spooled.file.path(), bytes: spooled.bytes, sha256: spooled.sha256, sme: *sme_id, request_id: write.request_id() };
        let stored = service::put(&app, &received).await?;
        let work = write.begin(&caller, format!("{} {}", received.sme, received.sha256).as_bytes()).await?;
        let photo = service::record(&work, &permit, &received, &stored, mime).await?;
        let location = format!("/v1/media/{}", photo.id);
        work.finish(Accepted::new(&photo).location(location)).await
    }

    /// Begin an upload straight to the bucket
    ///
    /// Send the file to `url` as said, then complete the upload. Kinds of image that are not taken are refused here, before a
    /// byte is sent.
    #[oai(path = "/v1/uploads", method = "post", operation_id = "begin_upload")]
    async fn begin_upload(
        &self,
        app: Data<&App>,
        request: &Request,
        caller: Caller,
        write: Write,
        body: Body<NewUpload>,
    ) -> poem::Result<Created<Upload>> {
        let mut new = body.read()?;
        // Parameters say nothing of a photo, and what is signed has one spelling.
        new.content_type = essence(&new.content_type);
        let work = write.begin(&caller, body.bytes()).await?;
        let permit = policy::permit::<EditProduct>(&caller, &sme::store::scope(work.db(), new.sme_id).await?)?;
        let upload = uploads::begin(&work, &app.bucket, &permit, new, request.data::<Host>().map(Host::as_str)).await?;
        work.finish(Created::new(&upload)).await
    }

    /// Complete an upload
    ///
    /// Checks length and SHA-256 of what the bucket received. From here on it is a photo like any other; repeated, it answers
    /// that photo.
    #[oai(path = "/v1/uploads/:upload_id/complete", method = "post", operation_id = "complete_upload")]
    async fn complete_upload(&self, app: Data<&App>, caller: Caller, write: Write, upload_id: Path<Uuid>) -> poem::Result<Accepted<Photo>> {
        let reader = app.database.reader();
        let upload = store::upload(reader, *upload_id).await?;
        let permit = policy::permit::<EditProduct>(&caller, &sme::store::scope(reader, upload.sme_id).await?)?;
        if let Some(photo) = upload.media_id {
            return Ok(Accepted::new(&store::photo(reader, photo).await?).location(format!("/v1/media/{photo}")));
        }
        let _slot = slot(&app, caller.principal(), upload.sme_id).await?;
        let spooled = uploads::fetch(&app, &upload).await?;
        let mime = service::check(&app, spooled.file.path()).await?;
        let received =
            Received { file: spooled.file.path(), bytes: spooled.bytes, sha256: spooled.sha256, sme: upload.sme_id, request_id: write.request_id() };
        let stored = service::put(&app, &received).await?;
        let work = write.begin(&caller, upload.id.as_bytes()).await?;
        let photo = uploads::complete(&work, &permit, upload, &received, &stored, mime).await?;
        let location = format!("/v1/media/{}", photo.id);
        work.finish(Accepted::new(&photo).location(location)).await
    }

    /// Read a photo
    #[oai(path = "/v1/media/:media_id", method = "get", operation_id = "get_photo")]
    async fn get(&self, app: Data<&App>, caller: Caller, media_id: Path<Uuid>) -> poem::Result<Reply<Photo>> {
        let reader = app.database.reader();
        let asset = store::by_id(reader, *media_id).await?.ok_or_else(Fault::not_found)?;
        policy::permit::<ReadSme>(&caller, &sme::store::scope(reader, asset.owner_sme_id).await?)?;
        Ok(Reply::new(&store::photo(reader, *media_id).await?))
    }

    /// Delete a photo
    ///
    /// Refused while a product uses it. Its objects leave the bucket a moment later.
    #[oai(path = "/v1/media/:media_id", method = "delete", operation_id = "delete_photo")]
    async fn delete(&self, caller: Caller, write: Write, media_id: Path<Uuid>) -> poem::Result<NoContent> {
        let work = write.begin(&caller, &[]).await?;
        let asset = store::by_id(work.db(), *media_id).await?.ok_or_else(Fault::not_found)?;
        let permit = policy::permit::<EditProduct>(&caller, &sme::store::scope(work.db(), asset.owner_sme_id).await?)?;
        service::delete(&work, &permit, asset).await?;
        work.finish_empty().await
    }
}

/// `GET /media/img/…`: a rendition. Its address holds its content's hash, so it is cached for ever.
#[handler]
pub async fn rendition(app: Data<&App>, key: RoutePath<String>) -> poem::Result<Response> {
    // Originals carry metadata and are never served; what no rendition can be called is not asked for.
    let format = rendition_format(&key).ok_or_else(Fault::not_found)?;
    let bytes = app.bucket.get(&key).await.map_err(Fault::from)?;
    let response = Response::builder()
        .status(StatusCode::OK)
        .content_type(format.mime())
        .header(header::CACHE_CONTROL, "public, max-age=31536000, immutable")
        .header(header::CONTENT_SECURITY_POLICY, "default-src 'none'");
    Ok(response.body(RawBody::from_bytes(bytes)).into_response())
}

/// `PUT /{bucket}/uploads/…`: passes an upload on to the embedded bucket, which listens on loopback only. The signature
/// covers host, path, type and length, and the bucket checks it before it reads.
#[handler]
pub async fn pass_upload(app: Data<&App>, request: &Request, upload: RoutePath<String>, body: RawBody) -> poem::Result<Response> {
    // The signature and the announced digest are of the file itself.
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        let detail = say("Kirim berkas apa adanya, tanpa Content-Encoding.", "Send the file as it is, without Content-Encoding.");
        return Err(Fault::new(&UNSUPPORTED_MEDIA).detail(detail).into());
    }
    let holders = holders(&app, &upload).await?;
    if holders.is_empty() {
        // Nobody has signed this address: it takes no place, and nothing is passed on.
        return Err(Fault::new(&FORBIDDEN).detail(say("Alamat ini tidak ditandatangani.", "This address was not signed.")).into());
    }
    let _slot = app.uploads.take(holders)?;
    let passed = [header::CONTENT_TYPE, header::CONTENT_LENGTH];
    let mut headers: HeaderMap = passed.into_iter().filter_map(|name| Some((name.clone(), request.headers().get(&name)?.clone()))).collect();
    if let Some(host) = request.data::<Host>().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        headers.insert(header::HOST, host);
    }
    let target = request.original_uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let (verdict, body) = paced(body.into_bytes_stream());
    let (status, text) = app.bucket.pass_put(&target, headers, body).await.map_err(|error| verdict.or(error.into()))?;
    Ok(Response::builder().status(status).content_type("application/xml").body(text))
}

/// Whose place an upload under this signed address takes; nobody's if nobody began it.
async fn holders(app: &App, upload: &str) -> Outcome<Vec<Holder>> {
    let Ok(id) = Uuid::parse_str(upload) else { return Ok(Vec::new()) };
    let begun = store::find_upload(app.database.reader(), id).await?;
    Ok(begun.map(|upload| vec![Holder::Signed(id), Holder::Sme(upload.sme_id)]).unwrap_or_default())
}
