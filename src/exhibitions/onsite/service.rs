//! Use cases of the day: acknowledge, check in, report.

use std::collections::HashSet;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{
    model::{Expected, Report, ReportState, SetupDocument, report_until, today},
    store::{self, CheckInRow},
};
use crate::{
    catalogue::model::check_range,
    exhibitions::{
        applications::{
            self,
            model::{ApplicationEvent, ApplicationStatus, read_check_in_code},
            store::entity::Model as Application,
        },
        model::ExhibitionStatus,
        plan::{
            self,
            model::{Batch, PlanKind},
        },
        store::entity::Model as Exhibition,
    },
    fault::{Fault, Outcome, field, say},
    identity::policy::{Acknowledge, CheckIn, ManageExhibition, Permit, ReportSales},
    platform::clock::now,
    transitions::Machine,
    values::{Localized, MoneyInput},
    work::Work,
};

fn check_document(document: &SetupDocument) -> Outcome<()> {
    let mut faults = Vec::new();
    document.title.check("/title", 200, &mut faults);
    document.body.check("/body", 20_000, &mut faults);
    if faults.is_empty() { Ok(()) } else { Err(Fault::invalid(faults)) }
}

pub async fn add_document(
    work: &Work,
    permit: &Permit<ManageExhibition>,
    exhibition: &Exhibition,
    document: SetupDocument,
) -> Outcome<SetupDocument> {
    check_document(&document)?;
    store::insert_document(work.db(), exhibition.id, &document).await?;
    work.audit(permit, "add_setup_document", "exhibition", exhibition.id, json!({ "document": document.id }), None).await?;
    Ok(document)
}

/// Changes a document; who acknowledged it has to do so again.
pub async fn edit_document(
    work: &Work,
    permit: &Permit<ManageExhibition>,
    exhibition: &Exhibition,
    document: SetupDocument,
) -> Outcome<SetupDocument> {
    check_document(&document)?;
    store::update_document(work.db(), exhibition.id, &document).await?;
    work.audit(permit, "edit_setup_document", "exhibition", exhibition.id, json!({ "document": document.id }), None).await?;
    Ok(SetupDocument { version: document.version + 1, ..document })
}

/// Notes that an exhibitor has read a document as it is now; repeating it changes nothing.
pub async fn acknowledge(
    work: &Work,
    permit: &Permit<Acknowledge>,
    exhibition: &Exhibition,
    application: &Application,
    document: Uuid,
) -> Outcome<SetupDocument> {
    let documents = store::documents(work.db(), exhibition.id).await?;
    let document = documents.into_iter().find(|known| known.id == document).ok_or_else(Fault::not_found)?;
    store::acknowledge(work.db(), exhibition.id, &document, application.id, permit.by()).await?;
    let change = json!({ "document": document.id, "version": document.version });
    work.audit(permit, "acknowledge_document", "application", application.id, change, None).await?;
    Ok(document)
}

/// An exhibitor who came, and where its booths are.
pub struct Arrival {
    pub application: Application,
    pub check_in: CheckInRow,
    pub batch: Option<Batch>,
    /// Codes of the booths.
    pub booths: Vec<String>,
    /// It was recorded before.
    pub is_repeat: bool,
}

