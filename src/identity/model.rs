//! Actors and their roles; password and e-mail rules.

use poem_openapi::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    fault::{FieldFault, field, say},
    values::Language,
};

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
    /// Powerful roles that do not count before a second factor is set up.
    pub withheld: Withheld,
}

impl Actor {
    /// Whose idempotency keys are told apart: a program's are not those of who made it.
    pub fn principal(&self) -> Uuid {
        self.by_key.as_ref().map_or(self.user_id, |key| key.client)
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

/// Shortest password that is taken; NIST SP 800-63B asks for length, not for kinds of characters.
pub const SHORTEST_PASSWORD: usize = 12;

/// Complains about a password that is too short, or so long that hashing it is an attack.
pub fn check_password(password: &str, pointer: &str, faults: &mut Vec<FieldFault>) {
    let length = password.chars().count();
    if !(SHORTEST_PASSWORD..=200).contains(&length) {
        faults.push(field(pointer, "password_length", say("Panjang 12–200 karakter.", "12 to 200 characters.")));
    }
}

/// The e-mail as it is stored; complains unless it has the shape `name@domain`.
pub fn check_email(email: &str, pointer: &str, faults: &mut Vec<FieldFault>) -> String {
    let email = email.trim().to_lowercase();
    let shaped = email.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && domain.len() > 2 && domain.contains('.') && !domain.contains('@') && !domain.starts_with('.') && !domain.ends_with('.')
    });
    if !shaped || email.len() > 254 || email.chars().any(char::is_whitespace) {
        faults.push(field(pointer, "bad_email", say("Bukan alamat surel.", "Not an e-mail address.")));
    }
    email
}
