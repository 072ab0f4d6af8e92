//! Set-up documents, check-in and daily reports over HTTP.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    model::{Report, ReportState, SetupDocument},
    service::{self, NewReport, Reporter},
    store,
};
use crate::{
    app::App,
    exhibitions::{
        self,
        api::{Managed, manage, visible},
        applications::{self, model::ApplicationStatus},
        call::model::Moment,
        plan::{self, model::PlanKind},
    },
    fault::Fault,
    http::{
        Body, Caller, Member, Page, Reply, Tag, Write,
        reply::{Created, NoContent},
    },
    identity::policy::{self, Acknowledge, CheckIn, ReadSme, ReportSales, Scope},
    sme,
    values::{Localized, Money, MoneyInput, input::Passcode},
};

pub struct OnsiteApi;

/// A paper that exhibitors have to know: rules, load-in, contact.
#[derive(Object)]
pub struct SetupPaper {
    pub id: Uuid,
    pub title: Localized,
    pub body: Localized,
    /// Exhibitors have to say that they read it; again when it changes.
    pub must_acknowledge: bool,
    /// Named by If-Match when it is edited.
    pub version: i64,
    /// Exhibitors who have read it as it is now: all of them for the agency, one's own for an SME.
    pub acknowledged_by: Vec<Uuid>,
}

/// A paper to be added, or as it is to be.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewSetupPaper {
    pub title: Localized,
    pub body: Localized,
    #[serde(default)]
    #[oai(default)]
    pub must_acknowledge: bool,
}

/// An exhibitor at the entrance.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewCheckIn {
    /// As it is read out or typed.
    pub code: Passcode,
    /// The one that is on today where absent.
    #[serde(default)]
    pub batch_id: Option<Uuid>,
    /// When it was, where the device was offline; now where absent.
    #[serde(default)]
    pub at: Option<DateTime<Utc>>,
}

/// Who came.
#[derive(Object)]
pub struct Arrival {
    pub application_id: Uuid,
    pub brand_name: String,
    pub batch_id: Option<Uuid>,
    /// Codes of the booths where it stands.
    pub booths: Vec<String>,
    /// On the clock of the venue; of the first time.
    pub at: Moment,
    /// It was recorded before.
    pub is_repeat: bool,
}

/// Whether an exhibitor came.
#[derive(Object)]
pub struct Attendance {
    pub application_id: Uuid,
    pub sme_id: Uuid,
    pub brand_name: String,
    pub status: ApplicationStatus,
    /// Codes of the booths where it stands.
    pub booths: Vec<String>,
    pub check_ins: Vec<BatchCheckIn>,
}

/// A check-in to a batch.
#[derive(Object)]
pub struct BatchCheckIn {
    pub batch_id: Option<Uuid>,
    /// On the clock of the venue.
    pub at: Moment,
}

/// Exhibitors who did not come.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NoShows {
    #[oai(validator(min_items = 1, max_items = 1000))]
    pub application_ids: Vec<Uuid>,
}

/// What an exhibitor sold on a day.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct SalesReport {
    /// Zero is a report; no report is not zero.
    pub sales: MoneyInput,
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000")))]
    pub transactions: i64,
    #[oai(validator(minimum(value = "0"), maximum(value = "10000000")))]
    pub units: i64,
    #[serde(default)]
    #[oai(validator(minimum(value = "0"), maximum(value = "10000000")))]
    pub visitors: Option<i64>,
    /// Orders taken for later.
    #[serde(default)]
    pub orders: Option<MoneyInput>,
    #[serde(default)]
    #[oai(validator(max_length = 1000))]
    pub note: Option<String>,
}

/// A day of an exhibitor, reported or not.
#[derive(Object)]
pub struct DayReport {
    pub application_id: Uuid,
    pub sme_id: Uuid,
    pub brand_name: String,
    pub day: NaiveDate,
    pub state: ReportState,
    /// Absent where nobody reported.
    pub sales: Option<Money>,
    pub transactions: Option<i64>,
    pub units: Option<i64>,
    pub visitors: Option<i64>,
    pub orders: Option<Money>,
    pub note: Option<String>,
    /// Named by If-Match when it is changed; absent where nobody reported.
    pub version: Option<i64>,
}

