//! Adapters to the outside: the database with its two dialects, the bucket, files, jobs, metrics, the clock.

pub mod bucket;
pub mod clock;
mod connection;
pub mod database;
pub mod jobs;
pub mod metrics;
pub mod signals;
pub mod tidy;
pub mod vault;

pub use etalase_embedded_bucket::files;
