//! The outermost layer: request ids, strict query parameters, one shape for every failure, headers.

use std::{
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, Stream, StreamExt};
use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    error::{MethodNotAllowedError, NotFoundError, ReadBodyError},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::ReqId,
};
use poem_openapi::{
    OperationId,
    error::{ContentTypeError, ParseMultipartError, ParseParamError, ParsePathError},
};
use tokio::{sync::Semaphore, time::timeout};
use tracing::{Instrument, info_span};

use super::{
    answers,
    body::MOST_BYTES,
    document::Operations,
    host::Host,
    is_photo,
    locale::language_of,
    problem::{Place, excerpt, respond},
};
use crate::{
    app::App,
    clients::gate::{self, Pass},
    fault::{
        Fault, INVALID_PARAMETER, MALFORMED, METHOD_NOT_ALLOWED, Outcome, TOO_LARGE, TOO_SLOW, UNAUTHENTICATED, UNAVAILABLE, UNKNOWN_PARAMETER,
        UNSUPPORTED_MEDIA, field, say,
    },
    platform::metrics,
};

/// A request that takes longer is given up; what it began is rolled back.
pub const LONGEST: Duration = Duration::from_secs(30);
/// A body of at most a mebibyte that takes longer to arrive is given up.
const LONGEST_BODY: Duration = Duration::from_secs(20);
/// Bytes of bodies that are being received, of all requests together; more are asked to come back.
static INCOMPLETE: Semaphore = Semaphore::const_new(256 << 20);
/// The same limit for a body with a photo, perhaps from a phone far from town.
const LONGEST_UPLOAD: Duration = Duration::from_mins(10);

pub struct Outermost {
    operations: Arc<Operations>,
    /// One permit for each request at work.
    places: Arc<Semaphore>,
}

impl Outermost {
    /// At most `requests` are worked on at a time; more are asked to come back.
    pub fn new(operations: Operations, requests: usize) -> Self {
        Self { operations: Arc::new(operations), places: Arc::new(Semaphore::new(requests)) }
    }
}

impl<E: Endpoint> Middleware<E> for Outermost {
    type Output = OutermostEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        OutermostEndpoint { inner, operations: Arc::clone(&self.operations), places: Arc::clone(&self.places) }
    }
}

pub struct OutermostEndpoint<E> {
    inner: E,
    operations: Arc<Operations>,
    places: Arc<Semaphore>,
}

impl<E: Endpoint> Endpoint for OutermostEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let (started, _in_progress) = (Instant::now(), metrics::InProgress::begin());
        let request_id = request.data::<ReqId>().map(ToString::to_string).unwrap_or_default();
        // Neither address nor query: they may be personal.
        let span = info_span!("request", request_id, method = %request.method(), path = request.uri().path());
        let answer = async {
            let response = self.answer(request, &request_id).await;
            let operation = response.data::<OperationId>().map_or("other", |id| id.0);
            metrics::request(operation, response.status(), started.elapsed());
            tracing::debug!(operation, status = response.status().as_u16(), took = ?started.elapsed(), "answered");
            Ok(response)
        };
        answer.instrument(span).await
    }
}

impl<E: Endpoint> OutermostEndpoint<E> {
    async fn answer(&self, mut request: Request, request_id: &str) -> Response {
        let (path, language) = (request.uri().path().to_owned(), language_of(&request));
        let place = Place { path: &path, request_id, language };
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        // Several lines of one field are one list (RFC 9110, 5.3).
        let known: Vec<&str> = request.headers().get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok()).collect();
        let known = (is_read && !known.is_empty()).then(|| known.join(","));
        let (pass, admitted) = match Host::settle(&mut request) {
            Ok(()) => gate::admit(&mut request).await,
            Err(fault) => (Pass::default(), Err(fault)),
        };
        let result = match admitted {
            Ok(()) => self.kept_or_made(request).await,
            Err(fault) => Err(fault.into()),
        };
        let mut response = match result {
            Ok(response) => response,
            Err(error) if error.downcast_ref::<Fault>().is_none() && error.is_from_response() => error.into_response(),
            Err(error) => {
                let operation = error.data::<OperationId>().copied();
                let mut response = respond(&to_fault(error), &place);
                if let Some(operation) = operation {
                    response.set_data(operation);
                }
                response
            }
        };
        if known.is_some_and(|known| names_etag(&known, &response)) {
            response.set_status(StatusCode::NOT_MODIFIED);
            response.headers_mut().remove(header::CONTENT_TYPE);
            response.set_body(());
        }
        let headers = response.headers_mut();
        pass.mark(headers);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-store"));
        response
    }

    /// The kept answer for everybody, or else what the operation returns.
    async fn kept_or_made(&self, request: Request) -> Result<Response> {
        let app = App::of(&request)?.clone();
        let Some(key) = answers::key(&app, &request) else { return self.checked(request).await };
        match answers::kept(&app, &key).await {
            Some(response) => Ok(response),
            None => answers::keep(&app, key, self.checked(request).await?).await,
        }
    }

    async fn checked(&self, mut request: Request) -> Result<Response> {
        // Received before it takes a place: waiting for a slow sender is no work.
        if !is_photo(request.content_type()) {
            receive(&mut request).await?;
        }
        // Probes are answered however busy it is.
        let is_probe = matches!(request.uri().path(), "/livez" | "/readyz");
        let _place = if is_probe { None } else { Some(self.places.try_acquire().map_err(|_| busy())?) };
        if let Some(response) = gate::preflight(&request).await? {
            return Ok(response);
        }
        self.operations.admit_query(&mut request)?;
        let longest = if is_photo(request.content_type()) { LONGEST_UPLOAD } else { LONGEST };
        match timeout(longest, AssertUnwindSafe(self.inner.call(request)).catch_unwind()).await {
            Ok(Ok(result)) => result.map(IntoResponse::into_response),
            Ok(Err(_)) => Err(Fault::internal(anyhow::anyhow!("a handler panicked")).into()),
            Err(_) => Err(Fault::unavailable(anyhow::anyhow!("a request took longer than {longest:?}")).into()),
        }
    }
}