fn day_report(expected: &super::model::Expected, day: NaiveDate, report: Option<&Report>) -> DayReport {
    DayReport {
        application_id: expected.application_id,
        sme_id: expected.sme_id,
        brand_name: expected.brand_name.clone(),
        day,
        state: report.map_or(ReportState::NotReported, |report| report.status),
        sales: report.map(|report| Money::idr(report.sales_minor)),
        transactions: report.map(|report| report.transactions),
        units: report.map(|report| report.units),
        visitors: report.and_then(|report| report.visitors),
        orders: report.map(|report| Money::idr(report.orders_minor)),
        note: report.and_then(|report| report.note.clone()),
        version: report.map(|report| report.version),
    }
}

fn paper(document: SetupDocument, acknowledged_by: Vec<Uuid>) -> SetupPaper {
    SetupPaper {
        id: document.id,
        title: document.title,
        body: document.body,
        must_acknowledge: document.must_acknowledge == 1,
        version: document.version,
        acknowledged_by,
    }
}

#[OpenApi(tag = "Tag::Exhibitions")]
impl OnsiteApi {
    /// Set-up documents
    ///
    /// With who has read them: all exhibitors for the agency; for an SME, which names itself, only its own.
    #[oai(path = "/v1/exhibitions/:exhibition_id/documents", method = "get", operation_id = "list_setup_documents")]
    async fn documents(
        &self,
        app: Data<&App>,
        member: Member,
        exhibition_id: Path<Uuid>,
        sme_id: Query<Option<Uuid>>,
    ) -> poem::Result<Reply<Page<SetupPaper>>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        let own = if let Some(sme) = sme_id.0 {
            policy::permit::<ReadSme>(&member, &Scope::sme_at(exhibition.agency_id, sme))?;
            exhibitions::review::service::check_not_blind(reader, &member, &exhibition).await?;
            Some(store::own(reader, exhibition.id, sme).await?.id)
        } else {
            visible::<policy::ReadExhibition>(&member, &exhibition)?;
            None
        };
        let acknowledged = store::acknowledged(reader, exhibition.id).await?;
        let data = store::documents(reader, exhibition.id).await?.into_iter().map(|document| {
            let by = acknowledged.iter().filter(|row| row.document_id == document.id && own.is_none_or(|own| own == row.application_id));
            let by = by.map(|row| row.application_id).collect();
            paper(document, by)
        });
        Ok(Reply::new(&Page::whole(data.collect(), 100)))
    }

    /// Add a set-up document
    #[oai(path = "/v1/exhibitions/:exhibition_id/documents", method = "post", operation_id = "add_setup_document")]
    async fn add_document(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        body: Body<NewSetupPaper>,
    ) -> poem::Result<Created<SetupPaper>> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let NewSetupPaper { title, body, must_acknowledge } = body.read()?;
        let document = service::add_document(&work, &permit, &exhibition, service::document(title, body, must_acknowledge)).await?;
        work.finish(Created::new(&paper(document, Vec::new())).version(1)).await
    }

    /// Change a set-up document
    ///
    /// With If-Match; who acknowledged it has to do so again.
    #[oai(path = "/v1/exhibitions/:exhibition_id/documents/:document_id", method = "put", operation_id = "edit_setup_document")]
    async fn edit_document(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        document_id: Path<Uuid>,
        body: Body<NewSetupPaper>,
    ) -> poem::Result<Reply<SetupPaper>> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let documents = store::documents(work.db(), exhibition.id).await?;
        let current = documents.into_iter().find(|document| document.id == *document_id).ok_or_else(Fault::not_found)?;
        write.if_match(current.version)?;
        let NewSetupPaper { title, body, must_acknowledge } = body.read()?;
        let changed = SetupDocument { title, body, must_acknowledge: i64::from(must_acknowledge), ..current };
        let document = service::edit_document(&work, &permit, &exhibition, changed).await?;
        let version = document.version;
        work.finish(Reply::new(&paper(document, Vec::new())).version(version)).await
    }

    /// Acknowledge a set-up document
    ///
    /// As it is now; once, however often it is sent.
    #[oai(
        path = "/v1/exhibitions/:exhibition_id/documents/:document_id/acknowledgements/:application_id",
        method = "put",
        operation_id = "acknowledge_setup_document"
    )]
    async fn acknowledge(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        document_id: Path<Uuid>,
        application_id: Path<Uuid>,
    ) -> poem::Result<Reply<SetupPaper>> {
        let work = write.begin(&member, &[]).await?;
        let exhibition = exhibitions::store::by_id(work.db(), *exhibition_id).await?;
        let application = applications::store::by_id(work.db(), exhibition.id, *application_id).await?;
        let permit = policy::permit::<Acknowledge>(&member, &Scope::sme_at(exhibition.agency_id, application.sme_id))?;
        let document = service::acknowledge(&work, &permit, &exhibition, &application, *document_id).await?;
        work.finish(Reply::new(&paper(document, vec![application.id]))).await
    }

    /// Check an exhibitor in
    ///
    /// By its code. Sent twice, it answers with the first time.
    #[oai(path = "/v1/exhibitions/:exhibition_id/check-ins", method = "post", operation_id = "check_in")]
    async fn check_in(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<NewCheckIn>) -> poem::Result<Reply<Arrival>> {
        let work = write.begin(&member, body.bytes()).await?;
        let exhibition = exhibitions::store::by_id(work.db(), *exhibition_id).await?;
        let permit = visible::<CheckIn>(&member, &exhibition)?;
        let new = body.read()?;
        let arrival = service::check_in(&work, &permit, &exhibition, &new.code, new.batch_id, new.at).await?;
        let arrival = Arrival {
            application_id: arrival.application.id,
            brand_name: sme::store::by_id(work.db(), arrival.application.sme_id).await?.brand_name,
            batch_id: arrival.batch.map(|batch| batch.id),
            booths: arrival.booths,
            at: Moment::of(arrival.check_in.at, &exhibition.time_zone),
            is_repeat: arrival.is_repeat,
        };
        work.finish(Reply::new(&arrival)).await
    }

    /// Who came
    ///
    /// All who have a place, with the times of their check-ins.
    #[oai(path = "/v1/exhibitions/:exhibition_id/check-ins", method = "get", operation_id = "list_attendance")]
    async fn attendance(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Page<Attendance>>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        visible::<CheckIn>(&member, &exhibition)?;
        let places = plan::store::assignments(reader, exhibition.id, PlanKind::Live).await?;
        let check_ins = store::check_ins(reader, exhibition.id, None).await?;
        let rows = applications::store::with_place(reader, exhibition.id).await?;
        let data = rows.into_iter().map(|row| {
            let (application, lead) = (row.application.id, row.application.lead_id.unwrap_or(row.application.id));
            let mut booths: Vec<_> = places.iter().filter(|place| place.application_id == lead).map(|place| place.booth_code.clone()).collect();
            booths.dedup();
            Attendance {
                application_id: application,
                sme_id: row.application.sme_id,
                brand_name: row.brand_name,
                status: row.application.status,
                booths,
                check_ins: check_ins
                    .iter()
                    .filter(|check_in| check_in.application_id == application)
                    .map(|check_in| BatchCheckIn { batch_id: check_in.batch_id, at: Moment::of(check_in.at, &exhibition.time_zone) })
                    .collect(),
            }
        });
        Ok(Reply::new(&Page::whole(data.collect(), 10_000)))
    }

    /// Note who did not come
    ///
    /// At most 1,000, all or none; a late check-in sets it right.
    #[oai(path = "/v1/exhibitions/:exhibition_id/no-shows", method = "post", operation_id = "record_no_shows")]
    async fn no_shows(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<NoShows>) -> poem::Result<NoContent> {
        let work = write.begin(&member, body.bytes()).await?;
        let exhibition = exhibitions::store::by_id(work.db(), *exhibition_id).await?;
        let permit = visible::<CheckIn>(&member, &exhibition)?;
        service::no_shows(&work, &permit, &exhibition, body.read()?.application_ids).await?;
        work.finish_empty().await
    }

    /// Report sales of a day
    ///
    /// By the SME until seven days after the exhibition, later by a coordinator. A report that is there is changed with
    /// If-Match.
    #[oai(path = "/v1/exhibitions/:exhibition_id/reports/:application_id/:day", method = "put", operation_id = "report_sales")]
    async fn report(
        &self,
        caller: Caller,
        write: Write,
        exhibition_id: Path<Uuid>,
        application_id: Path<Uuid>,
        day: Path<NaiveDate>,
        body: Body<SalesReport>,
    ) -> poem::Result<Reply<DayReport>> {
        let work = write.begin(&caller, body.bytes()).await?;
        let exhibition = exhibitions::store::by_id(work.db(), *exhibition_id).await?;
        let application = applications::store::by_id(work.db(), exhibition.id, *application_id).await?;
        let permit = policy::permit::<ReportSales>(&caller, &Scope::sme_at(exhibition.agency_id, application.sme_id))?;
        let new = body.read()?;
        let new = NewReport {
            sales: new.sales,
            transactions: new.transactions,
            units: new.units,
            visitors: new.visitors,
            orders: new.orders,
            note: new.note,
        };
        let is_own = caller.smes.iter().any(|(own, _)| *own == application.sme_id);
        let reporter =
            if is_own || !exhibitions::review::service::oversees(&caller, &exhibition) { Reporter::Exhibitor } else { Reporter::Coordinator };
        let earlier = store::report(work.db(), application.id, *day).await?;
        if let Some(earlier) = &earlier {
            write.if_match(earlier.version)?;
        }
        let (expected, report) = service::report(&work, &permit, &exhibition, &application, *day, earlier, (reporter, new)).await?;
        work.finish(Reply::new(&day_report(&expected, *day, Some(&report))).version(report.version)).await
    }

    /// Daily reports
    ///
    /// Every day of every exhibitor, reported or not: of one SME for its members, of all for the agency.
    #[oai(path = "/v1/exhibitions/:exhibition_id/reports", method = "get", operation_id = "list_reports")]
    async fn reports(
        &self,
        app: Data<&App>,
        caller: Caller,
        exhibition_id: Path<Uuid>,
        sme_id: Query<Option<Uuid>>,
        day: Query<Option<NaiveDate>>,
    ) -> poem::Result<Reply<Page<DayReport>>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        let own = sme_id.0.filter(|sme| caller.smes.iter().any(|(own, _)| own == sme));
        if let Some(sme) = own {
            policy::permit::<ReportSales>(&caller, &Scope::sme_at(exhibition.agency_id, sme))?;
        } else {
            visible::<policy::ReadResults>(&caller, &exhibition)?;
        }
        let of = std::slice::from_ref(&exhibition);
        let (expected, reports) = (store::expected(reader, of, None).await?, store::reports(reader, of).await?);
        let reports: HashMap<(Uuid, NaiveDate), Report> = reports.into_iter().map(|report| ((report.application_id, report.day), report)).collect();
        let wanted = |date: &NaiveDate| day.0.is_none_or(|day| day == *date);
        let data = expected.iter().filter(|expected| sme_id.0.is_none_or(|sme| sme == expected.sme_id)).flat_map(|expected| {
            let days = expected.days.iter().copied().filter(wanted);
            days.map(|day| day_report(expected, day, reports.get(&(expected.application_id, day)))).collect::<Vec<_>>()
        });
        Ok(Reply::new(&Page::whole(data.collect(), 100_000)))
    }
}
