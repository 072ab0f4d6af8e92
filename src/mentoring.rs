//! Bimtek programmes and WUB groups: what the agency reads of them. Enrolment comes with its own capability.

use chrono::NaiveDate;
use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Path};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use crate::{
    app::App,
    fault::Outcome,
    http::{Member, Page, Reply, Tag},
    identity::policy::{self, ReadAgency, Scope},
    platform::{clock::now, database::sql},
    values::Localized,
};

pub struct MentoringApi;

/// A Bimtek (technical guidance) or another programme.
#[derive(Object, FromQueryResult)]
pub struct Programme {
    pub id: Uuid,
    pub title: Localized,
    pub organiser: String,
    pub venue: Option<String>,
    pub starts_on: NaiveDate,
    /// The last day, included.
    pub ends_on: NaiveDate,
    /// IANA.
    pub time_zone: String,
    /// Places.
    pub quota: Option<i64>,
    pub source: String,
    pub source_status: String,
}

/// A group of SMEs of one trade. What WUB stands for differs by source, so it is not spelled out.
#[derive(Object, FromQueryResult)]
pub struct WubGroup {
    pub id: Uuid,
    pub name: Localized,
    pub focus: String,
    pub members: i64,
    pub source: String,
    pub source_status: String,
}

pub async fn insert_programme(connection: &impl ConnectionTrait, agency: Uuid, programme: &Programme) -> Outcome<()> {
    let text = "insert into programmes (id, agency_id, kind, title, organiser, venue, starts_on, ends_on, time_zone, quota, source, source_status, created_at) \
                values (?, ?, 'bimtek', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values = [
        programme.id.into(),
        agency.into(),
        serde_json::json!(programme.title).into(),
        programme.organiser.clone().into(),
        programme.venue.clone().into(),
        programme.starts_on.into(),
        programme.ends_on.into(),
        programme.time_zone.clone().into(),
        programme.quota.into(),
        programme.source.clone().into(),
        programme.source_status.clone().into(),
        now().into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

pub async fn insert_group(connection: &impl ConnectionTrait, agency: Uuid, group: &WubGroup) -> Outcome<()> {
    let text = "insert into wub_groups (id, agency_id, name, focus, source, source_status, created_at) values (?, ?, ?, ?, ?, ?, ?)";
    let values = [
        group.id.into(),
        agency.into(),
        serde_json::json!(group.name).into(),
        group.focus.clone().into(),
        group.source.clone().into(),
        group.source_status.clone().into(),
        now().into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

pub async fn join_group(connection: &impl ConnectionTrait, group: Uuid, sme: Uuid) -> Outcome<()> {
    let text = "insert into wub_members (group_id, sme_id) values (?, ?)";
    connection.execute_raw(sql(connection, text, [group.into(), sme.into()])).await?;
    Ok(())
}

#[OpenApi(tag = "Tag::Mentoring")]
impl MentoringApi {
    /// Programmes of an agency
    #[oai(path = "/v1/agencies/:agency_id/programmes", method = "get", operation_id = "list_programmes")]
    async fn programmes(&self, app: Data<&App>, member: Member, agency_id: Path<Uuid>) -> poem::Result<Reply<Page<Programme>>> {
        policy::permit::<ReadAgency>(&member, &Scope::agency(*agency_id))?;
        let text = "select id, title, organiser, venue, starts_on, ends_on, time_zone, quota, source, source_status from programmes \
                    where agency_id = ? order by starts_on desc, id limit 500";
        Ok(Reply::new(&Page::whole(read(&app, text, *agency_id).await?, 500)))
    }

    /// WUB groups of an agency
    #[oai(path = "/v1/agencies/:agency_id/wub-groups", method = "get", operation_id = "list_wub_groups")]
    async fn groups(&self, app: Data<&App>, member: Member, agency_id: Path<Uuid>) -> poem::Result<Reply<Page<WubGroup>>> {
        policy::permit::<ReadAgency>(&member, &Scope::agency(*agency_id))?;
        let text = "select g.id, g.name, g.focus, (select count(*) from wub_members m where m.group_id = g.id) as members, g.source, g.source_status \
                    from wub_groups g where g.agency_id = ? order by g.id limit 500";
        Ok(Reply::new(&Page::whole(read(&app, text, *agency_id).await?, 500)))
    }
}

async fn read<T: FromQueryResult>(app: &App, text: &str, agency: Uuid) -> Outcome<Vec<T>> {
    let reader = app.database.reader();
    let rows = reader.query_all_raw(sql(reader, text, [agency.into()])).await?;
    Ok(rows.iter().map(|row| T::from_query_result(row, "")).collect::<Result<_, _>>()?)
}
