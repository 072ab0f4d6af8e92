//! SQL of set-up documents, check-ins and reports.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use uuid::Uuid;

use super::model::{Expected, Report, SetupDocument, days};
use crate::{
    exhibitions::{
        applications,
        store::{TAKES_PART, entity::Model as Exhibition},
    },
    fault::{Fault, Outcome, STALE},
    platform::{
        clock::now,
        database::{Connection, marks, select, sql},
    },
};

pub async fn documents(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<SetupDocument>> {
    let text = "select id, title, body, must_acknowledge, version from setup_documents where exhibition_id = ? order by id limit 100";
    select(connection, text, [exhibition.into()]).await
}

pub async fn insert_document(connection: &Connection, exhibition: Uuid, document: &SetupDocument) -> Outcome<()> {
    let text = "insert into setup_documents (id, exhibition_id, title, body, must_acknowledge, created_at) values (?, ?, ?, ?, ?, ?)";
    let values = [
        document.id.into(),
        exhibition.into(),
        serde_json::json!(document.title).into(),
        serde_json::json!(document.body).into(),
        document.must_acknowledge.into(),
        now().into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// Copies the documents to another exhibition, where nobody has read them yet.
pub async fn copy_documents(connection: &Connection, from: Uuid, to: Uuid) -> Outcome<()> {
    for document in documents(connection, from).await? {
        insert_document(connection, to, &SetupDocument { id: Uuid::now_v7(), ..document }).await?;
    }
    Ok(())
}

/// Writes a document under its next version, unless somebody was faster.
pub async fn update_document(connection: &Connection, exhibition: Uuid, document: &SetupDocument) -> Outcome<()> {
    let text = "update setup_documents set title = ?, body = ?, must_acknowledge = ?, version = version + 1 where exhibition_id = ? and id = ? and version = ?";
    let values = [
        serde_json::json!(document.title).into(),
        serde_json::json!(document.body).into(),
        document.must_acknowledge.into(),
        exhibition.into(),
        document.id.into(),
        document.version.into(),
    ];
    let changed = connection.execute_raw(sql(connection, text, values)).await?.rows_affected();
    if changed == 1 { Ok(()) } else { Err(Fault::new(&STALE)) }
}

/// Who has said that they read which document in its present version.
#[derive(FromQueryResult)]
pub struct Acknowledged {
    pub document_id: Uuid,
    pub application_id: Uuid,
    pub at: DateTime<Utc>,
}

pub async fn acknowledged(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Acknowledged>> {
    let text = "select k.document_id, k.application_id, k.at from setup_acknowledgements k join setup_documents d on d.id = k.document_id \
                and d.version = k.document_version where k.exhibition_id = ? limit 100000";
    select(connection, text, [exhibition.into()]).await
}

pub async fn acknowledge(connection: &Connection, exhibition: Uuid, document: &SetupDocument, application: Uuid, by: Uuid) -> Outcome<()> {
    let text = "insert into setup_acknowledgements (exhibition_id, document_id, application_id, document_version, acknowledged_by, at) \
                values (?, ?, ?, ?, ?, ?) on conflict do nothing";
    let values = [exhibition.into(), document.id.into(), application.into(), document.version.into(), by.into(), now().into()];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// The application that a code belongs to.
pub async fn by_code(connection: &Connection, exhibition: Uuid, code: &str) -> Outcome<Option<Uuid>> {
    let row = connection
        .query_one_raw(sql(connection, "select id from applications where exhibition_id = ? and check_in_code = ?", [exhibition.into(), code.into()]))
        .await?;
    Ok(row.map(|row| row.try_get("", "id")).transpose()?)
}

/// A check-in as it was first recorded.
#[derive(Debug, Clone, FromQueryResult)]
pub struct CheckInRow {
    pub id: Uuid,
    pub application_id: Uuid,
    pub batch_id: Option<Uuid>,
    pub at: DateTime<Utc>,
}

/// Records a check-in, unless there is one; returns whether it is new.
pub async fn check_in(connection: &Connection, exhibition: Uuid, row: &CheckInRow, by: Uuid) -> Outcome<bool> {
    let text = "insert into check_ins (id, exhibition_id, application_id, batch_id, at, recorded_by, recorded_at) values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing";
    let values = [row.id.into(), exhibition.into(), row.application_id.into(), row.batch_id.into(), row.at.into(), by.into(), now().into()];
    Ok(connection.execute_raw(sql(connection, text, values)).await?.rows_affected() == 1)
}

/// Check-ins, of one application or of all of an exhibition.
pub async fn check_ins(connection: &Connection, exhibition: Uuid, application: Option<Uuid>) -> Outcome<Vec<CheckInRow>> {
    let one = if application.is_some() { "and application_id = ?" } else { "" };
    let text = format!("select id, application_id, batch_id, at from check_ins where exhibition_id = ? {one} order by id limit 50000");
    select(connection, &text, [exhibition].into_iter().chain(application).map(Into::into)).await
}

/// Marks the live places of an application, in one batch or in all, as taken; not one that somebody else stands in by now.
pub async fn mark_checked_in(connection: &Connection, application: Uuid, batch: Option<Uuid>) -> Outcome<()> {
    let one = if batch.is_some() { "and batch_id = ?" } else { "" };
    let text = format!(
        "update booth_assignments set status = 'checked_in' where application_id = ? and plan = 'live' {one} and (status in ('held', 'confirmed') \
         or (status = 'no_show' and not exists (select 1 from booth_assignments o where o.plan = 'live' and o.booth_id = booth_assignments.booth_id \
         and o.slot_no = booth_assignments.slot_no and o.batch_id = booth_assignments.batch_id and o.status in ('held', 'confirmed', 'checked_in'))))"
    );
    let values = [Value::from(application)].into_iter().chain(batch.map(Value::from));
    connection.execute_raw(sql(connection, &text, values)).await?;
    Ok(())
}

/// Confirmed exhibitors did not come; their places are free, unless one who shares them came.
pub async fn mark_no_show(connection: &Connection, exhibition: Uuid, applications: &[Uuid]) -> Outcome<()> {
    let marks = marks(applications.len());
    let ids = || applications.iter().map(|id| Value::from(*id));
    let text = format!(
        "update applications set status = 'no_show', version = version + 1 where exhibition_id = ? and status = 'confirmed' and id in ({marks})"
    );
    connection.execute_raw(sql(connection, &text, [exhibition.into()].into_iter().chain(ids()))).await?;
    let text = format!(
        "update booth_assignments set status = 'no_show' where plan = 'live' and status in ('held', 'confirmed') and application_id in ({marks}) \
         and not exists (select 1 from applications f where f.lead_id = booth_assignments.application_id and f.status = 'attended')"
    );
    connection.execute_raw(sql(connection, &text, ids())).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct ExpectedRow {
    exhibition_id: Uuid,
    application_id: Uuid,
    sme_id: Uuid,
    brand_name: String,
    starts_on: Option<NaiveDate>,
    ends_on: Option<NaiveDate>,
}

/// Exhibitors with the days on which they are there: those of their batches, or all. In one statement for any number of
/// exhibitions.
pub async fn expected(connection: &Connection, exhibitions: &[Exhibition], application: Option<Uuid>) -> Outcome<Vec<Expected>> {
    let one = if application.is_some() { "and a.id = ?" } else { "" };
    let text = format!(
        "select a.exhibition_id, a.id as application_id, a.sme_id, s.brand_name, b.starts_on, b.ends_on from applications a join smes s on s.id = a.sme_id \
         left join booth_assignments x on x.application_id = coalesce(a.lead_id, a.id) and x.plan = 'live' and x.status in ('held', 'confirmed', 'checked_in') \
         left join exhibition_batches b on b.id = x.batch_id \
         where a.exhibition_id in ({}) and a.status in {TAKES_PART} {one} order by a.id limit 100000",
        marks(exhibitions.len())
    );
    let rows: Vec<ExpectedRow> = select(connection, &text, ids(exhibitions).into_iter().chain(application.map(Value::from))).await?;
    let mut expected: BTreeMap<Uuid, Expected> = BTreeMap::new();
    for row in rows {
        let entry = expected.entry(row.application_id).or_insert_with(|| Expected {
            exhibition_id: row.exhibition_id,
            application_id: row.application_id,
            sme_id: row.sme_id,
            brand_name: row.brand_name,
            days: days(None, None),
        });
        entry.days.extend(days(row.starts_on, row.ends_on));
    }
    let all_days: BTreeMap<Uuid, BTreeSet<NaiveDate>> =
        exhibitions.iter().map(|exhibition| (exhibition.id, days(exhibition.starts_on, exhibition.ends_on))).collect();
    for entry in expected.values_mut() {
        let Some(all) = all_days.get(&entry.exhibition_id) else { continue };
        entry.days.retain(|day| all.contains(day));
        if entry.days.is_empty() {
            entry.days.clone_from(all);
        }
    }
    Ok(expected.into_values().collect())
}

fn ids(exhibitions: &[Exhibition]) -> Vec<Value> {
    let ids: Vec<Value> = exhibitions.iter().map(|exhibition| exhibition.id.into()).collect();
    if ids.is_empty() { vec![Uuid::nil().into()] } else { ids }
}

const REPORT: &str =
    "select exhibition_id, application_id, day, status, sales_minor, transactions, units, visitors, orders_minor, note, version from daily_reports";

/// Reports of any number of exhibitions.
pub async fn reports(connection: &Connection, exhibitions: &[Exhibition]) -> Outcome<Vec<Report>> {
    let text = format!("{REPORT} where exhibition_id in ({}) order by day, application_id limit 200000", marks(exhibitions.len()));
    select(connection, &text, ids(exhibitions)).await
}

pub async fn report(connection: &Connection, application: Uuid, day: NaiveDate) -> Outcome<Option<Report>> {
    let found = select(connection, &format!("{REPORT} where application_id = ? and day = ?"), [application.into(), day.into()]).await?;
    Ok(found.into_iter().next())
}

/// Writes a report: a first one, or the next version of the one that was read.
pub async fn write_report(connection: &Connection, report: &Report, by: Uuid) -> Outcome<()> {
    let text = "insert into daily_reports (exhibition_id, application_id, day, status, sales_minor, transactions, units, visitors, orders_minor, note, \
                reported_by, reported_at, version) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (application_id, day) do update set \
                status = excluded.status, sales_minor = excluded.sales_minor, transactions = excluded.transactions, units = excluded.units, \
                visitors = excluded.visitors, orders_minor = excluded.orders_minor, note = excluded.note, reported_by = excluded.reported_by, \
                reported_at = excluded.reported_at, version = excluded.version where daily_reports.version = excluded.version - 1";
    let values = [
        report.exhibition_id.into(),
        report.application_id.into(),
        report.day.into(),
        sea_orm::ActiveEnum::into_value(report.status).into(),
        report.sales_minor.into(),
        report.transactions.into(),
        report.units.into(),
        report.visitors.into(),
        report.orders_minor.into(),
        report.note.clone().into(),
        by.into(),
        now().into(),
        report.version.into(),
    ];
    let written = connection.execute_raw(sql(connection, text, values)).await?.rows_affected();
    if written == 1 { Ok(()) } else { Err(Fault::new(&STALE)) }
}

/// The application of an SME among those of an exhibition.
pub async fn own(connection: &Connection, exhibition: Uuid, sme: Uuid) -> Outcome<applications::store::entity::Model> {
    let application = crate::exhibitions::store::application(connection, exhibition, sme).await?.ok_or_else(Fault::not_found)?;
    applications::store::by_id(connection, exhibition, application).await
}
