//! Kinds of documents, their states, and what their numbers say of themselves.

use chrono::{Datelike, NaiveDate};
use poem_openapi::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

use crate::{transitions::state_machine, values::Localized};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// Business identification number.
    Nib,
    /// Tax number; shown with its last digits only.
    Npwp,
    /// Home-industry food permit.
    Pirt,
    /// Food and drug authority, domestic.
    BpomMd,
    Halal,
    Sni,
    Trademark,
    /// Domestic content.
    Tkdn,
    Other,
}

impl DocumentKind {
    /// The name as people write it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Nib => "NIB",
            Self::Npwp => "NPWP",
            Self::Pirt => "P-IRT",
            Self::BpomMd => "BPOM MD",
            Self::Halal => "halal",
            Self::Sni => "SNI",
            Self::Trademark => "merek",
            Self::Tkdn => "TKDN",
            Self::Other => "dokumen lain",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DocumentStatus {
    Uploaded,
    Verified,
    Rejected,
    Revoked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentEvent {
    Verify,
    Reject,
    Revoke,
}

impl DocumentEvent {
    pub fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify_document",
            Self::Reject => "reject_document",
            Self::Revoke => "revoke_document",
        }
    }
}

state_machine! {
    DocumentStatus on DocumentEvent {
        Uploaded: Verify => Verified, Reject => Rejected;
        Verified: Revoke => Revoked;
    }
}

/// Where a number contradicts itself or the profile. A hint to whoever looks, never a refusal: rules change, and the
/// paper is what counts.
pub fn hints(kind: DocumentKind, number: &str, expires_on: Option<NaiveDate>, regency_code: &str) -> Vec<Localized> {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let mut hints = Vec::new();
    match kind {
        DocumentKind::Nib if digits.len() != 13 => {
            hints.push(Localized::new("NIB biasanya 13 angka.", "A NIB usually has 13 digits."));
        }
        DocumentKind::BpomMd if digits.len() != 12 => {
            hints.push(Localized::new("Nomor BPOM MD biasanya 12 angka.", "A BPOM MD number usually has 12 digits."));
        }
        DocumentKind::Pirt => hints.extend(pirt_hints(&digits, expires_on, regency_code)),
        _ => {}
    }
    hints
}

/// `PTTRRRRNNSSSS-YY`: packaging, food type, regency, product, producer, year of expiry (BPOM Regulation 22/2018).
fn pirt_hints(digits: &str, expires_on: Option<NaiveDate>, regency_code: &str) -> Vec<Localized> {
    let (Some(regency), Some(year)) = (digits.get(3..7), digits.get(13..15)) else {
        return vec![Localized::new("P-IRT sedikitnya 15 angka.", "A P-IRT has at least 15 digits.")];
    };
    let mut hints = Vec::new();
    if regency != regency_code.replace('.', "") {
        hints.push(Localized::new(
            &format!("Kode daerah di P-IRT ({regency}) bukan daerah usaha ini."),
            &format!("The regency in the P-IRT ({regency}) is not that of the business."),
        ));
    }
    if expires_on.is_some_and(|day| format!("{:02}", day.year().rem_euclid(100)) != year) {
        hints.push(Localized::new(
            &format!("Menurut nomornya P-IRT ini berlaku sampai 20{year}."),
            &format!("By its number this P-IRT is valid until 20{year}."),
        ));
    }
    hints
}

/// The number as others may see it.
pub fn shown(kind: DocumentKind, number: &str) -> String {
    if kind != DocumentKind::Npwp {
        return number.to_owned();
    }
    let hidden = number.chars().count().saturating_sub(4);
    number.chars().enumerate().map(|(index, c)| if index < hidden && c.is_alphanumeric() { '•' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pirt_of_another_regency_or_year_is_pointed_out() {
        let day = NaiveDate::from_ymd_opt(2029, 3, 1);
        assert!(hints(DocumentKind::Pirt, "2063671010001-29", day, "36.71").is_empty());
        assert_eq!(hints(DocumentKind::Pirt, "2063603010001-28", day, "36.71").len(), 2);
        assert_eq!(hints(DocumentKind::Pirt, "206", day, "36.71").len(), 1);
    }

    #[test]
    fn a_tax_number_is_shown_with_its_end_only() {
        assert_eq!(shown(DocumentKind::Npwp, "09.254.294.3-407.000"), "••.•••.•••.•-•••.000");
        assert_eq!(shown(DocumentKind::Nib, "1234567890123"), "1234567890123");
    }
}
