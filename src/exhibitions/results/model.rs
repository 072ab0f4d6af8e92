//! Sums, coverage and medians as pure functions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use poem_openapi::Object;
use uuid::Uuid;

use crate::{
    exhibitions::onsite::model::{Expected, Report},
    values::Money,
};

/// What was sold, and how much of it is known.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct Total {
    /// Days of exhibitors that are over, each of which should have a report.
    pub reports_due: u64,
    pub reports: u64,
    /// Reports of those that are due in hundredths of a percent; absent where none is due.
    pub coverage_bp: Option<u64>,
    pub sales: Money,
    pub transactions: i64,
    pub units: i64,
    /// Orders taken for later.
    pub orders: Money,
    /// Sales per reported day of an exhibitor; absent where nobody reported.
    pub sales_per_report: Option<Money>,
}

/// One day.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct DayTotal {
    pub day: NaiveDate,
    pub total: Total,
}

/// Exhibitors whose goods are mainly of one root category.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct CategoryTotal {
    /// Slug of the root category; absent where nothing is in the line-up.
    pub category: Option<String>,
    pub exhibitors: u64,
    pub total: Total,
}

/// One exhibitor.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct ExhibitorTotal {
    pub application_id: Uuid,
    pub sme_id: Uuid,
    pub brand_name: String,
    pub total: Total,
}

/// An exhibition as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct Results {
    pub exhibition_id: Uuid,
    pub exhibitors: u64,
    /// Exhibitors with at least one report.
    pub reporting: u64,
    pub total: Total,
    /// Of those with at least one report; absent where there is none.
    pub median_sales_per_exhibitor: Option<Money>,
    pub days: Vec<DayTotal>,
    pub categories: Vec<CategoryTotal>,
    pub by_exhibitor: Vec<ExhibitorTotal>,
}

/// Sums the reports of those `due`.
fn total<'a>(due: impl Iterator<Item = (&'a Expected, NaiveDate)>, reports: &HashMap<(Uuid, NaiveDate), &Report>) -> Total {
    let (mut count, mut found, mut sales, mut orders, mut transactions, mut units) = (0_u64, 0_u64, 0_i64, 0_i64, 0_i64, 0_i64);
    for (expected, day) in due {
        count += 1;
        if let Some(report) = reports.get(&(expected.application_id, day)) {
            found += 1;
            sales = sales.saturating_add(report.sales_minor);
            orders = orders.saturating_add(report.orders_minor);
            transactions += report.transactions;
            units += report.units;
        }
    }
    Total {
        reports_due: count,
        reports: found,
        coverage_bp: (found * 10_000).checked_div(count),
        sales: Money::idr(sales),
        transactions,
        units,
        orders: Money::idr(orders),
        sales_per_report: sales.checked_div(found as i64).map(whole_rupiah).map(Money::idr),
    }
}

/// No sen: rounded down to the rupiah.
fn whole_rupiah(minor: i64) -> i64 {
    minor - minor % 100
}

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(whole_rupiah(lower + (upper - lower) / 2))
}

