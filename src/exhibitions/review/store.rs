//! SQL of rubrics, phases, assignments and reviews.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use serde_json::json;
use uuid::Uuid;

use super::model::{Given, Pair, Phase, RubricCategory, means};
use crate::{
    fault::Outcome,
    platform::{
        clock::now,
        database::{Connection, insert_many, select, sql},
    },
    values::Localized,
};

pub async fn rubric(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<RubricCategory>> {
    let text = "select id, name, weight_bp, is_required from rubric_categories where exhibition_id = ? order by position, id limit 50";
    select(connection, text, [exhibition.into()]).await
}

pub async fn is_scored(connection: &Connection, exhibition: Uuid) -> Outcome<bool> {
    let text = "select 1 as one from review_scores where exhibition_id = ? limit 1";
    Ok(connection.query_one_raw(sql(connection, text, [exhibition.into()])).await?.is_some())
}

/// Replaces the rubric; the database refuses that once something is scored.
pub async fn set_rubric(connection: &Connection, exhibition: Uuid, rubric: &[RubricCategory]) -> Outcome<()> {
    connection.execute_raw(sql(connection, "delete from rubric_categories where exhibition_id = ?", [exhibition.into()])).await?;
    let row = |(position, category): (usize, &RubricCategory)| {
        let position = Value::from(position as i64);
        vec![category.id.into(), exhibition.into(), position, json!(category.name).into(), category.weight_bp.into(), category.is_required.into()]
    };
    let rows = rubric.iter().enumerate().map(row).collect();
    insert_many(connection, "rubric_categories (id, exhibition_id, position, name, weight_bp, is_required)", rows).await
}

pub async fn phases(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Phase>> {
    let text =
        "select name, can_review, see_others, is_blind, ends_at, is_active from review_phases where exhibition_id = ? order by position limit 50";
    select(connection, text, [exhibition.into()]).await
}

pub async fn active_phase(connection: &Connection, exhibition: Uuid) -> Outcome<Option<Phase>> {
    Ok(phases(connection, exhibition).await?.into_iter().find(|phase| phase.is_active == 1))
}

pub async fn set_phases(connection: &Connection, exhibition: Uuid, phases: &[Phase]) -> Outcome<()> {
    connection.execute_raw(sql(connection, "delete from review_phases where exhibition_id = ?", [exhibition.into()])).await?;
    let row = |(position, phase): (usize, &Phase)| {
        vec![
            exhibition.into(),
            Value::from(position as i64),
            json!(phase.name).into(),
            phase.can_review.into(),
            sea_orm::ActiveEnum::into_value(phase.see_others).into(),
            phase.is_blind.into(),
            phase.ends_at.into(),
            phase.is_active.into(),
        ]
    };
    let rows = phases.iter().enumerate().map(row).collect();
    insert_many(connection, "review_phases (exhibition_id, position, name, can_review, see_others, is_blind, ends_at, is_active)", rows).await
}

/// Applications that wait for reviews: submitted, leading their booth, by id.
pub async fn reviewable(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Uuid>> {
    let text =
        "select id from applications where exhibition_id = ? and lead_id is null and status in ('submitted', 'under_review') order by id limit 10000";
    let rows = connection.query_all_raw(sql(connection, text, [exhibition.into()])).await?;
    Ok(rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// The staff of an agency who may review.
pub async fn reviewers(connection: &Connection, agency: Uuid) -> Outcome<HashSet<Uuid>> {
    let text = "select distinct user_id from agency_members where agency_id = ? and role in ('curator', 'mentor', 'coordinator', 'head')";
    let rows = connection.query_all_raw(sql(connection, text, [agency.into()])).await?;
    Ok(rows.iter().map(|row| row.try_get("", "user_id")).collect::<Result<_, _>>()?)
}

#[derive(FromQueryResult)]
struct PairRow {
    application_id: Uuid,
    reviewer_id: Uuid,
}

async fn pairs(connection: &Connection, text: &str, exhibition: Uuid) -> Outcome<Vec<Pair>> {
    let rows: Vec<PairRow> = select(connection, text, [exhibition.into()]).await?;
    Ok(rows.into_iter().map(|row| (row.application_id, row.reviewer_id)).collect())
}

/// Who works on what.
pub async fn assigned(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Pair>> {
    pairs(connection, "select application_id, reviewer_id from review_assignments where exhibition_id = ? and recused_because is null", exhibition)
        .await
}

/// Who must not work on what: conflicts of interest and recusals.
pub async fn barred(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Pair>> {
    let conflicts = pairs(connection, "select application_id, user_id as reviewer_id from review_conflicts where exhibition_id = ?", exhibition);
    let mut barred = conflicts.await?;
    let recused = "select application_id, reviewer_id from review_assignments where exhibition_id = ? and recused_because is not null";
    barred.extend(pairs(connection, recused, exhibition).await?);
    Ok(barred)
}

pub async fn assign(connection: &Connection, exhibition: Uuid, pairs: &[Pair]) -> Outcome<()> {
    let at = now();
    let rows = pairs.iter().map(|(application, reviewer)| vec![(*application).into(), (*reviewer).into(), exhibition.into(), at.into()]).collect();
    insert_many(connection, "review_assignments (application_id, reviewer_id, exhibition_id, created_at)", rows).await
}

/// Takes an assignment back; returns false if there is none.
pub async fn unassign(connection: &Connection, exhibition: Uuid, (application, reviewer): Pair) -> Outcome<bool> {
    let text = "delete from review_assignments where exhibition_id = ? and application_id = ? and reviewer_id = ?";
    let values = [exhibition.into(), application.into(), reviewer.into()];
    Ok(connection.execute_raw(sql(connection, text, values)).await?.rows_affected() == 1)
}

/// Notes that a reviewer steps aside, assigned or not.
pub async fn recuse(connection: &Connection, exhibition: Uuid, (application, reviewer): Pair, reason: &str) -> Outcome<()> {
    let text = "insert into review_assignments (application_id, reviewer_id, exhibition_id, recused_because, created_at) values (?, ?, ?, ?, ?) \
                on conflict (application_id, reviewer_id) do update set recused_because = excluded.recused_because";
    let values = [application.into(), reviewer.into(), exhibition.into(), reason.into(), now().into()];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// What a reviewer has to do with an application.
#[derive(FromQueryResult)]
pub struct Standing {
    pub is_assigned: i64,
    pub is_recused: i64,
    pub has_review: i64,
    pub has_conflict: i64,
}

pub async fn standing(connection: &Connection, (application, reviewer): Pair) -> Outcome<Standing> {
    let text = "select (select count(*) from review_assignments where application_id = ? and reviewer_id = ? and recused_because is null) as is_assigned, \
                (select count(*) from review_assignments where application_id = ? and reviewer_id = ? and recused_because is not null) as is_recused, \
                (select count(*) from reviews where application_id = ? and reviewer_id = ?) as has_review, \
                (select count(*) from review_conflicts where application_id = ? and user_id = ?) as has_conflict";
    let values = (0..4).flat_map(|_| [Value::from(application), Value::from(reviewer)]);
    let rows = select(connection, text, values).await?;
    Ok(rows.into_iter().next().unwrap_or(Standing { is_assigned: 0, is_recused: 0, has_review: 0, has_conflict: 0 }))
}

/// Writes the one review of a reviewer, in place of an earlier one.
pub async fn write(connection: &Connection, exhibition: Uuid, (application, reviewer): Pair, comment: &str, scores: &[(Uuid, i64)]) -> Outcome<()> {
    let text = "insert into reviews (application_id, reviewer_id, exhibition_id, comment, created_at, updated_at) values (?, ?, ?, ?, ?, ?) \
                on conflict (application_id, reviewer_id) do update set comment = excluded.comment, updated_at = excluded.updated_at";
    let values = [application.into(), reviewer.into(), exhibition.into(), comment.into(), now().into(), now().into()];
    connection.execute_raw(sql(connection, text, values)).await?;
    let gone = "delete from review_scores where application_id = ? and reviewer_id = ?";
    connection.execute_raw(sql(connection, gone, [application.into(), reviewer.into()])).await?;
    let row = |(category, score): &(Uuid, i64)| vec![application.into(), reviewer.into(), exhibition.into(), (*category).into(), (*score).into()];
    let rows = scores.iter().map(row).collect();
    insert_many(connection, "review_scores (application_id, reviewer_id, exhibition_id, category_id, score)", rows).await
}

pub async fn delete(connection: &Connection, exhibition: Uuid, (application, reviewer): Pair) -> Outcome<bool> {
    let text = "delete from reviews where exhibition_id = ? and application_id = ? and reviewer_id = ?";
    let values = [exhibition.into(), application.into(), reviewer.into()];
    Ok(connection.execute_raw(sql(connection, text, values)).await?.rows_affected() == 1)
}

/// A review with the name of who wrote it.
#[derive(FromQueryResult)]
pub struct ReviewRow {
    pub reviewer_id: Uuid,
    pub reviewer: String,
    pub comment: String,
    pub updated_at: DateTime<Utc>,
    pub has_conflict: i64,
}

pub async fn reviews(connection: &Connection, application: Uuid) -> Outcome<Vec<ReviewRow>> {
    let text = "select r.reviewer_id, u.display_name as reviewer, r.comment, r.updated_at, \
                (select count(*) from review_conflicts c where c.application_id = r.application_id and c.user_id = r.reviewer_id) as has_conflict \
                from reviews r join users u on u.id = r.reviewer_id where r.application_id = ? order by r.created_at, r.reviewer_id limit 200";
    select(connection, text, [application.into()]).await
}

#[derive(FromQueryResult)]
pub struct ScoreRow {
    pub reviewer_id: Uuid,
    pub category_id: Uuid,
    pub score: i64,
}

pub async fn scores(connection: &Connection, application: Uuid) -> Outcome<Vec<ScoreRow>> {
    let text = "select reviewer_id, category_id, score from review_scores where application_id = ? limit 10000";
    select(connection, text, [application.into()]).await
}

/// What the reviews of one application, or of all of an exhibition, give. Reviews by people who have a conflict of
/// interest by now are left out.
pub async fn given(connection: &Connection, exhibition: Uuid, application: Option<Uuid>) -> Outcome<Vec<Given>> {
    let one = if application.is_some() { "and s.application_id = ?" } else { "" };
    let text = format!(
        "select s.application_id, s.reviewer_id, cast(sum(s.score * c.weight_bp) as bigint) as points, cast(sum(c.weight_bp) as bigint) as weight \
                from review_scores s join rubric_categories c on c.id = s.category_id \
                left join review_conflicts x on x.application_id = s.application_id and x.user_id = s.reviewer_id \
                where s.exhibition_id = ? and x.user_id is null {one} group by s.application_id, s.reviewer_id"
    );
    select(connection, &text, [exhibition].into_iter().chain(application).map(Into::into)).await
}

/// An application as its reviewer meets it.
#[derive(FromQueryResult)]
pub struct CaseRow {
    pub application_id: Uuid,
    pub sme_id: Uuid,
    pub brand_name: String,
    pub pitch: Option<Localized>,
    pub answers: serde_json::Value,
    pub is_reviewed: i64,
}

/// What a reviewer has to do, by id, after `after`.
pub async fn queue(connection: &Connection, exhibition: Uuid, reviewer: Uuid, after: Option<Uuid>, limit: i64) -> Outcome<Vec<CaseRow>> {
    let text = "select a.id as application_id, a.sme_id, s.brand_name, a.pitch, a.answers, \
                (select count(*) from reviews r where r.application_id = a.id and r.reviewer_id = x.reviewer_id) as is_reviewed \
                from review_assignments x join applications a on a.id = x.application_id join smes s on s.id = a.sme_id \
                where x.exhibition_id = ? and x.reviewer_id = ? and x.recused_because is null and x.application_id > ? \
                and a.status in ('submitted', 'under_review') order by x.application_id limit ?";
    select(connection, text, [exhibition.into(), reviewer.into(), after.unwrap_or_default().into(), limit.into()]).await
}

/// How far a reviewer is.
#[derive(FromQueryResult)]
pub struct ProgressRow {
    pub reviewer_id: Uuid,
    pub reviewer: String,
    pub assigned: i64,
    pub reviewed: i64,
    pub recused: i64,
}

pub async fn progress(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<ProgressRow>> {
    let text = "select x.reviewer_id, u.display_name as reviewer, \
                cast(sum(case when x.recused_because is null then 1 else 0 end) as bigint) as assigned, \
                cast(sum(case when x.recused_because is null and r.reviewer_id is not null then 1 else 0 end) as bigint) as reviewed, \
                cast(sum(case when x.recused_because is null then 0 else 1 end) as bigint) as recused \
                from review_assignments x join users u on u.id = x.reviewer_id \
                left join reviews r on r.application_id = x.application_id and r.reviewer_id = x.reviewer_id \
                where x.exhibition_id = ? group by x.reviewer_id, u.display_name order by u.display_name, x.reviewer_id limit 1000";
    select(connection, text, [exhibition.into()]).await
}

/// The mean score of one application in hundredths of a point.
pub async fn mean_of(connection: &Connection, exhibition: Uuid, application: Uuid) -> Outcome<Option<i64>> {
    Ok(means(&given(connection, exhibition, Some(application)).await?).get(&application).map(|(mean, _)| *mean))
}
