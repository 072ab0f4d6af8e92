//! Probes and the version.

use poem::web::Data;
use poem_openapi::{ApiResponse, Object, OpenApi, payload::Json};

use crate::{app::App, http::Tag};

pub struct OperationsApi;

/// Whether each part answers.
#[derive(Object)]
pub struct Health {
    pub ready: bool,
    pub database: bool,
    pub bucket: bool,
}

#[derive(ApiResponse)]
pub enum ReadyAnswer {
    /// All parts answer, or only the bucket does not: browsing goes on.
    #[oai(status = 200)]
    Ready(Json<Health>),
    /// The database does not answer.
    #[oai(status = 503)]
    NotReady(Json<Health>),
}

/// What runs.
#[derive(Object)]
pub struct Version {
    pub name: String,
    pub version: String,
}

#[OpenApi(tag = "Tag::Operations")]
impl OperationsApi {
    /// Is the process alive
    #[oai(path = "/livez", method = "get", operation_id = "livez")]
    async fn livez(&self) -> Json<Version> {
        self.version().await
    }

    /// Can it serve
    ///
    /// Whether database and bucket answered when they were last asked, which is every second.
    #[oai(path = "/readyz", method = "get", operation_id = "readyz")]
    async fn readyz(&self, app: Data<&App>) -> ReadyAnswer {
        let health = app.health();
        let answers = |part| health.get(part).copied().unwrap_or(false);
        let readiness = Health { ready: answers("database"), database: answers("database"), bucket: answers("bucket") };
        if readiness.ready { ReadyAnswer::Ready(Json(readiness)) } else { ReadyAnswer::NotReady(Json(readiness)) }
    }

    /// Name and version
    #[oai(path = "/version", method = "get", operation_id = "version")]
    async fn version(&self) -> Json<Version> {
        Json(Version { name: env!("CARGO_PKG_NAME").into(), version: env!("CARGO_PKG_VERSION").into() })
    }
}
