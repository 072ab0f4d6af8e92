//! A public answer: cached under the catalogue version, with ETag, 304 and Cache-Control.

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

use crate::{
    app::{App, CachedAnswer},
    fault::{Fault, Outcome},
    http::{
        locale::language_of,
        reply::{File, FileKind},
        work::hex,
    },
    platform::metrics,
    values::Language,
};

const CACHE_CONTROL: &str = "public, max-age=30, stale-while-revalidate=300";

/// Who reads, what, and what they have already.
pub struct Visit {
    pub app: App,
    pub language: Language,
    address: String,
    if_none_match: Option<String>,
}

impl<'a> FromRequest<'a> for Visit {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let app = request.data::<App>().ok_or_else(|| Fault::internal(anyhow::anyhow!("no App in request")))?;
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

    /// The address that was asked for, without one parameter: the base of the next page's.
    pub fn address_without(&self, parameter: &str) -> String {
        let (path, query) = self.address.split_once('?').unwrap_or((&self.address, ""));
        let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(parameter)).collect();
        if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
    }

    /// Answers from what the client has, from the cache, or by `make`, in this order.
    pub async fn answer<T, F>(self, make: impl FnOnce(App) -> F) -> Outcome<Public<T>>
    where
        F: Future<Output = Outcome<CachedAnswer>>,
    {
        // The version is read first: a change that commits while `make` runs belongs to the next version.
        let key = self.key();
        let (etag, is_known) = self.etag(&key);
        let mut public = Public { answer: None, etag, language: self.tag(), shape: PhantomData };
        if is_known {
            metrics::cache("not_modified");
            return Ok(public);
        }
        let answer = if let Some(answer) = self.app.cache.get(&key).await {
            metrics::cache("hit");
            answer
        } else {
            metrics::cache("miss");
            let answer = make(self.app.clone()).await?;
            self.app.cache.insert(key, answer.clone()).await;
            answer
        };
        public.answer = Some(answer);
        Ok(public)
    }
}

impl Visit {
    /// Streams a feed, unless the client has it as of this catalogue version.
    pub fn stream<K, S>(self, make: impl FnOnce(App, &'static str) -> S) -> Feed<K>
    where
        S: Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
    {
        let (etag, is_known) = self.etag(&self.key());
        let body = (!is_known).then(|| Body::from_bytes_stream(make(self.app.clone(), self.tag())));
        Feed { body, etag, language: self.tag(), kind: PhantomData }
    }

    /// The ETag of an answer with this key, and whether the client has it.
    fn etag(&self, key: &str) -> (String, bool) {
        let etag = format!("\"{}\"", &hex(&Sha256::digest(key.as_bytes()))[..24]);
        let known = self.if_none_match.as_deref().unwrap_or_default();
        let is_known = known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag);
        (etag, is_known)
    }

    /// This address in this language and catalogue version.
    fn key(&self) -> String {
        format!("{} {} {}", self.app.catalogue_version(), self.tag(), self.address)
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
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Language, Accept-Encoding"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(header::ETAG, etag);
    }
}

/// A body without a next page.
pub fn whole(json: String) -> CachedAnswer {
    CachedAnswer { json: json.into(), next: None }
}

/// 200 with a body of shape `T`, or 304.
pub struct Public<T> {
    answer: Option<CachedAnswer>,
    etag: String,
    language: &'static str,
    shape: PhantomData<fn() -> T>,
}

impl<T: Send> IntoResponse for Public<T> {
    fn into_response(self) -> Response {
        let mut response = match &self.answer {
            None => StatusCode::NOT_MODIFIED.into_response(),
            Some(answer) => Response::builder().content_type("application/json").body(answer.json.clone()),
        };
        public_headers(&mut response, self.language, self.etag);
        if let Some(next) = self.answer.and_then(|answer| answer.next)
            && let Ok(link) = HeaderValue::try_from(format!("<{next}>; rel=\"next\""))
        {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

/// The same for a file.
pub struct PublicFile<K>(pub Public<String>, PhantomData<fn() -> K>);

impl<K> PublicFile<K> {
    pub fn new(public: Public<String>) -> Self {
        Self(public, PhantomData)
    }
}

impl<K: FileKind> IntoResponse for PublicFile<K> {
    fn into_response(self) -> Response {
        let file = self.0.answer.as_ref().map(|answer| File::<K>::inline(answer.json.clone()).into_response());
        let mut response = self.0.into_response();
        if let Some(file) = file {
            for (name, value) in file.headers() {
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
