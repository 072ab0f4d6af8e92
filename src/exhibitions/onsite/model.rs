//! Days on which an exhibitor is expected, and what a report says.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate, Utc};
use chrono_tz::Tz;
use poem_openapi::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter, FromQueryResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{exhibitions::store::entity::Model as Exhibition, values::Localized};

/// An SME reports until this many days after the last day; later only a coordinator corrects.
const REPORT_DAYS: u64 = 7;

/// The day at the venue now.
pub fn today(zone: &str) -> NaiveDate {
    zone.parse::<Tz>().map_or_else(|_| Utc::now().date_naive(), |zone| Utc::now().with_timezone(&zone).date_naive())
}

/// All days of an exhibition; none if they are not known to the day.
pub fn days(first: Option<NaiveDate>, last: Option<NaiveDate>) -> BTreeSet<NaiveDate> {
    let (Some(first), Some(last)) = (first, last) else { return BTreeSet::new() };
    first.iter_days().take_while(|day| *day <= last).take(400).collect()
}

/// The last day on which SMEs report.
pub fn report_until(exhibition: &Exhibition) -> Option<NaiveDate> {
    exhibition.ends_on.and_then(|last| last.checked_add_days(Days::new(REPORT_DAYS)))
}

/// Whether a day was reported. What has no row was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// Nothing is known of that day: not the same as nothing sold.
    NotReported,
    Reported,
    /// Changed by a coordinator, or after the time to report.
    Corrected,
}

/// What an exhibitor sold on a day.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Report {
    pub exhibition_id: Uuid,
    pub application_id: Uuid,
    pub day: NaiveDate,
    pub status: ReportState,
    pub sales_minor: i64,
    pub transactions: i64,
    pub units: i64,
    pub visitors: Option<i64>,
    pub orders_minor: i64,
    pub note: Option<String>,
    pub version: i64,
}

/// An exhibitor with the days on which it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub exhibition_id: Uuid,
    pub application_id: Uuid,
    pub sme_id: Uuid,
    pub brand_name: String,
    pub days: BTreeSet<NaiveDate>,
}

/// A paper that exhibitors have to know: rules, load-in, contact.
#[derive(Debug, Clone, FromQueryResult)]
pub struct SetupDocument {
    pub id: Uuid,
    pub title: Localized,
    pub body: Localized,
    /// Exhibitors have to say that they read it; again when it changes.
    pub must_acknowledge: i64,
    pub version: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exhibition_has_the_days_from_first_to_last_and_none_where_they_are_unknown() {
        let day = |day| NaiveDate::from_ymd_opt(2030, 5, day);
        assert_eq!(days(day(1), day(4)).len(), 4);
        assert_eq!(days(day(2), day(2)).into_iter().collect::<Vec<_>>(), [day(2).expect("a day")]);
        assert!(days(None, None).is_empty());
    }
}
