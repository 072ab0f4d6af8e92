//! The bucket: always spoken to over S3, whether it is Garage, AWS or the embedded server.

use std::{path::Path, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use futures_util::{Stream, TryFutureExt, TryStreamExt};
use poem::http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use s3::{Bucket as S3Bucket, BucketConfiguration, Region, creds::Credentials, error::S3Error};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use crate::{
    config::Config,
    fault::{Fault, MALFORMED, say},
    platform::metrics,
};

pub use etalase_embedded_bucket::EmbeddedServer;

/// Every request to the store ends within this time, so that a dead store fails instead of hanging.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The limit of a request that passes on a client's upload, perhaps from a phone far from town; slow ones end earlier.
const LONGEST_PASS: Duration = Duration::from_mins(10);

#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("no such object")]
    NotFound,
    #[error("the bucket is out of reach: {0}")]
    Unavailable(String),
    #[error("the bucket refused: {0}")]
    Refused(String),
    #[error("neither a setting nor the request says where clients reach the bucket")]
    NoAddress,
}

/// What stores say of a key that no object can have: asked again they say the same, and nothing is out of reach.
const BAD_KEY: [&str; 3] = ["<Code>InvalidArgument</Code>", "<Code>InvalidURI</Code>", "<Code>KeyTooLongError</Code>"];

