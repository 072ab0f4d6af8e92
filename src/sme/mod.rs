//! Small businesses (IKM/SME): profile, verification, and the office they belong to.
//!
//! ```text
//! pending ──verify──▶ verified ──suspend──▶ suspended ──verify──▶ verified
//!    ▲ └──reject──▶ rejected ──submit──┐
//!    └─────────────────────────────────┘
//! ```

pub mod api;
pub mod model;
pub mod service;
pub mod store;
