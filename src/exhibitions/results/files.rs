//! Results and packing lists as CSV and XLSX.
//!
//! Text from SMEs never becomes a formula in CSV, whichever separator a spreadsheet reads it with: spreadsheets run what begins
//! with `= + - @`, and take `;` for `,` in Indonesia. In XLSX, text is text.

#![expect(clippy::cast_precision_loss, reason = "a spreadsheet's numbers are floats, and sums stay far below where one would lose a rupiah")]

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

/// A cell of CSV.
enum Cell {
    /// What people typed, or words of ours.
    Text(String),
    /// Numbers, days and yes or no: never text from outside.
    Bare(String),
}

fn number(value: Option<i64>) -> Cell {
    Cell::Bare(value.map(|value| value.to_string()).unwrap_or_default())
}

/// Text in which no spreadsheet finds a formula: an apostrophe stands before what could begin one, at the start and behind whatever
/// may be taken for the end of a cell.
fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut may_begin = true;
    for (at, c) in text.chars().enumerate() {
        let is_formula = matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') || (at == 0 && matches!(c, '\t' | '\r'));
        if may_begin && is_formula {
            out.push('\'');
        }
        out.push(c);
        // Readers skip spaces and quotes at the start of a cell.
        may_begin = matches!(c, ';' | ',' | '|' | '\t' | '\n' | '\r') || (may_begin && (c.is_whitespace() || matches!(c, '"' | '\u{feff}')));
    }
    out
}

/// RFC 4180, in UTF-8 and with its mark: without it Excel takes the file for the code page of its computer.
fn csv(head: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> Vec<u8> {
    let quoted = |text: &str| format!("\"{}\"", safe(text).replace('"', "\"\""));
    let written = |cell: &Cell| match cell {
        Cell::Text(text) => quoted(text),
        Cell::Bare(text) => text.clone(),
    };
    let mut out = String::from("\u{feff}");
    let heading = head.iter().map(|name| quoted(name)).collect::<Vec<_>>();
    for line in [heading].into_iter().chain(rows.map(|row| row.iter().map(written).collect())) {
        out.push_str(&line.join(","));
        out.push_str("\r\n");
    }
    out.into_bytes()
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
pub fn daily_csv(rows: &[DayRow]) -> Vec<u8> {
    let head = ["day", "brand_name", "state", "sales_idr", "transactions", "units", "visitors", "orders_idr", "note"];
    let row = |(expected, day, report): &DayRow| {
        vec![
            Cell::Bare(day.to_string()),
            Cell::Text(expected.brand_name.clone()),
            Cell::Text(state(*report).to_owned()),
            number(report.map(|report| report.sales_minor / 100)),
            number(report.map(|report| report.transactions)),
            number(report.map(|report| report.units)),
            number(report.and_then(|report| report.visitors)),
            number(report.map(|report| report.orders_minor / 100)),
            optional(report.and_then(|report| report.note.as_ref())),
        ]
    };
    csv(&head, rows.iter().map(row))
}

fn optional(text: Option<&String>) -> Cell {
    text.map_or_else(|| Cell::Bare(String::new()), |text| Cell::Text(text.clone()))
}

/// What each exhibitor packs, by booth, with the weight of the cargo in grams where the parcels' weights are known.
pub fn packing_csv(rows: &[PackRow], booths: impl Fn(&PackRow) -> String) -> Vec<u8> {
    let head = ["booth", "brand_name", "product", "sku", "is_sample", "units", "weight_g_each", "weight_g_total"];
    let row = |row: &PackRow| {
        vec![
            Cell::Text(booths(row)),
            Cell::Text(row.brand_name.clone()),
            Cell::Text(row.title.id.clone()),
            optional(row.sku.as_ref()),
            Cell::Bare((row.is_sample == 1).to_string()),
            number(Some(row.units_planned)),
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

    /// All cells, as a spreadsheet with this separator sees them.
    fn cells(bytes: &[u8], separator: u8) -> Vec<String> {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).expect("a mark of UTF-8");
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).has_headers(false).flexible(true).from_reader(bytes);
        reader.records().flat_map(|record| record.expect("a record").iter().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    const DANGEROUS: &[&str] = &[
        "=1+1",
        "+62812",
        "-1",
        "@sum(a1)",
        "\tx",
        "\r=1",
        "＝1+1",
        "＋1",
        "－1",
        "＠a",
        "a;=1+1",
        "a,=2+2",
        "a\t=3",
        "a\n=HYPERLINK(A1)",
        "a\r\n-1",
        "a; =1",
        "a;\"=1+1\"",
        "\"=1+1",
        "\"a\";=1;\"b",
        "a|@x",
        " =1",
        "a,＝1",
        ";;=1",
    ];

    #[test]
    fn what_an_sme_typed_never_becomes_a_formula_whatever_separates_the_cells() {
        let row = |text: &&str| vec![Cell::Text((*text).to_owned()), number(Some(12)), Cell::Text((*text).to_owned())];
        let file = csv(&["text", "number", "again"], DANGEROUS.iter().map(row));
        for separator in [b',', b';', b'\t'] {
            for cell in cells(&file, separator) {
                let seen = cell.trim_start_matches([' ', '"']);
                assert!(!seen.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']), "{separator} {cell:?}");
            }
        }
        // As a reader sees it that knows nothing of quotes.
        let text = String::from_utf8(file).expect("UTF-8");
        for cell in text.split([',', ';', '\t', '\n', '\r', '|']) {
            let seen = cell.trim_start_matches([' ', '"', '\u{feff}']);
            assert!(!seen.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']), "{cell:?}");
        }
        assert_eq!(safe("Dodol = enak, 1-2"), "Dodol = enak, 1-2");
    }

    #[test]
    fn numbers_stay_numbers_and_what_is_not_known_stays_empty() {
        let row = vec![Cell::Text("Kopi \"Gayo\" – é".into()), number(Some(-5)), number(None), optional(None)];
        let text = String::from_utf8(csv(&["name"], [row].into_iter())).expect("UTF-8");
        assert_eq!(text, "\u{feff}\"name\"\r\n\"Kopi \"\"Gayo\"\" – é\",-5,,\r\n");
    }
}
