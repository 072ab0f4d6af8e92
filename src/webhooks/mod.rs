//! Webhooks: what happened is told to third-party servers, by the rules of Standard Webhooks.
//!
//! ```text
//! a change ──trigger──▶ outbox ──fan out──▶ event, deliveries ──job──▶ POST to the endpoint
//! ```
//!
//! At least once, and the events of one subject in their order: while one waits to be delivered, those behind it wait. A
//! delivery is tried for 24 hours; then it is dead, and can be replayed.

pub mod api;
mod deliver;
pub mod model;
pub mod service;
mod store;
pub mod target;

pub use deliver::{UnderWay, deliver};
