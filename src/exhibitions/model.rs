//! The life cycle of an exhibition, its dates with their precision, and the labels of zones.

use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;
use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

use crate::{
    fault::{FieldFault, field, say},
    transitions::state_machine,
    values::Language,
};

/// Where an exhibition stands (product.md 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ExhibitionStatus {
    Draft,
    Announced,
    ApplicationsOpen,
    Curation,
    LineupPublished,
    Ongoing,
    Completed,
    Archived,
    Cancelled,
}

/// What can happen to an exhibition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExhibitionEvent {
    Announce,
    Open,
    Close,
    PublishLineup,
    Start,
    Complete,
    Archive,
    Postpone,
    Cancel,
}

impl ExhibitionEvent {
    pub fn name(self) -> &'static str {
        match self {
            Self::Announce => "announce",
            Self::Open => "open",
            Self::Close => "close",
            Self::PublishLineup => "publish_lineup",
            Self::Start => "start",
            Self::Complete => "complete",
            Self::Archive => "archive",
            Self::Postpone => "postpone",
            Self::Cancel => "cancel",
        }
    }
}

state_machine! {
    ExhibitionStatus on ExhibitionEvent {
        Draft: Announce => Announced, Cancel => Cancelled;
        Announced: Open => ApplicationsOpen, Complete => Completed, Postpone => Announced, Cancel => Cancelled;
        ApplicationsOpen: Close => Curation, Postpone => Announced, Cancel => Cancelled;
        Curation: PublishLineup => LineupPublished, Postpone => Announced, Cancel => Cancelled;
        LineupPublished: Start => Ongoing, Postpone => Announced, Cancel => Cancelled;
        Ongoing: Complete => Completed, Cancel => Cancelled;
        Completed: Archive => Archived;
    }
}

/// How much is known of the dates (row F2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DatePrecision {
    Day,
    Month,
    Year,
    Unknown,
}

/// An exhibition lasts at most so many days after its first.
const LONGEST_DAYS: i64 = 366;

/// Whether a day is one that people plan or remember.
pub fn is_sensible(day: NaiveDate) -> bool {
    (1900..=2200).contains(&day.year())
}

/// When an exhibition is: first and last day, as exactly as known.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Dates {
    /// With precision `month` or `year`, the first day of that time; absent with `unknown`.
    #[serde(default)]
    pub starts_on: Option<NaiveDate>,
    /// The last day, included.
    #[serde(default)]
    pub ends_on: Option<NaiveDate>,
    pub precision: DatePrecision,
}

impl Dates {
    /// Complains where the days and the precision don't fit together.
    pub fn check(&self, faults: &mut Vec<FieldFault>) {
        match (self.precision, self.starts_on, self.ends_on) {
            (DatePrecision::Unknown, None, None) => {}
            (DatePrecision::Unknown, _, _) => {
                faults.push(field(
                    "/dates/starts_on",
                    "not_allowed",
                    say("Kosongkan bila tanggal tidak diketahui.", "Leave out where the dates are unknown."),
                ));
            }
            (_, Some(from), Some(to)) if from > to => {
                faults.push(field("/dates/ends_on", "before_start", say("Sebelum hari pertama.", "Before the first day.")));
            }
            (precision, Some(from), Some(to)) => {
                let is_long = precision == DatePrecision::Day && (to - from).num_days() > LONGEST_DAYS;
                if is_long || ![from, to].into_iter().all(is_sensible) {
                    let message = say("Antara tahun 1900 dan 2200, paling lama 366 hari.", "Between the years 1900 and 2200, at most 366 days.");
                    faults.push(field("/dates", "out_of_range", message));
                }
            }
            _ => faults.push(field("/dates", "required", say("Isi hari pertama dan terakhir.", "Give the first and the last day."))),
        }
    }

    /// For people: `4–8 Oktober 2017`, `Desember 2017`, or that it is unknown.
    pub fn label(&self, language: Language) -> String {
        let (Some(from), Some(to)) = (self.starts_on, self.ends_on) else {
            return if language == Language::En { "date unknown" } else { "tanggal tidak diketahui" }.to_owned();
        };
        let month = |day: NaiveDate| format!("{} {}", month_name(day.month0(), language), day.year());
        match self.precision {
            DatePrecision::Year => from.year().to_string(),
            DatePrecision::Month => month(from),
            _ if from == to => format!("{} {}", from.day(), month(from)),
            _ if (from.year(), from.month()) == (to.year(), to.month()) => format!("{}–{} {}", from.day(), to.day(), month(from)),
            _ => format!("{} {} – {} {}", from.day(), month(from), to.day(), month(to)),
        }
    }
}

fn month_name(month0: u32, language: Language) -> &'static str {
    const ID: [&str; 12] =
        ["Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober", "November", "Desember"];
    const EN: [&str; 12] = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
    let names = if language == Language::En { EN } else { ID };
    names[(month0 as usize).min(11)]
}

/// WIB, WITA or WIT for Indonesia's zones, the IANA name for others.
pub fn zone_label(zone: &str) -> &str {
    match zone {
        "Asia/Jakarta" | "Asia/Pontianak" => "WIB",
        "Asia/Makassar" => "WITA",
        "Asia/Jayapura" => "WIT",
        other => other,
    }
}

/// Complains about a name that is no IANA zone.
pub fn check_zone(zone: &str, pointer: &str, faults: &mut Vec<FieldFault>) {
    if zone.parse::<Tz>().is_err() {
        faults.push(field(pointer, "bad_time_zone", say("Zona IANA seperti Asia/Pontianak.", "An IANA zone such as Asia/Pontianak.")));
    }
}

/// Where it is held.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Venue {
    pub name: String,
    #[serde(default)]
    pub address: Option<String>,
    #[serde(default)]
    #[oai(default)]
    pub halls: Vec<String>,
}

/// When it is open on one day, in local time.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct OpeningHours {
    pub day: NaiveDate,
    /// `HH:MM`.
    pub opens: String,
    /// `HH:MM`.
    pub closes: String,
}

/// Complains unless both are times of the day in order.
pub fn check_hours(hours: &[OpeningHours], faults: &mut Vec<FieldFault>) {
    for (index, entry) in hours.iter().enumerate() {
        let time = |text: &str| chrono::NaiveTime::parse_from_str(text, "%H:%M").ok();
        let in_order = matches!((time(&entry.opens), time(&entry.closes)), (Some(opens), Some(closes)) if opens < closes);
        if !in_order || !is_sensible(entry.day) {
            faults.push(field(format!("/opening_hours/{index}"), "bad_hours", say("Jam seperti 09:00–17:00.", "Times such as 09:00 to 17:00.")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_only_as_exactly_as_they_are_known() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d);
        let bimtek = Dates { starts_on: day(2017, 10, 4), ends_on: day(2017, 10, 8), precision: DatePrecision::Day };
        assert_eq!(bimtek.label(Language::Id), "4–8 Oktober 2017");
        let solo = Dates { starts_on: day(2017, 12, 1), ends_on: day(2017, 12, 31), precision: DatePrecision::Month };
        assert_eq!(solo.label(Language::En), "December 2017");
        let bali = Dates { starts_on: None, ends_on: None, precision: DatePrecision::Unknown };
        assert_eq!(bali.label(Language::Id), "tanggal tidak diketahui");
    }

    #[test]
    fn pontianak_is_wib_and_bali_is_wita() {
        assert_eq!((zone_label("Asia/Pontianak"), zone_label("Asia/Makassar")), ("WIB", "WITA"));
    }
}
