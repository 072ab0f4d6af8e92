//! Results and packing lists as CSV and XLSX.
//!
//! Text from SMEs never becomes a formula in CSV: spreadsheets run what begins with `= + - @`. In XLSX, text is text.

#![expect(clippy::cast_precision_loss, reason = "a spreadsheet's numbers are floats, and sums stay far below where one would lose a rupiah")]

use std::borrow::Cow;

use chrono::NaiveDate;
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};

use super::{
    model::{Results, Total},
    store::PackRow,
};
use crate::{
    exhibitions::onsite::model::{Expected, Report, ReportState},
    fault::{Fault, Outcome},
    values::Language,
};

/// A cell that no spreadsheet takes for a formula.
fn safe(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}").into() } else { text.into() }
}

fn csv(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Outcome<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head).map_err(Fault::internal)?;
    for row in rows {
        writer.write_record(&row).map_err(Fault::internal)?;
    }
    writer.into_inner().map_err(|error| Fault::internal(error.into_error()))
}

fn state(report: Option<&Report>) -> &'static str {
    match report.map(|report| report.status) {
        None | Some(ReportState::NotReported) => "not_reported",
        Some(ReportState::Reported) => "reported",
        Some(ReportState::Corrected) => "corrected",
    }
}

/// One day of one exhibitor with its report, if there is one.
pub type DayRow<'a> = (&'a Expected, NaiveDate, Option<&'a Report>);

/// Every day of every exhibitor; cells of days without a report stay empty, because that is not zero. Rupiah without sen.
pub fn daily_csv(rows: &[DayRow]) -> Outcome<Vec<u8>> {
    let head = ["day", "brand_name", "state", "sales_idr", "transactions", "units", "visitors", "orders_idr", "note"];
    let row = |(expected, day, report): &DayRow| {
        let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
        vec![
            day.to_string(),
            safe(&expected.brand_name).into_owned(),
            state(*report).to_owned(),
            number(report.map(|report| report.sales_minor / 100)),
            number(report.map(|report| report.transactions)),
            number(report.map(|report| report.units)),
            number(report.and_then(|report| report.visitors)),
            number(report.map(|report| report.orders_minor / 100)),
            report.and_then(|report| report.note.as_deref()).map(safe).unwrap_or_default().into_owned(),
        ]
    };
    csv(&head, rows.iter().map(row))
}

/// What each exhibitor packs, by booth, with the weight of the cargo in grams where the parcels' weights are known.
pub fn packing_csv(rows: &[PackRow], booths: impl Fn(&PackRow) -> String) -> Outcome<Vec<u8>> {
    let head = ["booth", "brand_name", "product", "sku", "is_sample", "units", "weight_g_each", "weight_g_total"];
    let row = |row: &PackRow| {
        let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
        vec![
            safe(&booths(row)).into_owned(),
            safe(&row.brand_name).into_owned(),
            safe(&row.title.id).into_owned(),
            row.sku.as_deref().map(safe).unwrap_or_default().into_owned(),
            (row.is_sample == 1).to_string(),
            row.units_planned.to_string(),
            number(row.weight_g),
            number(row.weight_g.map(|weight| weight.saturating_mul(row.units_planned))),
        ]
    };
    csv(&head, rows.iter().map(row))
}

/// The results as a workbook of four sheets: summary, days, exhibitors, and every report.
pub fn workbook(title: &str, results: &Results, rows: &[DayRow], language: Language) -> Outcome<Vec<u8>> {
    write_workbook(title, results, rows, language).map_err(Fault::internal)
}