impl From<S3Error> for BucketError {
    fn from(error: S3Error) -> Self {
        match error {
            S3Error::HttpFailWithBody(404, _) => Self::NotFound,
            S3Error::HttpFailWithBody(status, body) => Self::from_status(status, body),
            S3Error::Reqwest(_) | S3Error::Io(_) | S3Error::HttpFail => Self::Unavailable(error.to_string()),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl BucketError {
    fn from_status(status: u16, body: String) -> Self {
        if status == 400 && BAD_KEY.iter().any(|code| body.contains(code)) {
            return Self::Refused(body);
        }
        // Also other 400s and 403, which are keys being rotated, or this machine's clock being wrong: it is our request that they
        // are about, never the client's, and another replica or the next try may do better.
        Self::Unavailable(format!("{status} {body}"))
    }
}

impl From<BucketError> for Fault {
    fn from(error: BucketError) -> Self {
        match error {
            BucketError::NotFound => Self::not_found(),
            BucketError::Unavailable(_) => Self::unavailable(error),
            BucketError::Refused(_) => Self::internal(error),
            BucketError::NoAddress => Self::new(&MALFORMED).detail(say("Kirim Host.", "Send a Host header.")),
        }
    }
}

/// The address is left out: it is signed.
fn unreachable(error: reqwest::Error) -> BucketError {
    BucketError::Unavailable(error.without_url().to_string())
}

/// Sends a request; returns the response if its status is a success.
async fn done(request: reqwest::RequestBuilder) -> Result<reqwest::Response, BucketError> {
    let response = request.send().await.map_err(unreachable)?;
    match response.status() {
        status if status.is_success() => Ok(response),
        StatusCode::NOT_FOUND => Err(BucketError::NotFound),
        status => Err(BucketError::from_status(status.as_u16(), response.text().await.unwrap_or_default())),
    }
}

#[derive(Clone)]
pub struct Bucket {
    s3: Box<S3Bucket>,
    http: reqwest::Client,
    endpoint: String,
    /// Where clients reach it.
    public_endpoint: Option<String>,
}

impl Bucket {
    /// A client of the configured store, or of an embedded one, which serves for as long as it is kept.
    pub async fn open(config: &Config) -> anyhow::Result<(Self, Option<EmbeddedServer>)> {
        let embedded = match &config.bucket_endpoint {
            None => Some(EmbeddedServer::start(&config.data_dir.join("bucket")).await.context("embedded bucket")?),
            Some(_) => None,
        };
        Ok((Self::new(config, embedded.as_ref())?, embedded))
    }

    fn new(config: &Config, embedded: Option<&EmbeddedServer>) -> anyhow::Result<Self> {
        let (endpoint, access, secret) = match embedded {
            Some(server) => (server.endpoint(), server.access_key().to_owned(), server.secret_key().to_owned()),
            None => (
                config.bucket_endpoint.clone().unwrap_or_default(),
                config.bucket_access_key.clone().unwrap_or_default(),
                config.bucket_secret_key.clone().unwrap_or_default(),
            ),
        };
        let public_endpoint = match embedded {
            Some(_) => config.public_url.as_ref().map(|_| config.public_url()),
            None => config.bucket_public_endpoint.clone().or_else(|| Some(endpoint.clone())),
        };
        let region = Region::Custom { region: config.bucket_region.clone(), endpoint: endpoint.clone() };
        let credentials = Credentials::new(Some(&access), Some(&secret), None, None, None)?;
        let mut s3 = S3Bucket::new(&config.bucket_name, region, credentials)?.with_path_style();
        s3.set_request_timeout(Some(TIMEOUT));
        Ok(Self { s3, http: reqwest::Client::builder().timeout(TIMEOUT).build()?, endpoint, public_endpoint })
    }

    /// Creates the bucket unless it is there.
    pub async fn ensure(&self) -> Result<(), BucketError> {
        if self.reachable().await.is_ok() {
            return Ok(());
        }
        let (region, credentials) = (self.s3.region(), self.s3.credentials().await?);
        let made = S3Bucket::create_with_path_style(&self.s3.name(), region, credentials, BucketConfiguration::default()).await;
        made.map(|_| ()).map_err(BucketError::from)
    }

    /// Whether the bucket answers a listing of one key.
    pub async fn reachable(&self) -> Result<(), BucketError> {
        metrics::bucket("list", self.s3.list_page("probe/".to_owned(), None, None, None, Some(1)).err_into()).await?;
        Ok(())
    }

    pub async fn put(&self, key: &str, body: &[u8], content_type: &str) -> Result<(), BucketError> {
        metrics::bucket("put", self.s3.put_object_with_content_type(key, body, content_type).err_into()).await?;
        Ok(())
    }

    /// Streams a file of `length` bytes into the bucket without holding it in memory.
    pub async fn put_file(&self, key: &str, file: &Path, length: u64) -> Result<(), BucketError> {
        let url = self.s3.presign_put(key, 300, None, None).await?;
        let file = File::open(file).await.map_err(|error| BucketError::Refused(error.to_string()))?;
        let body = reqwest::Body::wrap_stream(ReaderStream::with_capacity(file, 256 * 1024));
        metrics::bucket("put", done(self.http.put(url).header(CONTENT_LENGTH, length).body(body))).await?;
        Ok(())
    }

    /// The address under which a client may put an object of this type and length, for some time. The embedded bucket is
    /// reached through the service itself, at `host` unless the service knows its public address.
    pub async fn sign_put(
        &self,
        host: Option<&str>,
        key: &str,
        time: chrono::Duration,
        content_type: &str,
        bytes: i64,
    ) -> Result<String, BucketError> {
        let endpoint = match (&self.public_endpoint, host) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(host)) => format!("http://{host}"),
            (None, None) => return Err(BucketError::NoAddress),
        };
        let Region::Custom { region, .. } = self.s3.region() else { return Err(BucketError::Refused("no region".into())) };
        let mut signer = self.s3.clone();
        signer.region = Region::Custom { region, endpoint };
        let refused = |error: reqwest::header::InvalidHeaderValue| BucketError::Refused(error.to_string());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).map_err(refused)?);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        Ok(signer.presign_put(key, u32::try_from(time.num_seconds()).unwrap_or(0), Some(headers), None).await?)
    }

    /// Passes a signed put on to the store as it came; returns the store's status and body.
    pub async fn pass_put<E: std::error::Error + Send + Sync + 'static>(
        &self,
        target: &str,
        headers: HeaderMap,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Result<(StatusCode, String), BucketError> {
        let request = self.http.put(format!("{}{target}", self.endpoint)).headers(headers).timeout(LONGEST_PASS);
        let response = request.body(reqwest::Body::wrap_stream(body)).send().await.map_err(unreachable)?;
        let status = response.status();
        Ok((status, response.text().await.map_err(unreachable)?))
    }

    /// Streams the body of an object.
    pub async fn get_stream(&self, key: &str) -> Result<impl Stream<Item = Result<Bytes, BucketError>> + use<>, BucketError> {
        let url = self.s3.presign_get(key, 300, None).await?;
        Ok(metrics::bucket("get", done(self.http.get(url))).await?.bytes_stream().map_err(unreachable))
    }

    pub async fn get(&self, key: &str) -> Result<Bytes, BucketError> {
        Ok(metrics::bucket("get", self.s3.get_object(key).err_into()).await?.into_bytes())
    }

    /// Deletes; an object that is gone already is no error.
    pub async fn delete(&self, key: &str) -> Result<(), BucketError> {
        match metrics::bucket("delete", self.s3.delete_object(key).err_into()).await {
            Ok(_) | Err(BucketError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether there is such an object.
    pub async fn exists(&self, key: &str) -> Result<bool, BucketError> {
        match metrics::bucket("head", self.s3.head_object(key).err_into()).await {
            Ok(_) => Ok(true),
            Err(BucketError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Up to 1,000 keys that begin with `prefix`, in order, and the token of the next page, if there is one.
    pub async fn list(&self, prefix: &str, token: Option<String>) -> Result<(Vec<String>, Option<String>), BucketError> {
        let (page, _) = metrics::bucket("list", self.s3.list_page(prefix.to_owned(), None, token, None, Some(1000)).err_into()).await?;
        let keys = page.contents.into_iter().map(|object| object.key).collect();
        Ok((keys, page.next_continuation_token.filter(|_| page.is_truncated)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_says_of_a_key_is_told_apart_from_a_store_that_is_out_of_reach() {
        for code in ["InvalidArgument", "InvalidURI", "KeyTooLongError"] {
            let body = format!("<Error><Code>{code}</Code></Error>");
            assert!(matches!(BucketError::from_status(400, body), BucketError::Refused(_)), "{code}");
        }
        for (status, code) in [(400, "ExpiredToken"), (403, "RequestTimeTooSkewed"), (503, "SlowDown")] {
            let body = format!("<Error><Code>{code}</Code></Error>");
            assert!(matches!(BucketError::from_status(status, body), BucketError::Unavailable(_)), "{code}");
        }
    }
}
