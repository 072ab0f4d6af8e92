//! Legal documents of SMEs: number, issuer, dates, and what an officer decides on them.
//!
//! ```text
//! uploaded ──▶ verified ──▶ revoked
//!     └─────▶ rejected
//! ```

pub mod api;
pub mod model;
pub mod service;
pub mod store;
