//! The verification of an SME as a state machine, and the rules of a profile.

use poem_openapi::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

use crate::transitions::state_machine;

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
