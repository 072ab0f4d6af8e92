//! Bimtek programmes and WUB groups, as far as the agency reads them, and who mentors which SME.

use chrono::NaiveDate;
use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Path};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::{
    app::App,
    fault::{Fault, Outcome, say},
    http::{Body, Member, Page, Reply, Tag, Work, Write, reply::NoContent},
    identity::policy::{self, ManageMentors, Permit, ReadAgency, ReadSme, Scope},
    platform::{
        clock::now,
        database::{Connection, select, sql},
    },
    sme,
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

pub async fn insert_programme(connection: &Connection, agency: Uuid, programme: &Programme) -> Outcome<()> {
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

pub async fn insert_group(connection: &Connection, agency: Uuid, group: &WubGroup) -> Outcome<()> {
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

pub async fn join_group(connection: &Connection, group: Uuid, sme: Uuid) -> Outcome<()> {
    let text = "insert into wub_members (group_id, sme_id) values (?, ?)";
    connection.execute_raw(sql(connection, text, [group.into(), sme.into()])).await?;
    Ok(())
}

/// Somebody who mentors an SME, and so does not review its applications.
#[derive(Object, FromQueryResult)]
pub struct Mentor {
    pub user_id: Uuid,
    pub display_name: String,
}

/// A mentor to be assigned: staff of an agency of the SME.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewMentor {
    pub user_id: Uuid,
}

async fn mentors(connection: &Connection, sme: Uuid) -> Outcome<Vec<Mentor>> {
    let text = "select u.id as user_id, u.display_name from mentor_assignments m join users u on u.id = m.mentor_id where m.sme_id = ? \
                order by m.created_at, u.id limit 100";
    select(connection, text, [sme.into()]).await
}

async fn add_mentor(work: &Work, permit: &Permit<ManageMentors>, sme: Uuid, mentor: Uuid) -> Outcome<()> {
    // Whoever mentors an SME does not review it, and what they wrote counts no more.
    permit.not_ones_own(sme)?;
    let staff = "select 1 as one from agency_members a join sme_agencies s on s.agency_id = a.agency_id where s.sme_id = ? and a.user_id = ? limit 1";
    if work.db().query_one_raw(sql(work.db(), staff, [sme.into(), mentor.into()])).await?.is_none() {
        return Err(Fault::invalid_field("/user_id", "unknown", say("Bukan staf dinas pembina IKM ini.", "Not staff of an agency of this SME.")));
    }
    let text =
        "insert into mentor_assignments (sme_id, mentor_id, assigned_by, created_at) values (?, ?, ?, ?) on conflict (sme_id, mentor_id) do nothing";
    work.db().execute_raw(sql(work.db(), text, [sme.into(), mentor.into(), permit.by().into(), now().into()])).await?;
    work.audit(permit, "add_mentor", "sme", sme, json!({ "mentor": mentor }), None).await
}

async fn remove_mentor(work: &Work, permit: &Permit<ManageMentors>, sme: Uuid, mentor: Uuid) -> Outcome<()> {
    permit.not_ones_own(sme)?;
    let text = "delete from mentor_assignments where sme_id = ? and mentor_id = ?";
    if work.db().execute_raw(sql(work.db(), text, [sme.into(), mentor.into()])).await?.rows_affected() == 0 {
        return Err(Fault::not_found());
    }
    work.audit(permit, "remove_mentor", "sme", sme, json!({ "mentor": mentor }), None).await
}

#[OpenApi(tag = "Tag::Mentoring")]
impl MentoringApi {
    /// Programmes of an agency
    #[oai(path = "/v1/agencies/:agency_id/programmes", method = "get", operation_id = "list_programmes")]
    async fn programmes(&self, app: Data<&App>, member: Member, agency_id: Path<Uuid>) -> poem::Result<Reply<Page<Programme>>> {
        policy::permit::<ReadAgency>(&member, &Scope::agency(*agency_id))?;
        let text = "select id, title, organiser, venue, starts_on, ends_on, time_zone, quota, source, source_status from programmes \
                    where agency_id = ? order by starts_on desc, id limit 500";
        Ok(Reply::new(&Page::whole(select(app.database.reader(), text, [agency_id.0.into()]).await?, 500)))
    }

    /// WUB groups of an agency
    #[oai(path = "/v1/agencies/:agency_id/wub-groups", method = "get", operation_id = "list_wub_groups")]
    async fn groups(&self, app: Data<&App>, member: Member, agency_id: Path<Uuid>) -> poem::Result<Reply<Page<WubGroup>>> {
        policy::permit::<ReadAgency>(&member, &Scope::agency(*agency_id))?;
        let text = "select g.id, g.name, g.focus, (select count(*) from wub_members m where m.group_id = g.id) as members, g.source, g.source_status \
                    from wub_groups g where g.agency_id = ? order by g.id limit 500";
        Ok(Reply::new(&Page::whole(select(app.database.reader(), text, [agency_id.0.into()]).await?, 500)))
    }

    /// Who mentors an SME
    #[oai(path = "/v1/smes/:sme_id/mentors", method = "get", operation_id = "list_mentors")]
    async fn mentors(&self, app: Data<&App>, member: Member, sme_id: Path<Uuid>) -> poem::Result<Reply<Page<Mentor>>> {
        let reader = app.database.reader();
        policy::permit::<ReadSme>(&member, &sme::store::scope(reader, *sme_id).await?)?;
        Ok(Reply::new(&Page::whole(mentors(reader, *sme_id).await?, 100)))
    }

    /// Assign a mentor
    ///
    /// Who mentors an SME does not review its applications; what they reviewed before no longer counts.
    #[oai(path = "/v1/smes/:sme_id/mentors", method = "post", operation_id = "add_mentor")]
    async fn add(&self, member: Member, write: Write, sme_id: Path<Uuid>, body: Body<NewMentor>) -> poem::Result<Reply<Page<Mentor>>> {
        let work = write.begin(&member, body.bytes()).await?;
        let permit = policy::permit::<ManageMentors>(&member, &sme::store::scope(work.db(), *sme_id).await?)?;
        add_mentor(&work, &permit, *sme_id, body.read()?.user_id).await?;
        let reply = Reply::new(&Page::whole(mentors(work.db(), *sme_id).await?, 100));
        work.finish(reply).await
    }

    /// End the mentoring of an SME
    #[oai(path = "/v1/smes/:sme_id/mentors/:user_id", method = "delete", operation_id = "remove_mentor")]
    async fn remove(&self, member: Member, write: Write, sme_id: Path<Uuid>, user_id: Path<Uuid>) -> poem::Result<NoContent> {
        let work = write.begin(&member, &[]).await?;
        let permit = policy::permit::<ManageMentors>(&member, &sme::store::scope(work.db(), *sme_id).await?)?;
        remove_mentor(&work, &permit, *sme_id, *user_id).await?;
        work.finish_empty().await
    }
}
