//! Categories and products: variants, materials, photos in order, moderation.
//!
//! ```text
//! draft ──submit──▶ submitted ──approve──▶ published ◀──resume── paused
//!   ▲                 │   │  ▲               │  └────pause────────▲
//!   │     request_changes │  └──submit──┐    └──suspend──▶ suspended ──reinstate──▶ published
//!   │                 │   └─reject─▶ rejected
//!   │                 ▼                 
//!   │         changes_requested ───submit───▶ submitted
//!   └──restore── archived ◀──archive── (any)
//! ```

pub mod api;
pub mod attributes;
pub mod model;
pub mod service;
pub mod store;
