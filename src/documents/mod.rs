//! Legal documents of SMEs: number, issuer, dates, and what an officer says of them (row A5, A7).
//!
//! ```text
//! uploaded ──▶ verified ──▶ revoked
//!     └─────▶ rejected
//! ```

pub mod api;
pub mod model;
pub mod service;
pub mod store;
