//! Kinds, scopes and rates of API clients, and what an origin may look like.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use poem_openapi::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use url::{Origin, Url};
use uuid::Uuid;

use crate::{
    fault::{FieldFault, field, say},
    identity::{model::KeyScope, store::Target},
};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// May be seen by everybody: web pages of its origins read the storefront with it.
    Publishable,
    /// For servers: acts for its owner within its scopes.
    Secret,
}

impl ClientKind {
    /// What keys of the kind begin with, so that a leaked one is recognised.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Publishable => "etalase_pk_",
            Self::Secret => SECRET_PREFIX,
        }
    }
}

pub const SECRET_PREFIX: &str = "etalase_sk_";

/// How many requests a client may send within a minute, at once or spread; each visitor of a publishable one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum RateTier {
    /// 600 a minute.
    Basic,
    /// 6,000 a minute.
    Standard,
    /// 60,000 a minute; an agency gives it.
    High,
}

impl RateTier {
    pub const ALL: [Self; 3] = [Self::Basic, Self::Standard, Self::High];

    pub fn a_minute(self) -> NonZeroU32 {
        let requests = match self {
            Self::Basic => 600,
            Self::Standard => 6_000,
            Self::High => 60_000,
        };
        NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Standard => "standard",
            Self::High => "high",
        }
    }
}

/// A client as its keys are recognised.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: Uuid,
    pub owner: Target,
    pub kind: ClientKind,
    pub scopes: Vec<KeyScope>,
    pub origins: Vec<String>,
    pub tier: RateTier,
    /// Who made it, and answers for what it does.
    pub answers: Uuid,
    /// When this key or the client ends (UTC).
    pub ends_at: Option<DateTime<Utc>>,
}

/// Most origins of a client.
const MOST_ORIGINS: usize = 20;

/// Validates origins and returns them as browsers send them (RFC 6454). Adds a fault for what is not an origin, or is
/// not encrypted, unless it is this machine.
pub fn check_origins(origins: &[String], faults: &mut Vec<FieldFault>) -> Vec<String> {
    if origins.len() > MOST_ORIGINS {
        faults.push(field("/origins", "too_many", say("Paling banyak 20 asal.", "At most 20 origins.")));
    }
    let mut known = Vec::new();
    for (number, origin) in origins.iter().enumerate() {
        match origin_of(origin) {
            Some(origin) if known.contains(&origin) => {}
            Some(origin) => known.push(origin),
            None => faults.push(field(
                format!("/origins/{number}"),
                "bad_origin",
                say("Tulis seperti https://toko.example.org.", "Write it as https://shop.example.org."),
            )),
        }
    }
    known
}

/// `text` as a browser would send it; `None` where it is more or less than an origin.
fn origin_of(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok()?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1"));
    let is_fit = is_bare && (url.scheme() == "https" || (url.scheme() == "http" && is_local));
    match url.origin() {
        origin @ Origin::Tuple(..) if is_fit => Some(origin.ascii_serialization()),
        _ => None,
    }
}

/// The scopes that a key of this owner may have.
pub fn scopes_of(owner: Target) -> &'static [KeyScope] {
    match owner {
        Target::Sme(_) => &[KeyScope::SmeRead, KeyScope::ProductsWrite, KeyScope::ExhibitionsRead, KeyScope::LineupWrite, KeyScope::SalesWrite],
        Target::Agency(_) => &[KeyScope::SmeRead, KeyScope::ExhibitionsRead, KeyScope::ResultsRead],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port_and_nothing_else() {
        for (given, origin) in [
            ("https://Toko.example.org", "https://toko.example.org"),
            ("https://toko.example.org:443/", "https://toko.example.org"),
            ("https://toko.example.org:8443", "https://toko.example.org:8443"),
            ("http://localhost:3000", "http://localhost:3000"),
        ] {
            assert_eq!(origin_of(given).as_deref(), Some(origin), "{given}");
        }
        for given in
            ["*", "null", "toko.example.org", "http://toko.example.org", "https://toko.example.org/katalog", "https://a:b@example.org", "file:///x"]
        {
            assert_eq!(origin_of(given), None, "{given}");
        }
    }
}
