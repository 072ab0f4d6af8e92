//! Results over HTTP.

use std::collections::HashMap;

use chrono::NaiveDate;
use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Path};
use uuid::Uuid;

use super::{
    files::{DayRow, daily_csv, packing_csv, workbook},
    model::{Results, Total, results},
    store,
};
use crate::{
    app::App,
    exhibitions::{
        self,
        api::visible,
        model::ExhibitionStatus,
        onsite::{
            self,
            model::{Expected, Report, today},
        },
        plan::{self, model::PlanKind},
        service::dates_of,
        store::entity::Model as Exhibition,
    },
    fault::Outcome,
    http::{
        Caller, Member, Reply, Tag,
        locale::Locale,
        reply::{Csv, File, Xlsx},
    },
    identity::policy::{ReadExhibition, ReadResults},
    platform::database::Connection,
    values::Localized,
};

pub struct ResultsApi;

/// Results with those of other exhibitions beside them.
#[derive(Object)]
pub struct ExhibitionResults {
    pub results: Results,
    /// Held by the same agency, the newest first.
    pub others: Vec<OtherResults>,
}

/// Another exhibition.
#[derive(Object)]
pub struct OtherResults {
    pub exhibition_id: Uuid,
    pub title: Localized,
    pub dates_label: String,
    pub status: ExhibitionStatus,
    pub exhibitors: u64,
    pub total: Total,
    /// What was sold here per report, in hundredths of a percent of what was sold there; absent where either is not known.
    pub sales_per_report_ratio_bp: Option<i64>,
}

/// Everything that results are made of, in as many statements for ten exhibitions as for one.
async fn facts(connection: &Connection, all: &[Exhibition]) -> Outcome<(Vec<Expected>, Vec<Report>)> {
    Ok((onsite::store::expected(connection, all, None).await?, onsite::store::reports(connection, all).await?))
}

fn day_rows<'a>(expected: &'a [Expected], reports: &'a [Report], today: NaiveDate) -> Vec<DayRow<'a>> {
    let by_day: HashMap<(Uuid, NaiveDate), &Report> = reports.iter().map(|report| ((report.application_id, report.day), report)).collect();
    let rows = expected.iter().flat_map(|expected| {
        let days = expected.days.iter().copied().filter(|day| *day <= today);
        days.map(|day| (expected, day, by_day.get(&(expected.application_id, day)).copied())).collect::<Vec<_>>()
    });
    let mut rows: Vec<DayRow> = rows.collect();
    rows.sort_by(|a, b| (a.1, &a.0.brand_name).cmp(&(b.1, &b.0.brand_name)));
    rows
}

#[OpenApi(tag = "Tag::Exhibitions")]
impl ResultsApi {
    /// Results of an exhibition
    ///
    /// Every total with its coverage: the reports that are there of those that are due.
    #[oai(path = "/v1/exhibitions/:exhibition_id/results", method = "get", operation_id = "get_results")]
    async fn get(&self, app: Data<&App>, caller: Caller, locale: Locale, exhibition_id: Path<Uuid>) -> poem::Result<Reply<ExhibitionResults>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        visible::<ReadResults>(&caller, &exhibition)?;
        let mut all = store::others(reader, &exhibition).await?;
        let categories = store::main_categories(reader, exhibition.id).await?;
        all.push(exhibition);
        let (expected, reports) = facts(reader, &all).await?;
        let of = |exhibition: &Exhibition, categories: &HashMap<Uuid, String>| {
            results(exhibition.id, &expected, &reports, categories, today(&exhibition.time_zone))
        };
        let mine = of(&all[all.len() - 1], &categories);
        let others = all[..all.len() - 1].iter().map(|other| {
            let theirs = of(other, &HashMap::new());
            let per_report = |total: &Total| total.sales_per_report.as_ref().map(|money| money.amount_minor);
            let ratio = per_report(&mine.total).zip(per_report(&theirs.total)).and_then(|(here, there)| (here * 10_000).checked_div(there));
            OtherResults {
                exhibition_id: other.id,
                dates_label: dates_of(other).label(locale.0),
                title: other.title.clone(),
                status: other.status,
                exhibitors: theirs.exhibitors,
                total: theirs.total,
                sales_per_report_ratio_bp: ratio,
            }
        });
        let others = others.collect();
        Ok(Reply::new(&ExhibitionResults { results: mine, others }))
    }

    /// Reports as CSV
    ///
    /// Every day of every exhibitor; without a report the cells stay empty.
    #[oai(path = "/v1/exhibitions/:exhibition_id/results.csv", method = "get", operation_id = "export_results_csv")]
    async fn csv(&self, app: Data<&App>, caller: Caller, exhibition_id: Path<Uuid>) -> poem::Result<File<Csv>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        visible::<ReadResults>(&caller, &exhibition)?;
        let (expected, reports) = facts(reader, std::slice::from_ref(&exhibition)).await?;
        let rows = day_rows(&expected, &reports, today(&exhibition.time_zone));
        Ok(File::named(daily_csv(&rows), format!("{}-results.csv", exhibition.slug)))
    }

    /// Results as a workbook
    ///
    /// Summary, days, exhibitors and every report, in the language of the request.
    #[oai(path = "/v1/exhibitions/:exhibition_id/results.xlsx", method = "get", operation_id = "export_results_xlsx")]
    async fn xlsx(&self, app: Data<&App>, caller: Caller, locale: Locale, exhibition_id: Path<Uuid>) -> poem::Result<File<Xlsx>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        visible::<ReadResults>(&caller, &exhibition)?;
        let categories = store::main_categories(reader, exhibition.id).await?;
        let (expected, reports) = facts(reader, std::slice::from_ref(&exhibition)).await?;
        let today = today(&exhibition.time_zone);
        let results = results(exhibition.id, &expected, &reports, &categories, today);
        let rows = day_rows(&expected, &reports, today);
        let book = workbook(exhibition.title.in_language(locale.0), &results, &rows, locale.0)?;
        Ok(File::named(book, format!("{}-results.xlsx", exhibition.slug)))
    }

    /// Packing list as CSV
    ///
    /// What every exhibitor brings, by booth, with the weight of the cargo in grams where it is known.
    #[oai(path = "/v1/exhibitions/:exhibition_id/packing.csv", method = "get", operation_id = "export_packing_list")]
    async fn packing(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>) -> poem::Result<File<Csv>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        visible::<ReadExhibition>(&member, &exhibition)?;
        let places = plan::store::assignments(reader, exhibition.id, PlanKind::Live).await?;
        let mut booths: HashMap<Uuid, Vec<String>> = HashMap::new();
        for place in places {
            booths.entry(place.application_id).or_default().push(place.booth_code);
        }
        let rows = store::packing(reader, exhibition.id).await?;
        let bytes = packing_csv(&rows, |row| booths.get(&row.lead_id).map(|codes| codes.join(" ")).unwrap_or_default());
        Ok(File::named(bytes, format!("{}-packing.csv", exhibition.slug)))
    }
}
