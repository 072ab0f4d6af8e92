//! Exhibitions, their exhibitors, and which products each of them shows.
//!
//! ```text
//! draft ─announce─▶ announced ─open─▶ applications_open ─close─▶ curation ─publish_lineup─▶ lineup_published
//!                       ▲                                                                       │ start
//!                       └──────── postpone (any of these, with new dates) ────────┐             ▼
//!                                                              archived ◀─archive─ completed ◀─ ongoing
//! ```
//! Before `completed`, each can be cancelled with a reason. An announced one of which no day is known can be
//! recorded as held. Completing freezes the line-up for good.

pub mod api;
pub mod applications;
pub mod call;
pub mod model;
pub mod onsite;
pub mod plan;
pub mod results;
pub mod review;
pub mod selection;
pub mod service;
pub mod store;
