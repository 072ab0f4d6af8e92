//! SQL of selection runs, and of what they are computed from.

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    exhibitions::store::entity::Model as Exhibition,
    fault::{Fault, Outcome},
    platform::database::{Connection, select, sql},
};

/// An applicant that leads its booth and waits for a decision.
#[derive(FromQueryResult)]
pub struct Applicant {
    pub application_id: Uuid,
    pub is_wub: i64,
}

pub async fn applicants(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Applicant>> {
    let text = "select a.id as application_id, case when exists (select 1 from wub_members m where m.sme_id = a.sme_id) \
                or exists (select 1 from applications f where f.lead_id = a.id and f.status <> 'withdrawn') then cast(1 as bigint) else 0 end as is_wub \
                from applications a where a.exhibition_id = ? and a.lead_id is null and a.status in ('submitted', 'under_review') order by a.id limit 10000";
    select(connection, text, [exhibition.into()]).await
}

/// What the SME of an application, or one that shares its booth, did at earlier exhibitions of the agency.
#[derive(FromQueryResult)]
pub struct History {
    /// The application that leads the booth.
    pub application_id: Uuid,
    pub participations: i64,
    pub recent_participations: i64,
    pub recent_no_shows: i64,
}

/// History of every applicant and of those who share a booth, one row for each SME. An exhibition of unknown date counts
/// as participation, but not as a recent one.
pub async fn history(connection: &Connection, exhibition: &Exhibition, since: Option<NaiveDate>) -> Outcome<Vec<History>> {
    let sum = |condition: &str| format!("cast(sum(case when {condition} then 1 else 0 end) as bigint)");
    let text = format!(
        "select coalesce(a.lead_id, a.id) as application_id, {} as participations, {} as recent_participations, {} as recent_no_shows \
         from applications a join applications p on p.sme_id = a.sme_id and p.exhibition_id <> a.exhibition_id \
         join exhibitions e on e.id = p.exhibition_id where a.exhibition_id = ? and e.agency_id = ? \
         and e.status in ('ongoing', 'completed', 'archived') and p.status in ('confirmed', 'attended', 'no_show') group by a.id, a.lead_id",
        sum("p.status <> 'no_show'"),
        sum("p.status <> 'no_show' and e.ends_on >= ?"),
        sum("p.status = 'no_show' and e.ends_on >= ?"),
    );
    select(connection, &text, [since.into(), since.into(), exhibition.id.into(), exhibition.agency_id.into()]).await
}

/// A run as it is stored.
#[derive(FromQueryResult)]
pub struct Run {
    pub id: Uuid,
    pub params: Value,
    pub inputs: Value,
    pub inputs_sha256: String,
    pub result: Value,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
}

pub async fn insert(connection: &Connection, exhibition: Uuid, run: &Run) -> Outcome<()> {
    let text = "insert into selection_runs (id, exhibition_id, params, inputs, inputs_sha256, result, created_by, created_at) values (?, ?, ?, ?, ?, ?, ?, ?)";
    let values = [
        run.id.into(),
        exhibition.into(),
        run.params.clone().into(),
        run.inputs.clone().into(),
        run.inputs_sha256.clone().into(),
        run.result.clone().into(),
        run.created_by.into(),
        run.created_at.into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

pub async fn run(connection: &Connection, exhibition: Uuid, id: Uuid) -> Outcome<Run> {
    let text = "select id, params, inputs, inputs_sha256, result, created_by, created_at from selection_runs where exhibition_id = ? and id = ?";
    select(connection, text, [exhibition.into(), id.into()]).await?.into_iter().next().ok_or_else(Fault::not_found)
}

/// A run without its inputs and lines.
#[derive(FromQueryResult)]
pub struct RunHead {
    pub id: Uuid,
    pub params: Value,
    pub inputs_sha256: String,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
}

/// The newest runs.
pub async fn runs(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<RunHead>> {
    let text = "select id, params, inputs_sha256, created_by, created_at from selection_runs where exhibition_id = ? order by id desc limit 100";
    select(connection, text, [exhibition.into()]).await
}
