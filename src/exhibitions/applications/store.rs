//! SQL of applications and decisions.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter, QueryResult, Value};
use serde_json::json;
use uuid::Uuid;

use super::model::{ApplicationStatus, News, PendingDecision};
use crate::{
    exhibitions::call::model::ShownProduct,
    fault::{Fault, Outcome},
    platform::database::{Connection, marks, select, sql, update_if_version},
    values::Localized,
};

pub mod entity {
    use sea_orm::entity::prelude::*;

    use crate::{
        exhibitions::applications::model::{ApplicationStatus, PendingDecision},
        values::Localized,
    };

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "applications")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub exhibition_id: Uuid,
        pub sme_id: Uuid,
        /// The application whose booth this one shares.
        pub lead_id: Option<Uuid>,
        pub status: ApplicationStatus,
        /// Note of the coordinator who added the SME.
        pub note: Option<String>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub pitch: Option<Localized>,
        #[sea_orm(column_type = "JsonBinary")]
        pub answers: Json,
        pub pending_decision: Option<PendingDecision>,
        pub decision_reason: Option<String>,
        pub decision_reason_en: Option<String>,
        pub waitlist_rank: Option<i64>,
        pub submitted_at: Option<DateTimeUtc>,
        pub decided_at: Option<DateTimeUtc>,
        pub confirm_by: Option<DateTimeUtc>,
        pub power_needed_w: i64,
        pub preferred_batch_id: Option<Uuid>,
        pub preferred_booth_class: Option<String>,
        /// Shown at the entrance.
        pub check_in_code: String,
        pub version: i64,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub async fn by_id(connection: &Connection, exhibition: Uuid, id: Uuid) -> Outcome<entity::Model> {
    let find = entity::Entity::find_by_id(id).filter(entity::Column::ExhibitionId.eq(exhibition));
    find.one(connection).await?.ok_or_else(Fault::not_found)
}

pub async fn insert(connection: &Connection, application: entity::Model) -> Outcome<entity::Model> {
    Ok(application.into_active_model().insert(connection).await?)
}

/// Writes every column under the next version, unless somebody was faster.
pub async fn update(connection: &Connection, mut application: entity::Model) -> Outcome<entity::Model> {
    let read = application.version;
    application.version += 1;
    let changed = application.clone().into_active_model().reset_all();
    update_if_version(connection, changed, (entity::Column::Id, application.id), (entity::Column::Version, read)).await?;
    Ok(application)
}

