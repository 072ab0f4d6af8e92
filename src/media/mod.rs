//! Photos: streamed uploads, processing, renditions, references from products, deletion.
//!
//! ```text
//! processing ──▶ ready ──┐
//!      └──────▶ failed ──┴──▶ deleting ──▶ (gone)
//! ```
//!
//! Before bytes go to the bucket, a deletion job for them is committed; the transaction that records the
//! photo turns it into a processing job. Whatever dies in between is cleaned up by that job.

pub mod api;
pub mod fsck;
pub mod isolation;
pub mod jobs;
pub mod model;
mod pace;
pub mod places;
pub mod service;
pub mod spool;
pub mod store;
pub mod uploads;
