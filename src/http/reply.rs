//! Successful answers: JSON of a documented shape with the headers that conditional requests need.

use std::{collections::HashMap, marker::PhantomData};

use bytes::Bytes;
use poem::{
    IntoResponse, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry},
    types::{Binary, ParseFromJSON, ToJSON, Type},
};
use uuid::Uuid;

/// A page of a list.
#[derive(Object)]
pub struct Page<T: Send + Sync + Type + ParseFromJSON + ToJSON> {
    pub data: Vec<T>,
    pub page: PageInfo,
}

/// How to go on.
#[derive(Object)]
pub struct PageInfo {
    /// Send as `cursor` to get the next page; absent on the last.
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<String>,
    pub limit: u32,
}

/// How many a page holds: 1 to 100, 20 where the client does not say.
pub fn page_limit(limit: Option<u32>) -> u32 {
    limit.unwrap_or(20).clamp(1, 100)
}

impl<T: Send + Sync + Type + ParseFromJSON + ToJSON> Page<T> {
    /// Cuts a page from rows that were read with one more than `limit`; `id` is the cursor at which the next page
    /// begins.
    pub fn cut<R>(mut rows: Vec<R>, limit: u32, id: impl Fn(&R) -> Uuid) -> Self
    where
        T: From<R>,
    {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next_cursor = rows.last().filter(|_| more).map(|last| id(last).to_string());
        Self { data: rows.into_iter().map(T::from).collect(), page: PageInfo { next_cursor, limit } }
    }

    /// A list that is never longer than `limit` and has no next page.
    pub fn whole(data: Vec<T>, limit: u32) -> Self {
        Self { data, page: PageInfo { next_cursor: None, limit } }
    }
}

/// An answer of shape `T` with status `S`.
pub struct Reply<T, const S: u16 = 200> {
    pub(super) status: StatusCode,
    pub(super) json: String,
    headers: Vec<(HeaderName, String)>,
    shape: PhantomData<fn() -> T>,
}

/// 201: something was created.
pub type Created<T> = Reply<T, 201>;
/// 202: the work goes on after the answer.
pub type Accepted<T> = Reply<T, 202>;

impl<T: ToJSON, const S: u16> Reply<T, S> {
    pub fn new(value: &T) -> Self {
        Self::from_json(value.to_json_string())
    }
}

impl<T, const S: u16> Reply<T, S> {
    /// An answer that was rendered before.
    pub fn from_json(json: String) -> Self {
        let status = StatusCode::from_u16(S).unwrap_or(StatusCode::OK);
        Self { status, json, headers: Vec::new(), shape: PhantomData }
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The strong ETag of a row version.
    #[must_use]
    pub fn version(self, version: i64) -> Self {
        self.header(header::ETAG, format!("\"{version}\""))
    }

    /// The address of what was created.
    #[must_use]
    pub fn location(self, path: String) -> Self {
        self.header(header::LOCATION, path)
    }

    pub(super) fn get(&self, name: &HeaderName) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl<T: Send, const S: u16> IntoResponse for Reply<T, S> {
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.status).content_type("application/json").body(self.json);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

impl<T: Type, const S: u16> ApiResponse for Reply<T, S> {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }];
        let description = match S {
            201 => "Created",
            202 => "Accepted",
            _ => "OK",
        };
        let response = MetaResponse { description, status: Some(S), status_range: None, content, headers: vec![] };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// What kind of file an operation answers with.
pub trait FileKind: Send + Sync + 'static {
    const CONTENT_TYPE: &'static str;
    /// The content type as it is sent, with the parameters that a reader needs.
    const SENT_AS: &'static str;
    fn schema() -> MetaSchemaRef;
}

macro_rules! file_kinds {
    ($($(#[$doc:meta])* $name:ident $content_type:literal $($parameter:literal)? $shape:ty;)*) => {
        $($(#[$doc])* pub struct $name;
        impl FileKind for $name {
            const CONTENT_TYPE: &'static str = $content_type;
            const SENT_AS: &'static str = concat!($content_type, $($parameter)?);
            fn schema() -> MetaSchemaRef {
                <$shape>::schema_ref()
            }
        })*
    };
}

file_kinds! {
    /// A picture.
    Svg "image/svg+xml" String;
    /// A spreadsheet has to be told that it is UTF-8.
    Csv "text/csv" "; charset=utf-8" String;
    Xlsx "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" Binary<Vec<u8>>;
    /// iCalendar (RFC 5545).
    Calendar "text/calendar" String;
    /// One JSON value per line.
    NdJson "application/x-ndjson" String;
    Xml "application/xml" String;
    Rss "application/rss+xml" String;
    /// Structured data of schema.org.
    JsonLd "application/ld+json" HashMap<String, serde_json::Value>;
}

/// A file.
pub struct File<K> {
    bytes: Bytes,
    name: Option<String>,
    kind: PhantomData<fn() -> K>,
}

impl<K: FileKind> File<K> {
    /// A file that is shown where it is.
    pub fn inline(text: impl Into<Bytes>) -> Self {
        Self { bytes: text.into(), name: None, kind: PhantomData }
    }

    /// A file that is saved under `name`.
    pub fn named(bytes: Vec<u8>, name: String) -> Self {
        Self { bytes: bytes.into(), name: Some(name), kind: PhantomData }
    }

    /// How an operation that answers with one is documented.
    pub fn media_type() -> MetaMediaType {
        MetaMediaType { content_type: K::CONTENT_TYPE, schema: K::schema() }
    }
}

impl<K: FileKind> IntoResponse for File<K> {
    fn into_response(self) -> Response {
        // A file that is opened by itself may run nothing.
        let policy = "default-src 'none'; style-src 'unsafe-inline'";
        let mut response = Response::builder().content_type(K::SENT_AS).header(header::CONTENT_SECURITY_POLICY, policy);
        if let Some(name) = self.name {
            response = response.header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""));
        }
        response.body(self.bytes)
    }
}

impl<K: FileKind> ApiResponse for File<K> {
    fn meta() -> MetaResponses {
        let content = vec![Self::media_type()];
        MetaResponses { responses: vec![MetaResponse { description: "OK", status: Some(200), status_range: None, content, headers: vec![] }] }
    }

    fn register(_: &mut Registry) {}
}

/// Done, and there is nothing to say: 204.
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl ApiResponse for NoContent {
    fn meta() -> MetaResponses {
        let response = MetaResponse { description: "Done", status: Some(204), status_range: None, content: vec![], headers: vec![] };
        MetaResponses { responses: vec![response] }
    }

    fn register(_: &mut Registry) {}
}
