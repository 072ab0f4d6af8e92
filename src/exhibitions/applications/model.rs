//! States of an application, and how an SME is told of them.

use poem_openapi::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

use crate::{
    exhibitions::{call::model::Moment, model::Dates},
    transitions::state_machine,
    values::{Language, Localized},
};

/// Where an application stands (product.md 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ApplicationStatus {
    Draft,
    Submitted,
    UnderReview,
    Accepted,
    Waitlisted,
    Rejected,
    Confirmed,
    Declined,
    Lapsed,
    Withdrawn,
    Attended,
    NoShow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationEvent {
    Submit,
    Review,
    Accept,
    Waitlist,
    Reject,
    Confirm,
    Decline,
    Lapse,
    Withdraw,
    Reopen,
    Attend,
    NoShow,
}

impl ApplicationEvent {
    pub fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit_application",
            Self::Review => "review_application",
            Self::Accept => "accept_application",
            Self::Waitlist => "waitlist_application",
            Self::Reject => "reject_application",
            Self::Confirm => "confirm_application",
            Self::Decline => "decline_application",
            Self::Lapse => "lapse_application",
            Self::Withdraw => "withdraw_application",
            Self::Reopen => "reopen_application",
            Self::Attend => "attend",
            Self::NoShow => "no_show",
        }
    }
}

state_machine! {
    ApplicationStatus on ApplicationEvent {
        Draft: Submit => Submitted, Withdraw => Withdrawn;
        Submitted: Review => UnderReview, Withdraw => Withdrawn;
        UnderReview: Accept => Accepted, Waitlist => Waitlisted, Reject => Rejected, Withdraw => Withdrawn;
        Accepted: Confirm => Confirmed, Decline => Declined, Lapse => Lapsed, Withdraw => Withdrawn;
        Waitlisted: Accept => Accepted, Withdraw => Withdrawn;
        Confirmed: Attend => Attended, NoShow => NoShow, Withdraw => Withdrawn;
        NoShow: Attend => Attended;
        Withdrawn: Reopen => Draft;
    }
}

impl ApplicationStatus {
    /// The status as it is stored.
    pub fn from_name(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }

    /// Whether it holds one of the places.
    pub fn takes_place(self) -> bool {
        matches!(self, Self::Accepted | Self::Confirmed | Self::Attended | Self::NoShow)
    }
}

/// What is prepared for an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum PendingDecision {
    Accept,
    Waitlist,
    Reject,
}

impl PendingDecision {
    /// The status that its release leads to.
    pub fn outcome(self) -> ApplicationStatus {
        match self {
            Self::Accept => ApplicationStatus::Accepted,
            Self::Waitlist => ApplicationStatus::Waitlisted,
            Self::Reject => ApplicationStatus::Rejected,
        }
    }
}

/// A code that is easy to read out and to type: 40 random bits in Crockford's base 32, without I, L, O and U.
pub fn new_check_in_code() -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits: u64 = rand::random();
    (0..8).map(|place| char::from(DIGITS[(bits >> (5 * place)) as usize % 32])).collect()
}

/// A code as it was typed, as it is stored: letters that look like digits are read as such, the rest is left out.
pub fn read_check_in_code(typed: &str) -> String {
    let letters = typed.chars().filter(char::is_ascii_alphanumeric).map(|letter| match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    });
    letters.take(20).collect()
}

/// What may become of the exhibition itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    Postponed,
    Cancelled,
}

impl News {
    pub fn name(self) -> &'static str {
        match self {
            Self::Postponed => "exhibition_postponed",
            Self::Cancelled => "exhibition_cancelled",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Postponed, Self::Cancelled].into_iter().find(|news| news.name() == name)
    }

    /// What an SME reads of it.
    pub fn message(self, exhibition: &Localized, dates: Option<&Dates>, reason: Option<&str>) -> Localized {
        let (name_id, name_en) = (&exhibition.id, exhibition.en.as_ref().unwrap_or(&exhibition.id));
        let label = |language| dates.map(|dates| dates.label(language)).unwrap_or_default();
        let (mut id, mut en) = match self {
            Self::Postponed => (
                format!("{name_id} diundur: {}. Pendaftaran Anda tetap berlaku.", label(Language::Id)),
                format!("{name_en} is postponed: {}. Your application stands.", label(Language::En)),
            ),
            Self::Cancelled => (format!("{name_id} dibatalkan."), format!("{name_en} is cancelled.")),
        };
        if let Some(reason) = reason {
            id.push_str(&format!(" Alasan: {reason}"));
            en.push_str(&format!(" Reason: {reason}"));
        }
        Localized { id, en: Some(en) }
    }
}

/// Why, in both languages.
#[derive(Debug, Clone, Copy)]
pub struct Reason<'a> {
    id: &'a str,
    en: &'a str,
}

impl<'a> Reason<'a> {
    /// English falls back to Indonesian.
    pub fn of(id: Option<&'a str>, en: Option<&'a str>) -> Option<Self> {
        id.map(|id| Self { id, en: en.unwrap_or(id) })
    }
}

/// What an SME reads when its application becomes `status`.
pub fn message(status: ApplicationStatus, exhibition: &Localized, confirm_by: Option<&Moment>, reason: Option<Reason>) -> Localized {
    let (name_id, name_en) = (&exhibition.id, exhibition.en.as_ref().unwrap_or(&exhibition.id));
    let until = confirm_by.map(|moment| format!("{} {}", moment.local.replace('T', " "), moment.time_zone_label)).unwrap_or_default();
    let (mut id, mut en) = match status {
        ApplicationStatus::Accepted => (
            format!(
                "Selamat, usaha Anda diterima di {name_id}. Konfirmasi paling lambat {until}; setelah itu tempat diberikan kepada daftar tunggu."
            ),
            format!("Congratulations, you are accepted at {name_en}. Confirm by {until}; after that the place goes to the waitlist."),
        ),
        ApplicationStatus::Waitlisted => (
            format!("Usaha Anda masuk daftar tunggu {name_id}. Kami memberi tahu bila ada tempat."),
            format!("You are on the waitlist of {name_en}. We will tell you when a place becomes free."),
        ),
        ApplicationStatus::Rejected => {
            (format!("Kali ini usaha Anda belum mendapat tempat di {name_id}."), format!("This time there is no place for you at {name_en}."))
        }
        ApplicationStatus::Lapsed => (
            format!("Tempat di {name_id} tidak dikonfirmasi pada waktunya dan diberikan kepada daftar tunggu."),
            format!("The place at {name_en} was not confirmed in time and went to the waitlist."),
        ),
        _ => (format!("Pendaftaran di {name_id} berubah."), format!("Your application for {name_en} has changed.")),
    };
    if let Some(reason) = reason {
        id.push_str(&format!(" Alasan: {}", reason.id));
        en.push_str(&format!(" Reason: {}", reason.en));
    }
    Localized { id, en: Some(en) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_in_code_is_read_as_people_type_it() {
        let code = new_check_in_code();
        assert_eq!(code.len(), 8);
        assert_eq!(read_check_in_code(&format!(" {}-{} ", &code[..4].to_lowercase(), &code[4..])), code);
        assert_eq!(read_check_in_code("o1Il-xyz9"), "0111XYZ9");
    }
}