/// More requests than places: refused before they cost anything.
fn busy() -> Fault {
    Fault::new(&UNAVAILABLE).retry_after(1).detail(say("Sedang ramai; coba lagi sebentar lagi.", "Busy; try again in a moment."))
}

/// Reads the whole body, which is small for all but photos, into memory; what does not arrive in time is given up.
async fn receive(request: &mut Request) -> Outcome<()> {
    let has_body = request.headers().contains_key(header::CONTENT_LENGTH) || request.headers().contains_key(header::TRANSFER_ENCODING);
    if !has_body {
        return Ok(());
    }
    let stream = request.take_body().into_bytes_stream();
    let body = timeout(LONGEST_BODY, collect(stream)).await.map_err(|_| Fault::new(&TOO_SLOW))??;
    request.set_body(body);
    Ok(())
}

/// A whole body. What all senders together have sent and is still incomplete is bounded: whoever stalls before the last byte
/// holds memory before anybody knows who they are.
async fn collect(stream: impl Stream<Item = std::io::Result<Bytes>>) -> Outcome<Bytes> {
    let mut stream = pin!(stream);
    let mut body = BytesMut::new();
    // One permit that grows: a body may come in a million pieces.
    let mut room = INCOMPLETE.try_acquire_many(0).map_err(|_| busy())?;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| Fault::new(&MALFORMED).caused_by(error))?;
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(Fault::new(&TOO_LARGE).detail(say("Isi paling besar 1 MiB.", "Bodies are at most 1 MiB.")));
        }
        room.merge(INCOMPLETE.try_acquire_many(u32::try_from(chunk.len()).unwrap_or(u32::MAX)).map_err(|_| busy())?);
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Whether a client that sent this If-None-Match has the response already (RFC 9110, 13.1.2).
fn names_etag(known: &str, response: &Response) -> bool {
    let etag = response.headers().get(header::ETAG).and_then(|etag| etag.to_str().ok());
    let names = |etag: &str| known.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag);
    response.status() == StatusCode::OK && etag.is_some_and(names)
}

/// The fault for an error of the framework.
fn to_fault(error: poem::Error) -> Fault {
    let error = match error.downcast::<Fault>() {
        Ok(fault) => return fault,
        Err(error) => error,
    };
    if error.is::<NotFoundError>() || error.is::<ParsePathError>() {
        return Fault::not_found();
    }
    if error.is::<MethodNotAllowedError>() {
        return Fault::new(&METHOD_NOT_ALLOWED);
    }
    if let Some(error) = error.downcast_ref::<ParseParamError>() {
        return Fault::new(&INVALID_PARAMETER)
            .detail(say(format!("Parameter `{}` tidak sah.", error.name), format!("Parameter `{}` is not valid.", error.name)))
            .at(field(error.name, "invalid", say("Nilai ini tidak sah.", "This value is not valid.")));
    }
    if error.is::<ContentTypeError>() {
        return Fault::new(&UNSUPPORTED_MEDIA);
    }
    if let Some(error) = error.downcast_ref::<ParseMultipartError>() {
        return Fault::new(&MALFORMED)
            .detail(say("Formulir multipart tidak sah.", "Not a valid multipart form."))
            .caused_by(anyhow::anyhow!("{}", error.reason));
    }
    if matches!(error.downcast_ref::<ReadBodyError>(), Some(ReadBodyError::PayloadTooLarge)) {
        return Fault::new(&TOO_LARGE);
    }
    match error.status() {
        StatusCode::UNAUTHORIZED => Fault::new(&UNAUTHENTICATED),
        StatusCode::NOT_FOUND => Fault::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => Fault::new(&METHOD_NOT_ALLOWED),
        StatusCode::PAYLOAD_TOO_LARGE => Fault::new(&TOO_LARGE),
        status if status.is_client_error() => Fault::new(&MALFORMED).caused_by(anyhow::anyhow!("{error}")),
        _ => Fault::internal(anyhow::anyhow!("{error}")),
    }
}

/// The fault of a query parameter that the operation does not know, with those it does.
pub fn unknown_parameter(name: &str, known: &[&str]) -> Fault {
    let (list, name) = (known.join(", "), excerpt(name));
    Fault::new(&UNKNOWN_PARAMETER)
        .detail(say(
            format!("Parameter `{name}` tidak dikenal. Yang dikenal: {list}."),
            format!("Parameter `{name}` is not known. Known ones: {list}."),
        ))
        .at(field(&*name, "unknown", say("Tidak dikenal.", "Not known.")))
}
