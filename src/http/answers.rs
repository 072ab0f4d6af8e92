//! Public answers that are kept as they were sent, each under the catalogue version, language, encoding and address that it
//! was made for: asked for again they cost neither routing nor compression nor the database.

use std::sync::Arc;

use bytes::Bytes;
use moka::future::Cache;
use poem::{
    Request, Response,
    http::{HeaderMap, Method, StatusCode},
};
use poem_openapi::OperationId;

use super::{compression::Coding, locale::language_of};
use crate::{app::App, fault::Fault, platform::metrics};

/// About 64 MiB.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// Halal certificates end with their day, whatever the catalogue version says.
const LONGEST: std::time::Duration = std::time::Duration::from_mins(5);

/// Put into a response that everybody may be given, until something public changes.
#[derive(Clone, Copy)]
pub struct ForEverybody;

/// A response as it was sent.
pub struct Kept {
    headers: HeaderMap,
    body: Bytes,
    operation: Option<OperationId>,
}

/// The answers that are kept.
pub type Answers = Cache<String, Arc<Kept>>;

pub fn answers() -> Answers {
    Cache::builder()
        // 1,024 bytes are about what a map of headers takes.
        .weigher(|key: &String, kept: &Arc<Kept>| u32::try_from(key.len() + kept.body.len() + 1024).unwrap_or(u32::MAX))
        .max_capacity(MOST_BYTES)
        .time_to_live(LONGEST)
        .build()
}

/// Whether what is answered there is the public side of the catalogue.
pub fn is_public_data(path: &str) -> bool {
    path.starts_with("/v1/storefront/") || path == "/v1/changes"
}

/// The key under which an answer to this request would be kept; `None` if it would not be. The version is read before
/// anything else: a change that commits while the answer is made belongs to the next version.
pub fn key(app: &App, request: &Request) -> Option<String> {
    let path = request.uri().path();
    if request.method() != Method::GET || !is_public_data(path) {
        return None;
    }
    let address = request.uri().path_and_query().map_or(path, |address| address.as_str());
    let coding = Coding::asked_for(request.headers()).name();
    Some(format!("{} {} {coding} {address}", app.signals.catalogue_version(), language_of(request).tag()))
}

/// The answer that is kept, if one is.
pub async fn kept(app: &App, key: &str) -> Option<Response> {
    let kept = app.answers.get(key).await?;
    metrics::cache("hit");
    let mut response = Response::builder().body(kept.body.clone());
    *response.headers_mut() = kept.headers.clone();
    if let Some(operation) = kept.operation {
        response.set_data(operation);
    }
    Some(response)
}

/// Keeps an answer that is for everybody.
pub async fn keep(app: &App, key: String, mut response: Response) -> poem::Result<Response> {
    if response.status() != StatusCode::OK || response.data::<ForEverybody>().is_none() {
        return Ok(response);
    }
    let body = response.take_body().into_bytes().await.map_err(Fault::internal)?;
    let kept = Kept { headers: response.headers().clone(), body: body.clone(), operation: response.data::<OperationId>().copied() };
    app.answers.insert(key, Arc::new(kept)).await;
    response.set_body(body);
    Ok(response)
}
