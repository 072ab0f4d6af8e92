//! Adapters to the outside: the database with its two dialects, the bucket, jobs, the clock.

pub mod bucket;
pub mod clock;
pub mod database;
pub mod jobs;
