//! The verification of an SME as a state machine, and the rules of a profile.

use std::collections::BTreeMap;

use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

use crate::{
    fault::{FieldFault, field, say},
    http::problem::below,
    transitions::state_machine,
    values::contact::check_web_address,
};

/// Where an SME stands with the agency (row A4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum SmeStatus {
    Pending,
    Verified,
    Rejected,
    Suspended,
    Closed,
}

/// What can happen to an SME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SmeEvent {
    Submit,
    Verify,
    Reject,
    Suspend,
}

state_machine! {
    SmeStatus on SmeEvent {
        Pending: Verify => Verified, Reject => Rejected;
        Rejected: Submit => Pending;
        Verified: Suspend => Suspended;
        Suspended: Verify => Verified;
    }
}

/// Where a workshop or shop is, in degrees times a million (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// North is positive: Tangerang is about -6178000.
    #[oai(validator(minimum(value = "-90000000"), maximum(value = "90000000")))]
    pub latitude_e6: i64,
    /// East is positive.
    #[oai(validator(minimum(value = "-180000000"), maximum(value = "180000000")))]
    pub longitude_e6: i64,
}

impl Location {
    /// From the two columns, which the database holds to be both there or neither.
    pub fn from_columns(latitude_e6: Option<i64>, longitude_e6: Option<i64>) -> Option<Self> {
        Some(Self { latitude_e6: latitude_e6?, longitude_e6: longitude_e6? })
    }

    /// Validates the place; adds a fault if it is not on the globe.
    pub fn check(&self, faults: &mut Vec<FieldFault>) {
        if self.latitude_e6.abs() > 90_000_000 || self.longitude_e6.abs() > 180_000_000 {
            faults.push(field("/location", "out_of_range", say("Derajat dikali sejuta.", "Degrees times a million.")));
        }
    }
}

/// Networks where SMEs of the office sell.
const NETWORKS: &[&str] = &["facebook", "instagram", "shopee", "tiktok", "tokopedia", "youtube"];

/// Networks with the addresses as they are kept; adds a fault for an unknown network and for what is not an address.
pub fn check_socials(socials: BTreeMap<String, String>, faults: &mut Vec<FieldFault>) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for (network, address) in socials {
        let pointer = format!("/socials{}", below(&network));
        if NETWORKS.contains(&network.as_str()) {
            kept.insert(network, check_web_address(&address, &pointer, faults));
        } else {
            let known = NETWORKS.join(", ");
            faults.push(field(pointer, "unknown", say(format!("Pilih dari: {known}."), format!("Choose from: {known}."))));
        }
    }
    kept
}
