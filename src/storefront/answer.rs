//! A public answer: with an ETag of the catalogue version, 304 and Cache-Control, and kept for everybody (see `http::answers`).

use std::{future::Future, marker::PhantomData};

use bytes::Bytes;
use futures_util::Stream;
use poem::{
    Body, FromRequest, IntoResponse, Request, RequestBody, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use sha2::{Digest, Sha256};

use super::browse::ZONE;
use crate::{
    app::App,
    exhibitions::onsite::model::today,
    fault::Outcome,
    http::{
        answers::ForEverybody,
        locale::language_of,
        reply::{File, FileKind},
    },
    platform::metrics,
    values::{Language, hex},
};

const CACHE_CONTROL: &str = "public, max-age=30, stale-while-revalidate=300";

/// A public request: who reads, at which address, and the version that the client has already.
pub struct Visit {
    pub app: App,
    pub language: Language,
    address: String,
    if_none_match: Option<String>,
}

impl<'a> FromRequest<'a> for Visit {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let app = App::of(request)?;
        Ok(Self {
            app: app.clone(),
            language: language_of(request),
            address: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            if_none_match: request.header(header::IF_NONE_MATCH).map(str::to_owned),
        })
    }
}

impl Visit {
    /// The column suffix and tag of the language.
    pub fn tag(&self) -> &'static str {
        self.language.tag()
    }

    /// The requested address without one parameter: the base of the next page's address.
    pub fn address_without(&self, parameter: &str) -> String {
        let (path, query) = self.address.split_once('?').unwrap_or((&self.address, ""));
        let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(parameter)).collect();
        if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
    }

    /// Answers 304 if the client has this version already, and otherwise what `make` returns.
    pub async fn answer<T, F>(self, make: impl FnOnce(App) -> F) -> Outcome<Public<T>>
    where
        F: Future<Output = Outcome<Rendered>>,
    {
        let (etag, is_known) = self.etag();
        metrics::cache(if is_known { "not_modified" } else { "miss" });
        let answer = if is_known { None } else { Some(make(self.app.clone()).await?) };
        Ok(Public { answer, etag, language: self.tag(), shape: PhantomData })
    }
}

impl Visit {
    /// Streams a feed, unless the client has it as of this catalogue version.
    pub fn stream<K, S>(self, make: impl FnOnce(App, &'static str) -> S) -> Feed<K>
    where
        S: Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
    {
        let (etag, is_known) = self.etag();
        let body = (!is_known).then(|| Body::from_bytes_stream(make(self.app.clone(), self.tag())));
        Feed { body, etag, language: self.tag(), kind: PhantomData }
    }

    /// The ETag of this address in this language, catalogue version and day, and whether the client has it. Of the day, because
    /// lead times count from it.
    fn etag(&self) -> (String, bool) {
        let key = format!("{} {} {} {}", self.app.signals.catalogue_version(), today(ZONE), self.tag(), self.address);
        let etag = format!("\"{}\"", hex(&Sha256::digest(key.as_bytes())[..12]));
        let known = self.if_none_match.as_deref().unwrap_or_default();
        let is_known = known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag);
        (etag, is_known)
    }
}

/// A feed that is sent as it is read.
pub struct Feed<K> {
    body: Option<Body>,
    etag: String,
    language: &'static str,
    kind: PhantomData<fn() -> K>,
}

impl<K: FileKind> IntoResponse for Feed<K> {
    fn into_response(self) -> Response {
        let mut response = match self.body {
            None => StatusCode::NOT_MODIFIED.into_response(),
            Some(body) => Response::builder().content_type(K::CONTENT_TYPE).body(body),
        };
        public_headers(&mut response, self.language, self.etag);
        response
    }
}

impl<K: FileKind> ApiResponse for Feed<K> {
    fn meta() -> MetaResponses {
        PublicFile::<K>::meta()
    }

    fn register(_: &mut Registry) {}
}

fn public_headers(response: &mut Response, language: &'static str, etag: String) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Language, Accept-Encoding, Origin, X-Api-Key"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(header::ETAG, etag);
    }
}

/// A body, and the address of the next page.
pub struct Rendered {
    pub json: String,
    pub next: Option<String>,
}

/// A body without a next page.
pub fn whole(json: String) -> Rendered {
    Rendered { json, next: None }
}

/// 200 with a body of shape `T`, or 304.
pub struct Public<T> {
    answer: Option<Rendered>,
    etag: String,
    language: &'static str,
    shape: PhantomData<fn() -> T>,
}

impl<T: Send> IntoResponse for Public<T> {
    fn into_response(self) -> Response {
        let (json, next) = self.answer.map_or((None, None), |answer| (Some(answer.json), answer.next));
        let mut response = match json {
            None => StatusCode::NOT_MODIFIED.into_response(),
            Some(json) => Response::builder().content_type("application/json").body(json),
        };
        public_headers(&mut response, self.language, self.etag);
        response.set_data(ForEverybody);
        if let Some(next) = next
            && let Ok(link) = HeaderValue::try_from(format!("<{next}>; rel=\"next\""))
        {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

/// The same answer for a file.
pub struct PublicFile<K>(pub Public<String>, PhantomData<fn() -> K>);

impl<K> PublicFile<K> {
    pub fn new(public: Public<String>) -> Self {
        Self(public, PhantomData)
    }
}

impl<K: FileKind> IntoResponse for PublicFile<K> {
    fn into_response(self) -> Response {
        let is_file = self.0.answer.is_some();
        let mut response = self.0.into_response();
        if is_file {
            for (name, value) in File::<K>::inline("").into_response().headers() {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }
}

impl<K: FileKind> ApiResponse for PublicFile<K> {
    fn meta() -> MetaResponses {
        let mut meta = Public::<String>::meta();
        meta.responses[0].content = vec![File::<K>::media_type()];
        meta
    }

    fn register(_: &mut Registry) {}
}

impl<T: Type> ApiResponse for Public<T> {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }];
        let response =
            |description, status, content| MetaResponse { description, status: Some(status), status_range: None, content, headers: vec![] };
        MetaResponses { responses: vec![response("OK", 200, content), response("Not modified since the ETag sent", 304, vec![])] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}
