//! Metrics for Prometheus. Counters and times are recorded where things happen, by the names below; what can be looked
//! up, such as the depth of queues, is looked up when somebody asks. No label holds anything personal.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use poem::http::StatusCode;

use super::{
    bucket::BucketError,
    clock::now,
    database::shared_now,
    jobs::{self, JobKind},
};
use crate::{app::App, fault::Outcome};

const REQUESTS: &str = "etalase_http_requests_total";
const REQUEST_SECONDS: &str = "etalase_http_request_seconds";
const REQUESTS_NOW: &str = "etalase_http_requests_in_progress";
const CACHE: &str = "etalase_cache_answers_total";
const JOBS: &str = "etalase_jobs_total";
const JOB_SECONDS: &str = "etalase_job_seconds";
const JOBS_WAITING: &str = "etalase_jobs_waiting";
const JOBS_OLDEST: &str = "etalase_jobs_oldest_due_seconds";
const BUCKET_SECONDS: &str = "etalase_bucket_request_seconds";
const CONNECTIONS: &str = "etalase_database_connections";
const UPLOADS_NOW: &str = "etalase_uploads_in_progress";
const CLOCK_SKEW: &str = "etalase_clock_skew_seconds";
const CATALOGUE_VERSION: &str = "etalase_catalogue_version";

/// From half a millisecond, a cached answer, to half a minute, the longest request.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

static PROMETHEUS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Begins to keep metrics, for the whole process.
pub fn install() -> Result<(), BuildError> {
    let prometheus = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?.install_recorder()?;
    let _ = PROMETHEUS.set(prometheus);
    describe_counter!(REQUESTS, "Requests by operation and status");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time to the head of the answer, by operation");
    describe_gauge!(REQUESTS_NOW, "Requests being answered");
    describe_counter!(CACHE, "Public answers: not_modified, hit or miss");
    describe_counter!(JOBS, "Ended jobs by kind and outcome: done, failed (to be tried again), dead, put_off");
    describe_histogram!(JOB_SECONDS, Unit::Seconds, "Time that a job took, by kind");
    describe_gauge!(JOBS_WAITING, "Jobs by kind and state: due, later, dead");
    describe_gauge!(JOBS_OLDEST, Unit::Seconds, "For how long the oldest job of a kind has been due");
    describe_histogram!(BUCKET_SECONDS, Unit::Seconds, "Requests to the bucket by operation and outcome");
    describe_gauge!(CONNECTIONS, "Database connections by state: busy, idle, most");
    describe_gauge!(CLOCK_SKEW, Unit::Seconds, "By how much this machine's clock is ahead of the database's");
    describe_gauge!(UPLOADS_NOW, "Photos being received");
    describe_gauge!(CATALOGUE_VERSION, "Version of the public catalogue that this replica has seen");
    Collector::default().describe();
    Ok(())
}

/// Everything in the Prometheus text format. Metrics that need a database which is away are left as they were.
pub async fn render(app: &App) -> String {
    if let Err(fault) = look_up(app).await {
        tracing::warn!(%fault, "figures of jobs");
    }
    Collector::default().collect();
    PROMETHEUS.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Prometheus knows only floating point; counts are far below where that becomes inexact.
#[allow(clippy::cast_precision_loss)]
fn float(count: impl TryInto<i64>) -> f64 {
    count.try_into().map_or(f64::MAX, |count| count as f64)
}

async fn look_up(app: &App) -> Outcome<()> {
    let (size, idle) = app.database.connections();
    gauge!(CONNECTIONS, "state" => "busy").set(f64::from(size.saturating_sub(idle)));
    gauge!(CONNECTIONS, "state" => "idle").set(f64::from(idle));
    gauge!(CONNECTIONS, "state" => "most").set(f64::from(app.config.database_connections));
    gauge!(UPLOADS_NOW).set(float(app.uploads_in_progress()));
    gauge!(CATALOGUE_VERSION).set(float(app.signals.catalogue_version()));
    let at = shared_now(app.database.reader()).await?;
    gauge!(CLOCK_SKEW).set((now() - at).as_seconds_f64());
    let queues = jobs::queues(app.database.reader()).await?;
    for kind in JobKind::ALL {
        // A kind without rows has nothing waiting, which has to be said, or the last value would stay.
        let queue = queues.iter().find(|queue| queue.kind == kind.name());
        let (due, later, dead) = queue.map_or((0, 0, 0), |queue| (queue.due, queue.later, queue.dead));
        for (state, count) in [("due", due), ("later", later), ("dead", dead)] {
            gauge!(JOBS_WAITING, "kind" => kind.name(), "state" => state).set(float(count));
        }
        let oldest = queue.and_then(|queue| queue.oldest_due).map_or(0, |since| (at - since).num_seconds());
        gauge!(JOBS_OLDEST, "kind" => kind.name()).set(float(oldest));
    }
    Ok(())
}

/// Counts as one of the requests in progress for as long as it lives.
pub struct InProgress(());

impl InProgress {
    pub fn begin() -> Self {
        gauge!(REQUESTS_NOW).increment(1);
        Self(())
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        gauge!(REQUESTS_NOW).decrement(1);
    }
}

/// Records an answered request.
pub fn request(operation: &'static str, status: StatusCode, took: Duration) {
    counter!(REQUESTS, "operation" => operation, "status" => status.as_str().to_owned()).increment(1);
    histogram!(REQUEST_SECONDS, "operation" => operation).record(took);
}

/// Counts a public answer by where it came from.
pub fn cache(outcome: &'static str) {
    counter!(CACHE, "outcome" => outcome).increment(1);
}

/// Records a job that ended.
pub fn job(kind: &str, outcome: &'static str, took: Duration) {
    counter!(JOBS, "kind" => kind.to_owned(), "outcome" => outcome).increment(1);
    histogram!(JOB_SECONDS, "kind" => kind.to_owned()).record(took);
}

/// Records how long a request to the bucket took, and whether it was done. That there is no such object is an answer.
pub async fn bucket<T>(operation: &'static str, request: impl Future<Output = Result<T, BucketError>>) -> Result<T, BucketError> {
    let started = Instant::now();
    let result = request.await;
    let outcome = if matches!(result, Ok(_) | Err(BucketError::NotFound)) { "ok" } else { "failed" };
    histogram!(BUCKET_SECONDS, "operation" => operation, "outcome" => outcome).record(started.elapsed());
    result
}
