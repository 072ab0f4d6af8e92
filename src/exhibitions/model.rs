//! The life cycle of an exhibition, its dates with their precision, and the labels of zones.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
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

/// An exhibition lasts at most this many days after its first.
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
    /// Validates that the days and the precision fit together.
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

    /// Validates that what is known by its month or year is told by the first day of the one and the last day of the other.
    pub fn check_whole(&self, faults: &mut Vec<FieldFault>) {
        let begins = |day: NaiveDate| match self.precision {
            DatePrecision::Month => day.day() == 1,
            DatePrecision::Year => day.ordinal() == 1,
            DatePrecision::Day | DatePrecision::Unknown => true,
        };
        if self.starts_on.is_some_and(|first| !begins(first)) {
            let message = say("Hari pertama dari bulan atau tahun itu.", "The first day of that month or year.");
            faults.push(field("/dates/starts_on", "not_first_day", message));
        }
        if self.ends_on.is_some_and(|last| last.succ_opt().is_some_and(|next| !begins(next))) {
            let message = say("Hari terakhir dari bulan atau tahun itu.", "The last day of that month or year.");
            faults.push(field("/dates/ends_on", "not_last_day", message));
        }
    }

    /// A day of these as exactly as it is known, for programs (ISO 8601): a month is `2017-12`.
    pub fn written(&self, day: Option<NaiveDate>) -> Option<String> {
        let format = match self.precision {
            DatePrecision::Day => "%Y-%m-%d",
            DatePrecision::Month => "%Y-%m",
            DatePrecision::Year => "%Y",
            DatePrecision::Unknown => return None,
        };
        day.map(|day| day.format(format).to_string())
    }

    /// For people: `4–8 Oktober 2017`, `Desember 2017`, or that it is unknown.
    pub fn label(&self, language: Language) -> String {
        let (Some(from), Some(to)) = (self.starts_on, self.ends_on) else {
            return if language == Language::En { "date unknown" } else { "tanggal tidak diketahui" }.to_owned();
        };
        let month = |day: NaiveDate| format!("{} {}", month_name(day.month0(), language), day.year());
        match self.precision {
            DatePrecision::Year if from.year() == to.year() => from.year().to_string(),
            DatePrecision::Year => format!("{}–{}", from.year(), to.year()),
            DatePrecision::Month if (from.year(), from.month()) == (to.year(), to.month()) => month(from),
            DatePrecision::Month => format!("{} – {}", month(from), month(to)),
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

/// Validates the name of an IANA time zone.
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
    #[oai(validator(max_length = 200))]
    pub name: String,
    #[serde(default)]
    #[oai(validator(max_length = 300))]
    pub address: Option<String>,
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(max_items = 50))]
    pub halls: Vec<String>,
}

/// When it is open on one day, in local time. Several on one day are its sessions.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct OpeningHours {
    pub day: NaiveDate,
    /// `HH:MM`.
    #[oai(validator(max_length = 10))]
    pub opens: String,
    /// `HH:MM`, up to `24:00`. What is not after `opens` is on the next day, as in 18:00 to 02:00.
    #[oai(validator(max_length = 10))]
    pub closes: String,
}

/// Minutes since midnight of `9:00`, `09:00` or `24:00`.
fn minutes(time: &str) -> Option<i64> {
    let is_number = |text: &str, digits: std::ops::RangeInclusive<usize>| digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let (hours, minutes) = time.trim().split_once(':').filter(|(hours, minutes)| is_number(hours, 1..=2) && is_number(minutes, 2..=2))?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some(hours * 60 + minutes)
}

impl OpeningHours {
    /// From when until when, if both are times.
    pub fn span(&self) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let (opens, closes) = (minutes(&self.opens).filter(|opens| *opens < 24 * 60)?, minutes(&self.closes)?);
        let closes = if closes <= opens { closes + 24 * 60 } else { closes };
        let midnight = self.day.and_time(NaiveTime::MIN);
        Some((midnight.checked_add_signed(TimeDelta::minutes(opens))?, midnight.checked_add_signed(TimeDelta::minutes(closes))?))
    }

    /// The same with both times as `HH:MM`.
    fn normal(&self) -> Option<Self> {
        self.span()?;
        let written = |time: &str| minutes(time).map(|minutes| format!("{:02}:{:02}", minutes / 60, minutes % 60));
        Some(Self { day: self.day, opens: written(&self.opens)?, closes: written(&self.closes)? })
    }
}

/// Brings opening hours into the form in which they are kept and shown; adds a fault for what is not a time.
pub fn normal_hours(hours: Vec<OpeningHours>, faults: &mut Vec<FieldFault>) -> Vec<OpeningHours> {
    let mut kept = Vec::new();
    for (index, entry) in hours.into_iter().enumerate() {
        match entry.normal().filter(|entry| is_sensible(entry.day)) {
            Some(entry) => kept.push(entry),
            None => faults.push(field(
                format!("/opening_hours/{index}"),
                "bad_hours",
                say("Jam seperti 09:00–17:00, paling akhir 24:00.", "Times such as 09:00 to 17:00, at the latest 24:00."),
            )),
        }
    }
    kept
}