/// Lets those who share the booth of `lead` follow its status.
pub async fn follow(connection: &Connection, lead: &entity::Model, from: ApplicationStatus) -> Outcome<()> {
    let text = "update applications set status = ?, decided_at = ?, confirm_by = ?, version = version + 1 where lead_id = ? and status = ?";
    let status = |status| sea_orm::ActiveEnum::into_value(status);
    let values = [status(lead.status).into(), lead.decided_at.into(), lead.confirm_by.into(), lead.id.into(), status(from).into()];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// An application with the name that people know it by.
#[derive(FromQueryResult)]
pub struct Named {
    #[sea_orm(nested)]
    pub application: entity::Model,
    pub brand_name: String,
}

const NAMED: &str = "select a.*, s.brand_name from applications a join smes s on s.id = a.sme_id";

pub async fn named(connection: &Connection, exhibition: Uuid, id: Uuid) -> Outcome<Named> {
    let text = format!("{NAMED} where a.exhibition_id = ? and a.id = ?");
    let row = connection.query_one_raw(sql(connection, &text, [exhibition.into(), id.into()])).await?.ok_or_else(Fault::not_found)?;
    Ok(Named::from_query_result(&row, "")?)
}

/// Applications by id.
pub async fn list(
    connection: &Connection,
    exhibition: Uuid,
    status: Option<ApplicationStatus>,
    after: Option<Uuid>,
    limit: i64,
) -> Outcome<Vec<Named>> {
    let mut text = format!("{NAMED} where a.exhibition_id = ?");
    let mut values = vec![exhibition.into()];
    if let Some(status) = status {
        text.push_str(" and a.status = ?");
        values.push(sea_orm::ActiveEnum::into_value(status).into());
    }
    if let Some(after) = after {
        text.push_str(" and a.id > ?");
        values.push(after.into());
    }
    text.push_str(" order by a.id limit ?");
    values.push(limit.into());
    rows(connection.query_all_raw(sql(connection, &text, values)).await?)
}

/// Applications with a decision that is not released, in order of the decision.
pub async fn pending(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Named>> {
    let text = format!(
        "{NAMED} where a.exhibition_id = ? and a.pending_decision is not null order by a.pending_decision, a.waitlist_rank, a.id limit 10000"
    );
    rows(connection.query_all_raw(sql(connection, &text, [exhibition.into()])).await?)
}

/// The waitlist in order.
pub async fn waitlist(connection: &Connection, exhibition: Uuid, limit: i64) -> Outcome<Vec<Named>> {
    let text = format!("{NAMED} where a.exhibition_id = ? and a.status = 'waitlisted' and a.lead_id is null order by a.waitlist_rank, a.id limit ?");
    rows(connection.query_all_raw(sql(connection, &text, [exhibition.into(), limit.into()])).await?)
}

/// Those who have a place for sure, or had one.
pub async fn with_place(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Named>> {
    let text = format!("{NAMED} where a.exhibition_id = ? and a.status in ('confirmed', 'attended', 'no_show') order by a.id limit 10000");
    rows(connection.query_all_raw(sql(connection, &text, [exhibition.into()])).await?)
}

fn rows(rows: Vec<QueryResult>) -> Outcome<Vec<Named>> {
    Ok(rows.iter().map(|row| Named::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// Wished products by application, of some or of all of an exhibition, in one statement.
pub async fn products(connection: &Connection, exhibition: Uuid, only: Option<&[Uuid]>) -> Outcome<HashMap<Uuid, Vec<ShownProduct>>> {
    let some = only.map(|only| format!("and a.id in ({})", marks(only.len()))).unwrap_or_default();
    let text = format!(
        "select a.id as application_id, p.id, p.title, c.path, c.is_food from applications a join application_products w on w.application_id = a.id \
         join products p on p.id = w.product_id join categories c on c.id = p.category_id where a.exhibition_id = ? {some} order by p.id"
    );
    let values = [exhibition].into_iter().chain(only.into_iter().flatten().copied()).map(Into::into);
    let mut products: HashMap<Uuid, Vec<ShownProduct>> = HashMap::new();
    for row in connection.query_all_raw(sql(connection, &text, values)).await? {
        let product = ShownProduct {
            id: row.try_get("", "id")?,
            title: row.try_get::<Localized>("", "title")?,
            category_path: row.try_get("", "path")?,
            is_food: row.try_get::<i64>("", "is_food")? == 1,
        };
        products.entry(row.try_get("", "application_id")?).or_default().push(product);
    }
    Ok(products)
}

/// Replaces the wished products; the database refuses those of another SME.
pub async fn set_products(connection: &Connection, application: Uuid, products: &[Uuid]) -> Outcome<()> {
    connection.execute_raw(sql(connection, "delete from application_products where application_id = ?", [application.into()])).await?;
    for product in products {
        let text = "insert into application_products (application_id, product_id) values (?, ?) on conflict do nothing";
        connection.execute_raw(sql(connection, text, [application.into(), (*product).into()])).await?;
    }
    Ok(())
}

/// Whether two SMEs belong to one WUB group.
pub async fn share_a_group(connection: &Connection, one: Uuid, other: Uuid) -> Outcome<bool> {
    let text = "select 1 as one from wub_members a join wub_members b on b.group_id = a.group_id where a.sme_id = ? and b.sme_id = ?";
    Ok(connection.query_one_raw(sql(connection, text, [one.into(), other.into()])).await?.is_some())
}

/// What was submitted is under review from now on.
pub async fn start_review(connection: &Connection, exhibition: Uuid) -> Outcome<u64> {
    let text = "update applications set status = 'under_review', version = version + 1 where exhibition_id = ? and status = 'submitted'";
    Ok(connection.execute_raw(sql(connection, text, [exhibition.into()])).await?.rows_affected())
}

/// A decision to be prepared, or taken back.
pub struct Prepared {
    pub application: Uuid,
    pub decision: Option<PendingDecision>,
    pub reason: Option<String>,
    pub reason_en: Option<String>,
    pub waitlist_rank: Option<i64>,
}

/// Those who lead their booth and wait for a decision.
pub async fn undecided(connection: &Connection, exhibition: Uuid) -> Outcome<HashSet<Uuid>> {
    let text = "select id from applications where exhibition_id = ? and lead_id is null and status in ('submitted', 'under_review')";
    let rows = connection.query_all_raw(sql(connection, text, [exhibition.into()])).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// Applications that SMEs of somebody have part in: their own, and those that lead a booth which they share.
pub async fn of_smes(connection: &Connection, exhibition: Uuid, smes: &[Uuid]) -> Outcome<HashSet<Uuid>> {
    if smes.is_empty() {
        return Ok(HashSet::new());
    }
    let places = vec!["?"; smes.len()].join(", ");
    let text = format!(
        "select id from applications where exhibition_id = ? and sme_id in ({places}) \
         union select lead_id from applications where exhibition_id = ? and lead_id is not null and sme_id in ({places})"
    );
    let once = || std::iter::once(exhibition.into()).chain(smes.iter().map(|sme| (*sme).into()));
    let rows = connection.query_all_raw(sql(connection, &text, once().chain(once()))).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// Those for whom a decision is prepared and not released.
pub async fn with_pending_decision(connection: &Connection, exhibition: Uuid) -> Outcome<HashSet<Uuid>> {
    let text = "select id from applications where exhibition_id = ? and pending_decision is not null";
    let rows = connection.query_all_raw(sql(connection, text, [exhibition.into()])).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// Whether a user prepared any of the decisions that are not released.
pub async fn has_prepared(connection: &Connection, exhibition: Uuid, user: Uuid) -> Outcome<bool> {
    let text = "select 1 as one from applications where exhibition_id = ? and pending_decision is not null and pending_by = ? limit 1";
    Ok(connection.query_one_raw(sql(connection, text, [exhibition.into(), user.into()])).await?.is_some())
}

/// Prepares decisions, thousands in one statement. Returns how many of them could be.
pub async fn prepare(connection: &Connection, exhibition: Uuid, prepared: &[Prepared], by: Uuid) -> Outcome<u64> {
    let mut done = 0;
    for chunk in prepared.chunks(2_000) {
        // `column1`, `column2` and so on: both engines name the columns of a list of values this way.
        let text = format!(
            "update applications set pending_decision = v.column2, decision_reason = v.column3, decision_reason_en = v.column4, \
             waitlist_rank = v.column5, pending_by = ?, version = version + 1 from (values {}) as v where applications.id = v.column1 \
             and exhibition_id = ? and lead_id is null and status in ('submitted', 'under_review')",
            vec!["(?, ?, ?, ?, ?)"; chunk.len()].join(", ")
        );
        let row = |prepared: &Prepared| -> [Value; 5] {
            [
                prepared.application.into(),
                prepared.decision.map(sea_orm::ActiveEnum::into_value).into(),
                prepared.reason.clone().into(),
                prepared.reason_en.clone().into(),
                prepared.waitlist_rank.into(),
            ]
        };
        let values = std::iter::once(by.into()).chain(chunk.iter().flat_map(row)).chain([exhibition.into()]);
        done += connection.execute_raw(sql(connection, &text, values)).await?.rows_affected();
    }
    Ok(done)
}

/// Takes back every decision that is not released.
pub async fn clear(connection: &Connection, exhibition: Uuid) -> Outcome<u64> {
    let text = "update applications set pending_decision = null, decision_reason = null, decision_reason_en = null, waitlist_rank = null, version = version + 1 \
                where exhibition_id = ? and pending_decision is not null";
    Ok(connection.execute_raw(sql(connection, text, [exhibition.into()])).await?.rows_affected())
}

/// Releases what is prepared, at the moment `at`, which then marks it. Those who share a booth follow.
pub async fn release(connection: &Connection, exhibition: Uuid, at: DateTime<Utc>, confirm_by: DateTime<Utc>) -> Outcome<u64> {
    let text = "update applications set status = case pending_decision when 'accept' then 'accepted' when 'waitlist' then 'waitlisted' else 'rejected' end, \
                decided_at = ?, confirm_by = case pending_decision when 'accept' then ? end, pending_decision = null, version = version + 1 \
                where exhibition_id = ? and pending_decision is not null and status = 'under_review'";
    let released = connection.execute_raw(sql(connection, text, [at.into(), confirm_by.into(), exhibition.into()])).await?.rows_affected();
    let text = "update applications set status = (select l.status from applications l where l.id = applications.lead_id), decided_at = ?, \
                confirm_by = (select l.confirm_by from applications l where l.id = applications.lead_id), version = version + 1 \
                where exhibition_id = ? and status = 'under_review' \
                and lead_id in (select l.id from applications l where l.exhibition_id = ? and l.decided_at = ?)";
    let values = [at.into(), exhibition.into(), exhibition.into(), at.into()];
    let followed = connection.execute_raw(sql(connection, text, values)).await?.rows_affected();
    Ok(released + followed)
}

/// Offers that nobody confirmed in time, locked by the call.
pub async fn lapsed(connection: &Connection, exhibition: Uuid, at: DateTime<Utc>) -> Outcome<Vec<entity::Model>> {
    let find =
        entity::Entity::find().filter(entity::Column::ExhibitionId.eq(exhibition)).filter(entity::Column::Status.eq(ApplicationStatus::Accepted));
    let find = find.filter(entity::Column::LeadId.is_null()).filter(entity::Column::ConfirmBy.lt(at));
    Ok(find.all(connection).await?)
}

/// When the next offer runs out.
pub async fn next_lapse(connection: &Connection, exhibition: Uuid) -> Outcome<Option<DateTime<Utc>>> {
    let text = "select min(confirm_by) as confirm_by from applications where exhibition_id = ? and status = 'accepted'";
    let row = connection.query_one_raw(sql(connection, text, [exhibition.into()])).await?;
    Ok(row.map(|row| row.try_get("", "confirm_by")).transpose()?.flatten())
}

/// Gives the waitlist this order, thousands in one statement.
pub async fn rank(connection: &Connection, exhibition: Uuid, order: &[Uuid]) -> Outcome<()> {
    let ranked: Vec<(i64, Uuid)> = (1..).zip(order.iter().copied()).collect();
    for chunk in ranked.chunks(5_000) {
        let text = format!(
            "update applications set waitlist_rank = v.column2, version = version + 1 from (values {}) as v \
             where applications.id = v.column1 and exhibition_id = ? and status = 'waitlisted'",
            vec!["(?, ?)"; chunk.len()].join(", ")
        );
        let values = chunk.iter().flat_map(|(rank, id)| [Value::from(*id), (*rank).into()]).chain([exhibition.into()]);
        connection.execute_raw(sql(connection, &text, values)).await?;
    }
    Ok(())
}

/// The last rank that is given, waiting or prepared.
pub async fn last_rank(connection: &Connection, exhibition: Uuid) -> Outcome<i64> {
    let text = "select coalesce(max(waitlist_rank), 0) as last from applications where exhibition_id = ?";
    let row = connection.query_one_raw(sql(connection, text, [exhibition.into()])).await?;
    row.map_or(Ok(0), |row| Ok(row.try_get("", "last")?))
}

/// An application of a booth, which leads it or shares it.
#[derive(FromQueryResult)]
pub struct GroupMember {
    pub lead_id: Uuid,
    pub application_id: Uuid,
    pub sme_id: Uuid,
}

/// Who stands together, leads among them; without those who left or have not handed in.
pub async fn group_members(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<GroupMember>> {
    let text = "select coalesce(lead_id, id) as lead_id, id as application_id, sme_id from applications where exhibition_id = ? \
                and status not in ('withdrawn', 'draft') order by id";
    select(connection, text, [exhibition.into()]).await
}

/// Tells every SME whose application was decided on at `at`, once.
pub async fn tell_decided(connection: &Connection, exhibition: Uuid, at: DateTime<Utc>) -> Outcome<()> {
    let text = "insert into notices (sme_id, subject_id, kind, at, data, reason, reason_en, confirm_by) \
                select sme_id, id, status, ?, ?, decision_reason, decision_reason_en, confirm_by from applications where exhibition_id = ? and decided_at = ?";
    let data = json!({ "exhibition_id": exhibition });
    connection.execute_raw(sql(connection, text, [at.into(), data.into(), exhibition.into(), at.into()])).await?;
    Ok(())
}

/// Tells every SME that still hopes or has a place what becomes of the exhibition itself.
pub async fn tell_all(connection: &Connection, exhibition: Uuid, news: News, data: serde_json::Value, at: DateTime<Utc>) -> Outcome<()> {
    let text = "insert into notices (sme_id, subject_id, kind, at, data) select sme_id, id, ?, ?, ? from applications where exhibition_id = ? \
                and status not in ('withdrawn', 'rejected', 'declined', 'lapsed')";
    connection.execute_raw(sql(connection, text, [news.name().into(), at.into(), data.into(), exhibition.into()])).await?;
    Ok(())
}

/// Tells one SME, and those who share its booth.
pub async fn tell(connection: &Connection, application: &entity::Model, at: DateTime<Utc>) -> Outcome<()> {
    let text = "insert into notices (sme_id, subject_id, kind, at, data, reason, reason_en, confirm_by) \
         select sme_id, id, status, ?, ?, decision_reason, decision_reason_en, confirm_by from applications where id = ? or lead_id = ?";
    let data = json!({ "exhibition_id": application.exhibition_id });
    let values = [at.into(), data.into(), application.id.into(), application.id.into()];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// A notice with what its words need.
#[derive(FromQueryResult)]
pub struct NoticeRow {
    pub application_id: Uuid,
    pub exhibition_id: Uuid,
    pub kind: String,
    pub at: DateTime<Utc>,
    pub data: serde_json::Value,
    /// What the application is now.
    pub status: ApplicationStatus,
    pub title: Localized,
    pub time_zone: String,
    pub reason: Option<String>,
    pub reason_en: Option<String>,
    pub confirm_by: Option<DateTime<Utc>>,
}

/// The newest notices of an SME.
pub async fn notices(connection: &Connection, sme: Uuid) -> Outcome<Vec<NoticeRow>> {
    let text = "select n.subject_id as application_id, e.id as exhibition_id, n.kind, n.at, n.data, a.status, e.title, e.time_zone, n.reason, n.reason_en, n.confirm_by \
                from notices n join applications a on a.id = n.subject_id join exhibitions e on e.id = a.exhibition_id \
                where n.sme_id = ? order by n.at desc, n.subject_id limit 100";
    let rows = connection.query_all_raw(sql(connection, text, [sme.into()])).await?;
    Ok(rows.iter().map(|row| NoticeRow::from_query_result(row, "")).collect::<Result<_, _>>()?)
}
