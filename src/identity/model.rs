//! Actors and their roles; password and e-mail rules.

use chrono::{DateTime, Utc};
use poem_openapi::Enum;
use sea_orm::{ActiveEnum, DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::values::Language;

/// A role within one SME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum SmeRole {
    Owner,
    Staff,
}

/// A role within one agency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum AgencyRole {
    Officer,
    Mentor,
    Coordinator,
    Curator,
    Head,
}

/// What a secret key may do (row H2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
pub enum KeyScope {
    /// Read the SME's workspace: profile, products, photos.
    #[oai(rename = "sme:read")]
    #[serde(rename = "sme:read")]
    SmeRead,
    /// Create, edit, submit and pause products and their photos.
    #[oai(rename = "products:write")]
    #[serde(rename = "products:write")]
    ProductsWrite,
    /// Read exhibitions, exhibitors, line-ups and applications.
    #[oai(rename = "exhibitions:read")]
    #[serde(rename = "exhibitions:read")]
    ExhibitionsRead,
    /// Add, change and remove line-up items.
    #[oai(rename = "lineup:write")]
    #[serde(rename = "lineup:write")]
    LineupWrite,
    /// Report sales.
    #[oai(rename = "sales:write")]
    #[serde(rename = "sales:write")]
    SalesWrite,
    /// Read what all exhibitors sold.
    #[oai(rename = "results:read")]
    #[serde(rename = "results:read")]
    ResultsRead,
}

/// The key that an actor acts by.
#[derive(Debug, Clone)]
pub struct ByKey {
    pub client: Uuid,
    pub scopes: Vec<KeyScope>,
}

/// A signed-in person with all memberships, or a program that acts by a key in the name of who made it.
#[derive(Debug, Clone)]
pub struct Actor {
    pub user_id: Uuid,
    pub session_id: Uuid,
    pub email: String,
    pub display_name: String,
    pub locale: Language,
    /// Runs the platform; sees all, but does not act for SMEs.
    pub is_operator: bool,
    pub smes: Vec<(Uuid, SmeRole)>,
    pub agencies: Vec<(Uuid, AgencyRole)>,
    /// None for people.
    pub by_key: Option<ByKey>,
    /// Powerful roles that do not count in a session that did not prove a second factor.
    pub withheld: Withheld,
    /// When this session last proved that its person is there, by password or second factor. UTC.
    pub proved_at: Option<DateTime<Utc>>,
}

impl Actor {
    /// Whose idempotency keys these are: a program's are kept apart from those of the person who made it.
    pub fn principal(&self) -> Uuid {
        self.by_key.as_ref().map_or(self.user_id, |key| key.client)
    }

    /// Every role and scope that counts now, as words.
    pub fn roles(&self) -> Vec<String> {
        let smes = self.smes.iter().map(|(sme, role)| format!("{}:{}", role.to_value(), sme.simple()));
        let agencies = self.agencies.iter().map(|(agency, role)| format!("{}:{}", role.to_value(), agency.simple()));
        let scopes = self.by_key.iter().flat_map(|key| key.scopes.iter().map(|scope| format!("scope:{scope:?}")));
        smes.chain(agencies).chain(self.is_operator.then(|| "operator".to_owned())).chain(scopes).collect()
    }
}

/// Roles at offices and on the platform that a person has but may not use yet.
#[derive(Debug, Clone, Default)]
pub struct Withheld {
    pub agencies: Vec<(Uuid, AgencyRole)>,
    pub is_operator: bool,
}

impl Withheld {
    pub fn is_empty(&self) -> bool {
        self.agencies.is_empty() && !self.is_operator
    }
}