/// Lets an exhibitor in by its code. The same code again changes nothing and returns the first check-in.
pub async fn check_in(
    work: &Work,
    permit: &Permit<CheckIn>,
    exhibition: &Exhibition,
    code: &str,
    batch: Option<Uuid>,
    at: Option<DateTime<Utc>>,
) -> Outcome<Arrival> {
    let at = at.unwrap_or_else(now);
    if at > now() + Duration::minutes(5) {
        return Err(Fault::invalid_field("/at", "in_the_future", say("Waktu di masa depan.", "A time in the future.")));
    }
    let id = store::by_code(work.db(), exhibition.id, &read_check_in_code(code)).await?;
    let id =
        id.ok_or_else(|| Fault::invalid_field("/code", "unknown", say("Kode tidak dikenal di pameran ini.", "No such code at this exhibition.")))?;
    applications::service::refuse_own(work, permit, exhibition.id, [id]).await?;
    let mut application = applications::store::by_id(work.db(), exhibition.id, id).await?;
    // After the exhibition a check-in only corrects a wrong no-show.
    let is_on = matches!(exhibition.status, ExhibitionStatus::LineupPublished | ExhibitionStatus::Ongoing);
    let is_correction = exhibition.status == ExhibitionStatus::Completed && application.status == ApplicationStatus::NoShow;
    if !(is_on || is_correction) {
        return Err(Fault::conflict("not_on_the_day", say("Pameran belum atau tidak lagi berjalan.", "The exhibition is not on.")));
    }
    let lead = application.lead_id.unwrap_or(application.id);
    let batches = plan::store::batches(work.db(), exhibition.id).await?;
    let places = plan::store::assignments(work.db(), exhibition.id, PlanKind::Live).await?;
    let mine: Vec<_> = places.iter().filter(|place| place.application_id == lead).collect();
    let day = today(&exhibition.time_zone);
    let is_theirs = |batch: &&Batch| mine.is_empty() || mine.iter().any(|place| place.batch_id == batch.id);
    let batch = match batch {
        Some(batch) => Some(
            batches
                .iter()
                .find(|known| known.id == batch)
                .ok_or_else(|| Fault::invalid_field("/batch_id", "unknown", say("Gelombang tidak dikenal.", "No such batch.")))?,
        ),
        None => {
            batches.iter().filter(is_theirs).find(|batch| batch.starts_on <= day && day <= batch.ends_on).or_else(|| batches.iter().find(is_theirs))
        }
    };
    if let Some(wrong) = batch.filter(|batch| !is_theirs(batch)) {
        let theirs = mine.iter().filter_map(|place| batches.iter().find(|batch| batch.id == place.batch_id)).map(|batch| batch.name.as_str());
        let names = theirs.collect::<Vec<_>>().join(", ");
        let detail = say(format!("Bukan peserta {}, melainkan {names}.", wrong.name), format!("Not in {}, but in {names}.", wrong.name));
        return Err(Fault::conflict("other_batch", detail));
    }
    let row = CheckInRow { id: Uuid::now_v7(), application_id: application.id, batch_id: batch.map(|batch| batch.id), at };
    let is_new = store::check_in(work.db(), exhibition.id, &row, permit.by()).await?;
    if is_new {
        if application.status != ApplicationStatus::Attended {
            application.status = application.status.transition(ApplicationEvent::Attend)?;
            application = applications::store::update(work.db(), application).await?;
        }
        store::mark_checked_in(work.db(), lead, row.batch_id).await?;
        work.touch_catalogue();
        work.audit(permit, "check_in", "application", application.id, json!({ "batch": row.batch_id, "at": at }), None).await?;
    }
    let known = store::check_ins(work.db(), exhibition.id, Some(application.id)).await?;
    let check_in = known.into_iter().find(|known| known.batch_id == row.batch_id).unwrap_or(row);
    let booths = mine.iter().filter(|place| batch.is_none_or(|batch| batch.id == place.batch_id)).map(|place| place.booth_code.clone()).collect();
    Ok(Arrival { application, check_in, batch: batch.cloned(), booths, is_repeat: !is_new })
}

/// How many may be noted at once.
const MOST_NO_SHOWS: usize = 1_000;

/// Notes exhibitors who did not come. All or none; a late check-in sets it right. The place of a lead stays where one who
/// shares it came.
pub async fn no_shows(work: &Work, permit: &Permit<CheckIn>, exhibition: &Exhibition, mut ids: Vec<Uuid>) -> Outcome<()> {
    if !matches!(exhibition.status, ExhibitionStatus::Ongoing | ExhibitionStatus::Completed) {
        return Err(Fault::conflict("not_on_the_day", say("Pameran belum berjalan.", "The exhibition has not begun.")));
    }
    if ids.is_empty() || ids.len() > MOST_NO_SHOWS {
        return Err(Fault::invalid_field("/application_ids", "out_of_range", say("1 sampai 1000.", "1 to 1000.")));
    }
    ids.sort();
    ids.dedup();
    applications::service::refuse_own(work, permit, exhibition.id, ids.iter().copied()).await?;
    let confirmed = applications::store::with_place(work.db(), exhibition.id).await?.into_iter();
    let confirmed: HashSet<Uuid> =
        confirmed.filter(|row| row.application.status == ApplicationStatus::Confirmed).map(|row| row.application.id).collect();
    if let Some(other) = ids.iter().find(|id| !confirmed.contains(id)) {
        let detail = say("Bukan peserta yang dikonfirmasi dan belum datang.", "Not a confirmed exhibitor who has not come.");
        return Err(Fault::conflict("not_confirmed", detail).with("application_id", json!(other)));
    }
    store::mark_no_show(work.db(), exhibition.id, &ids).await?;
    work.touch_catalogue();
    work.audit(permit, ApplicationEvent::NoShow.name(), "exhibition", exhibition.id, json!({ "applications": ids }), None).await
}