/// Validates opening hours: none on a day on which the exhibition is not held, and none that overlap.
pub fn check_hours(hours: &[OpeningHours], dates: &Dates, faults: &mut Vec<FieldFault>) {
    for (index, entry) in hours.iter().enumerate() {
        let is_outside = dates.starts_on.is_some_and(|first| entry.day < first) || dates.ends_on.is_some_and(|last| entry.day > last);
        if is_outside {
            let message = say("Di luar tanggal pameran.", "Outside the dates of the exhibition.");
            faults.push(field(format!("/opening_hours/{index}/day"), "outside_dates", message));
        }
    }
    let mut spans: Vec<_> = hours.iter().enumerate().filter_map(|(index, entry)| Some((entry.span()?, index))).collect();
    spans.sort();
    let mut open_until = None;
    for ((opens, closes), index) in spans {
        if open_until.is_some_and(|until| opens < until) {
            let message = say("Bertumpang tindih dengan jam lain.", "Overlaps with other hours.");
            faults.push(field(format!("/opening_hours/{index}"), "overlapping", message));
        }
        open_until = open_until.max(Some(closes));
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
        let winter = Dates { ends_on: day(2018, 1, 31), ..solo };
        assert_eq!(winter.label(Language::Id), "Desember 2017 – Januari 2018");
        assert_eq!(winter.written(winter.ends_on).as_deref(), Some("2018-01"));
        let years = Dates { starts_on: day(2017, 1, 1), ends_on: day(2018, 12, 31), precision: DatePrecision::Year };
        assert_eq!(years.label(Language::En), "2017–2018");
    }

    #[test]
    fn a_month_or_a_year_is_told_by_its_first_and_its_last_day() {
        let refused = |from: (i32, u32, u32), to: (i32, u32, u32), precision| {
            let day = |(y, m, d)| NaiveDate::from_ymd_opt(y, m, d);
            let mut faults = Vec::new();
            Dates { starts_on: day(from), ends_on: day(to), precision }.check_whole(&mut faults);
            faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
        };
        assert!(refused((2028, 2, 1), (2028, 2, 29), DatePrecision::Month).is_empty());
        assert!(refused((2017, 1, 1), (2017, 12, 31), DatePrecision::Year).is_empty());
        assert!(refused((2017, 3, 4), (2017, 3, 9), DatePrecision::Day).is_empty());
        assert_eq!(refused((2017, 12, 15), (2017, 12, 30), DatePrecision::Month), ["/dates/starts_on", "/dates/ends_on"]);
        assert_eq!(refused((2017, 1, 1), (2017, 11, 30), DatePrecision::Year), ["/dates/ends_on"]);
    }

    #[test]
    fn pontianak_is_wib_and_bali_is_wita() {
        assert_eq!((zone_label("Asia/Pontianak"), zone_label("Asia/Makassar")), ("WIB", "WITA"));
    }

    fn on(day: u32, opens: &str, closes: &str) -> OpeningHours {
        OpeningHours { day: NaiveDate::from_ymd_opt(2031, 5, day).expect("a day"), opens: opens.into(), closes: closes.into() }
    }

    #[test]
    fn hours_are_given_out_as_two_digits_each_and_what_is_no_time_is_refused() {
        let mut faults = Vec::new();
        let kept =
            normal_hours(vec![on(1, "9:00", " 17:00 "), on(2, "16:00", "24:00"), on(3, "18:00", "02:00"), on(4, "0:00", "00:00")], &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(kept, [on(1, "09:00", "17:00"), on(2, "16:00", "24:00"), on(3, "18:00", "02:00"), on(4, "00:00", "00:00")]);
        for (opens, closes) in
            [("24:00", "25:00"), ("09:00", "24:01"), ("09:60", "10:00"), ("9", "10:00"), ("+9:00", "10:00"), ("09.00", "10:00"), ("", "")]
        {
            let mut faults = Vec::new();
            normal_hours(vec![on(1, "09:00", "17:00"), on(1, opens, closes)], &mut faults);
            assert_eq!(faults.first().map(|fault| fault.pointer.as_str()), Some("/opening_hours/1"), "{opens} {closes}");
        }
    }

    #[test]
    fn hours_end_by_midnight_or_past_it_and_never_overlap() {
        let span = |entry: OpeningHours| entry.span().map(|(from, to)| (from.to_string(), to.to_string())).expect("times");
        let next_midnight = ("2031-05-01 16:00:00".to_owned(), "2031-05-02 00:00:00".to_owned());
        assert_eq!((span(on(1, "16:00", "24:00")), span(on(1, "16:00", "00:00"))), (next_midnight.clone(), next_midnight));
        assert_eq!(span(on(1, "18:00", "02:00")).1, "2031-05-02 02:00:00");
        let day = |day| NaiveDate::from_ymd_opt(2031, 5, day);
        let dates = Dates { starts_on: day(1), ends_on: day(2), precision: DatePrecision::Day };
        let complaints = |hours: &[OpeningHours]| {
            let mut faults = Vec::new();
            check_hours(hours, &dates, &mut faults);
            faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect::<Vec<_>>()
        };
        assert!(complaints(&[on(1, "14:00", "20:00"), on(1, "09:00", "14:00"), on(2, "18:00", "02:00")]).is_empty());
        assert_eq!(complaints(&[on(1, "09:00", "12:00"), on(3, "09:00", "12:00")]), [("/opening_hours/1/day".to_owned(), "outside_dates")]);
        assert_eq!(complaints(&[on(1, "11:00", "13:00"), on(1, "09:00", "12:00")]), [("/opening_hours/0".to_owned(), "overlapping")]);
        assert_eq!(complaints(&[on(1, "18:00", "02:00"), on(2, "01:00", "03:00")]), [("/opening_hours/1".to_owned(), "overlapping")]);
        assert_eq!(complaints(&[on(1, "00:00", "24:00"), on(1, "08:00", "09:00"), on(1, "10:00", "11:00")]).len(), 2);
    }
}