/// Results of one exhibition. Days after `today` are not due.
pub fn results(exhibition: Uuid, expected: &[Expected], reports: &[Report], category_of: &HashMap<Uuid, String>, today: NaiveDate) -> Results {
    let mine: Vec<&Expected> = expected.iter().filter(|expected| expected.exhibition_id == exhibition).collect();
    let by_day: HashMap<(Uuid, NaiveDate), &Report> = reports.iter().map(|report| ((report.application_id, report.day), report)).collect();
    let due = |expected: &Expected| expected.days.iter().copied().filter(|day| *day <= today).collect::<Vec<_>>();
    let of = |some: &[&Expected], only: Option<NaiveDate>| {
        let days = some.iter().flat_map(|expected| due(expected).into_iter().map(move |day| (*expected, day)));
        total(days.filter(|(_, day)| only.is_none_or(|only| only == *day)), &by_day)
    };
    let days: BTreeSet<NaiveDate> = mine.iter().flat_map(|expected| due(expected)).collect();
    let mut categories: BTreeMap<Option<String>, Vec<&Expected>> = BTreeMap::new();
    for expected in &mine {
        categories.entry(category_of.get(&expected.application_id).cloned()).or_default().push(expected);
    }
    let by_exhibitor: Vec<ExhibitorTotal> = mine
        .iter()
        .map(|expected| ExhibitorTotal {
            application_id: expected.application_id,
            sme_id: expected.sme_id,
            brand_name: expected.brand_name.clone(),
            total: of(&[expected], None),
        })
        .collect();
    let sold = by_exhibitor.iter().filter(|exhibitor| exhibitor.total.reports > 0).map(|exhibitor| exhibitor.total.sales.amount_minor);
    let sold: Vec<i64> = sold.collect();
    Results {
        exhibition_id: exhibition,
        exhibitors: mine.len() as u64,
        reporting: sold.len() as u64,
        total: of(&mine, None),
        median_sales_per_exhibitor: median(sold).map(Money::idr),
        days: days.into_iter().map(|day| DayTotal { day, total: of(&mine, Some(day)) }).collect(),
        categories: categories
            .into_iter()
            .map(|(category, some)| CategoryTotal { category, exhibitors: some.len() as u64, total: of(&some, None) })
            .collect(),
        by_exhibitor,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exhibitions::onsite::model::ReportState;

    fn day(number: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2030, 5, number).expect("a day")
    }

    fn expected(number: u128, days: &[u32]) -> Expected {
        Expected {
            exhibition_id: Uuid::nil(),
            application_id: Uuid::from_u128(number),
            sme_id: Uuid::from_u128(number + 100),
            brand_name: format!("IKM {number}"),
            days: days.iter().copied().map(day).collect(),
        }
    }

    fn report(number: u128, on: u32, rupiah: i64) -> Report {
        Report {
            exhibition_id: Uuid::nil(),
            application_id: Uuid::from_u128(number),
            day: day(on),
            status: ReportState::Reported,
            sales_minor: rupiah * 100,
            transactions: i64::from(rupiah > 0),
            units: 1,
            visitors: None,
            orders_minor: 0,
            note: None,
            version: 1,
        }
    }

    #[test]
    fn no_report_is_not_zero_and_every_total_says_how_much_it_knows() {
        let who = [expected(1, &[1, 2]), expected(2, &[1, 2]), expected(3, &[2])];
        let reports = [report(1, 1, 300_000), report(1, 2, 0), report(2, 1, 100_000)];
        let category = HashMap::from([(Uuid::from_u128(1), "makanan".to_owned()), (Uuid::from_u128(2), "makanan".to_owned())]);
        let results = results(Uuid::nil(), &who, &reports, &category, day(2));
        assert_eq!((results.exhibitors, results.reporting), (3, 2), "the third said nothing");
        assert_eq!((results.total.reports, results.total.reports_due, results.total.coverage_bp), (3, 5, Some(6_000)));
        assert_eq!(results.total.sales.display, "Rp400.000");
        assert_eq!(results.total.sales_per_report.map(|money| money.display), Some("Rp133.333".into()));
        assert_eq!(results.median_sales_per_exhibitor.map(|money| money.display), Some("Rp200.000".into()), "of 300.000 and 100.000");
        assert_eq!(results.days[1].total.coverage_bp, Some(3_333), "of the second day one of three");
        let silent = &results.categories[0];
        assert_eq!((silent.category.as_deref(), silent.total.coverage_bp, &silent.total.sales_per_report), (None, Some(0), &None));
    }

    #[test]
    fn days_to_come_are_not_due() {
        let results = results(Uuid::nil(), &[expected(1, &[1, 2, 3])], &[], &HashMap::new(), day(1));
        assert_eq!((results.total.reports_due, results.days.len()), (1, 1));
        let before = super::results(Uuid::nil(), &[expected(1, &[2])], &[], &HashMap::new(), day(1));
        assert_eq!(before.total.coverage_bp, None);
    }

    proptest! {
        #[test]
        fn the_days_the_categories_and_the_exhibitors_each_add_up_to_the_total(
            sold in prop::collection::vec((0_u128..6, 1_u32..5, 0_i64..1_000_000), 0..30), until in 1_u32..6,
        ) {
            let who: Vec<_> = (0..6).map(|number| expected(number, &[1, 2, 3, 4])).collect();
            let mut reports: Vec<Report> = Vec::new();
            for (number, on, rupiah) in sold {
                if !reports.iter().any(|known| known.application_id == Uuid::from_u128(number) && known.day == day(on)) {
                    reports.push(report(number, on, rupiah));
                }
            }
            let category = (0..4_u128).map(|number| (Uuid::from_u128(number), format!("c{}", number % 2))).collect();
            let results = results(Uuid::nil(), &who, &reports, &category, day(until));
            let sums = |totals: Vec<&Total>| totals.iter().fold((0, 0, 0), |sum, total| {
                (sum.0 + total.sales.amount_minor, sum.1 + total.reports, sum.2 + total.reports_due)
            });
            let all = sums(vec![&results.total]);
            prop_assert_eq!(sums(results.days.iter().map(|day| &day.total).collect()), all);
            prop_assert_eq!(sums(results.categories.iter().map(|category| &category.total).collect()), all);
            prop_assert_eq!(sums(results.by_exhibitor.iter().map(|exhibitor| &exhibitor.total).collect()), all);
        }
    }
}