fn write_workbook(title: &str, results: &Results, rows: &[DayRow], language: Language) -> Result<Vec<u8>, XlsxError> {
    let say = |id: &'static str, en: &'static str| if language == Language::En { en } else { id };
    let head = Format::new().set_bold();
    let mut book = Workbook::new();
    let totals = [
        say("Laporan masuk", "Reports"),
        say("Laporan seharusnya", "Reports due"),
        say("Cakupan %", "Coverage %"),
        say("Penjualan Rp", "Sales Rp"),
        say("Transaksi", "Transactions"),
        say("Unit", "Units"),
        say("Pesanan Rp", "Orders Rp"),
        say("Penjualan per laporan Rp", "Sales per report Rp"),
    ];

    let sheet = book.add_worksheet().set_name(say("Ringkasan", "Summary"))?;
    sheet.write_string_with_format(0, 0, title, &head)?;
    let facts = [(say("Peserta", "Exhibitors"), results.exhibitors), (say("Peserta yang melapor", "Exhibitors that reported"), results.reporting)];
    for (row, (name, value)) in (1_u32..).zip(facts) {
        sheet.write_string(row, 0, name)?;
        sheet.write_number(row, 1, value as f64)?;
    }
    sheet.write_string(3, 0, say("Median penjualan per peserta Rp", "Median sales per exhibitor Rp"))?;
    if let Some(median) = &results.median_sales_per_exhibitor {
        sheet.write_number(3, 1, rupiah(median.amount_minor))?;
    }
    let mut line = 5;
    let mut summary = |sheet: &mut Worksheet, name: &str, total: &Total| -> Result<(), XlsxError> {
        sheet.write_string(line, 0, name)?;
        write_total(sheet, line, 1, total)?;
        line += 1;
        Ok(())
    };
    write_head(sheet, 4, &[&[""], &totals[..]].concat(), &head)?;
    summary(sheet, say("Jumlah", "Total"), &results.total)?;
    for category in &results.categories {
        summary(sheet, category.category.as_deref().unwrap_or(say("(tanpa line-up)", "(no line-up)")), &category.total)?;
    }
    sheet.autofit();

    let sheet = book.add_worksheet().set_name(say("Harian", "Days"))?;
    write_head(sheet, 0, &[&[say("Hari", "Day")], &totals[..]].concat(), &head)?;
    for (row, day) in (1..).zip(&results.days) {
        sheet.write_string(row, 0, day.day.to_string())?;
        write_total(sheet, row, 1, &day.total)?;
    }
    sheet.autofit();

    let sheet = book.add_worksheet().set_name(say("Peserta", "Exhibitors"))?;
    write_head(sheet, 0, &[&[say("Peserta", "Exhibitor")], &totals[..]].concat(), &head)?;
    for (row, exhibitor) in (1..).zip(&results.by_exhibitor) {
        sheet.write_string(row, 0, exhibitor.brand_name.as_str())?;
        write_total(sheet, row, 1, &exhibitor.total)?;
    }
    sheet.autofit();

    let sheet = book.add_worksheet().set_name(say("Laporan", "Reports"))?;
    let columns = [
        say("Hari", "Day"),
        say("Peserta", "Exhibitor"),
        say("Status", "State"),
        say("Penjualan Rp", "Sales Rp"),
        say("Transaksi", "Transactions"),
        say("Unit", "Units"),
        say("Catatan", "Note"),
    ];
    write_head(sheet, 0, &columns, &head)?;
    for (row, (expected, day, report)) in (1..).zip(rows) {
        sheet.write_string(row, 0, day.to_string())?;
        sheet.write_string(row, 1, expected.brand_name.as_str())?;
        sheet.write_string(row, 2, state(*report))?;
        if let Some(report) = report {
            sheet.write_number(row, 3, rupiah(report.sales_minor))?;
            sheet.write_number(row, 4, report.transactions as f64)?;
            sheet.write_number(row, 5, report.units as f64)?;
            sheet.write_string(row, 6, report.note.as_deref().unwrap_or_default())?;
        }
    }
    sheet.autofit();
    book.save_to_buffer()
}

fn write_head(sheet: &mut Worksheet, row: u32, names: &[&str], format: &Format) -> Result<(), XlsxError> {
    for (column, name) in (0..).zip(names) {
        sheet.write_string_with_format(row, column, *name, format)?;
    }
    Ok(())
}

/// Whole rupiah.
fn rupiah(minor: i64) -> f64 {
    (minor / 100) as f64
}

fn write_total(sheet: &mut Worksheet, row: u32, column: u16, total: &Total) -> Result<(), XlsxError> {
    let cells = [
        Some(total.reports as f64),
        Some(total.reports_due as f64),
        total.coverage_bp.map(|coverage| coverage as f64 / 100.0),
        Some(rupiah(total.sales.amount_minor)),
        Some(total.transactions as f64),
        Some(total.units as f64),
        Some(rupiah(total.orders.amount_minor)),
        total.sales_per_report.as_ref().map(|money| rupiah(money.amount_minor)),
    ];
    for (column, cell) in (column..).zip(cells) {
        if let Some(cell) = cell {
            sheet.write_number(row, column, cell)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_sme_typed_never_becomes_a_formula() {
        for dangerous in ["=1+1", "+62812", "-1", "@sum(a1)", "\tx"] {
            assert!(safe(dangerous).starts_with('\''), "{dangerous}");
        }
        assert_eq!(safe("Dodol = enak"), "Dodol = enak");
    }
}
