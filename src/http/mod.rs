//! What all operations share: problems, actors, conditional requests, cursors, idempotency, locale.

pub mod actor;
pub mod answers;
pub mod body;
pub mod compression;
pub mod cursor;
pub mod document;
pub mod host;
pub mod json;
pub mod locale;
pub mod outermost;
pub mod patience;
pub mod problem;
pub mod reply;
pub mod shape;
pub mod weights;
pub mod write;

pub use actor::{Caller, Member};
pub use body::Body;
pub use host::Host;
pub use reply::{Page, Reply};
pub use write::Write;

pub use crate::work::Work;

use poem_openapi::Tags;

/// Groups of operations, one per capability.
#[derive(Tags)]
pub enum Tag {
    /// Signing in, sessions, invitations.
    Identity,
    /// Trade offices and their staff.
    Agencies,
    /// Small businesses: profile, members, classification, verification.
    Smes,
    /// Products, variants, materials, images, and their moderation.
    Products,
    /// Photos: upload, processing, renditions.
    Media,
    /// Exhibitions, exhibitors and line-ups.
    Exhibitions,
    /// Bimtek programmes and WUB groups.
    Mentoring,
    /// API keys and webhooks.
    Integrations,
    /// What the public sees.
    Storefront,
    /// Who changed what, for whom, and why.
    Audit,
    /// Probes and version.
    Operations,
}

/// A media type without its parameters, in the one case in which types are compared (RFC 9110, 8.3.1); empty if none is sent.
fn essence(content_type: Option<&str>) -> String {
    content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a body is a photo, by itself or as a part of a form: the only bodies that are more than a mebibyte.
fn is_photo(content_type: Option<&str>) -> bool {
    let essence = essence(content_type);
    essence.starts_with("multipart/") || essence.starts_with("image/")
}