/// What is reported of a day.
pub struct NewReport {
    pub sales: MoneyInput,
    pub transactions: i64,
    pub units: i64,
    pub visitors: Option<i64>,
    pub orders: Option<MoneyInput>,
    pub note: Option<String>,
}

/// Who reports: the SME, in time, or a coordinator, who corrects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reporter {
    Exhibitor,
    Coordinator,
}

/// Writes the report of a day, the first or in place of `earlier`; after the time to report only a coordinator does.
pub async fn report(
    work: &Work,
    permit: &Permit<ReportSales>,
    exhibition: &Exhibition,
    application: &Application,
    day: NaiveDate,
    earlier: Option<Report>,
    (reporter, new): (Reporter, NewReport),
) -> Outcome<(Expected, Report)> {
    let mut faults = Vec::new();
    let expected = store::expected(work.db(), std::slice::from_ref(exhibition), Some(application.id)).await?;
    let expected = expected
        .into_iter()
        .find(|expected| expected.days.contains(&day))
        .ok_or_else(|| Fault::conflict("not_an_exhibitor", say("Bukan peserta pada hari itu.", "Not an exhibitor on that day.")))?;
    let now_there = today(&exhibition.time_zone);
    if day > now_there {
        return Err(Fault::conflict("in_the_future", say("Hari itu belum tiba.", "That day has not come yet.")));
    }
    let is_late = report_until(exhibition).is_some_and(|until| now_there > until) || exhibition.status == ExhibitionStatus::Archived;
    if is_late && reporter == Reporter::Exhibitor {
        let detail = say("Waktu melapor sudah lewat; hubungi koordinator.", "The time to report is over; ask the coordinator.");
        return Err(Fault::conflict("reports_closed", detail));
    }
    let mut money = |input: MoneyInput, pointer: &str| input.to_minor(pointer, true).map_err(|fault| faults.push(fault)).unwrap_or_default();
    let (sales_minor, orders_minor) = (money(new.sales, "/sales"), new.orders.map_or(0, |orders| money(orders, "/orders")));
    check_range(Some(new.transactions), 0..=1_000_000, "/transactions", &mut faults);
    check_range(Some(new.units), 0..=10_000_000, "/units", &mut faults);
    check_range(new.visitors, 0..=10_000_000, "/visitors", &mut faults);
    if sales_minor > 0 && new.transactions == 0 {
        let message = say("Ada penjualan tanpa transaksi.", "There are sales without a transaction.");
        faults.push(field("/transactions", "implausible", message));
    }
    if new.note.as_ref().is_some_and(|note| note.chars().count() > 1000) {
        faults.push(field("/note", "too_long", say("Paling banyak 1000 karakter.", "At most 1000 characters.")));
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    let was_corrected = earlier.as_ref().is_some_and(|earlier| earlier.status == ReportState::Corrected);
    let is_correction = is_late || was_corrected || (reporter == Reporter::Coordinator && earlier.is_some());
    let report = Report {
        exhibition_id: exhibition.id,
        application_id: application.id,
        day,
        status: if is_correction { ReportState::Corrected } else { ReportState::Reported },
        sales_minor,
        transactions: new.transactions,
        units: new.units,
        visitors: new.visitors,
        orders_minor,
        note: new.note,
        version: earlier.as_ref().map_or(1, |earlier| earlier.version + 1),
    };
    store::write_report(work.db(), &report, permit.by()).await?;
    let change = json!({ "day": day, "from": earlier.map(|earlier| earlier.sales_minor), "sales_minor": sales_minor });
    let action = if is_correction { "correct_report" } else { "report_sales" };
    work.audit(permit, action, "application", application.id, change, None).await?;
    Ok((expected, report))
}

/// A new document, not stored yet.
pub fn document(title: Localized, body: Localized, must_acknowledge: bool) -> SetupDocument {
    SetupDocument { id: Uuid::now_v7(), title, body, must_acknowledge: i64::from(must_acknowledge), version: 1 }
}
