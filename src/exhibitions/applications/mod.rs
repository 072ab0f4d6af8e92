//! Applications: one per SME and exhibition, from a draft to a place.
//!
//! ```text
//! draft ─▶ submitted ─▶ under_review ─┬▶ accepted ─┬▶ confirmed ─▶ attended | no_show (─▶ attended, late)
//!   ▲          │             │        │     ▲      └▶ declined | lapsed
//!   └─ withdrawn ◀───────────┴──────  ├▶ waitlisted
//!                                     └▶ rejected
//! ```
//!
//! Decisions are prepared unseen and released together. A place that becomes free is offered to the next on the
//! waitlist in the transaction that frees it. Every step that offers or frees a place locks the call first.

pub mod api;
pub mod model;
pub mod service;
pub mod store;
