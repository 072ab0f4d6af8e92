//! Review over HTTP.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    model::{Phase, RubricCategory, SeeOthers, sees_others},
    service::{self, Judgement},
    store::{self, ProgressRow},
};
use crate::{
    app::App,
    exhibitions::{
        self,
        api::{Managed, manage, visible},
        applications,
        call::{
            model::{Moment, instant},
            store as calls,
        },
        store::entity::Model as Exhibition,
    },
    fault::{Fault, Outcome},
    http::{
        Body, Member, Page, Reply, Tag, Work, Write,
        reply::{NoContent, page_limit},
    },
    identity::policy::{self, Permit, ReadExhibition, Review, Scope},
    platform::database::Connection,
    sme::api::Reason,
    values::{Localized, text::is_visible},
};

pub struct ReviewApi;

/// What is judged, each from 1 to 5.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Rubric {
    #[oai(validator(max_items = 20))]
    pub categories: Vec<Category>,
}

/// One thing that is judged.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Given by the service; absent in what is sent.
    #[serde(default)]
    #[oai(read_only)]
    pub id: Option<Uuid>,
    pub name: Localized,
    /// Part of the weighted score in hundredths of a percent; 0 is shown but does not count.
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    pub weight_bp: i64,
    #[serde(default)]
    #[oai(default)]
    pub is_required: bool,
}

/// Phases of the review; exactly one is active.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Phases {
    #[oai(validator(max_items = 20))]
    pub phases: Vec<ReviewPhase>,
}

/// Who sees what, and whether reviews are taken.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct ReviewPhase {
    pub name: Localized,
    pub can_review: bool,
    /// When a reviewer sees the scores of others.
    pub see_others: SeeOthers,
    /// Reviewers see no names.
    #[serde(default)]
    #[oai(default)]
    pub is_blind: bool,
    /// `YYYY-MM-DDTHH:MM` on the clock of the venue; no review is taken later.
    #[serde(default)]
    #[oai(validator(max_length = 40))]
    pub ends_at: Option<String>,
    pub is_active: bool,
}

/// Work to be shared among reviewers.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct SharedWork {
    #[oai(validator(min_items = 1, max_items = 200))]
    pub reviewer_ids: Vec<Uuid>,
    /// How many reviewers each application has in the end.
    #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
    pub per_application: u32,
    /// All that can be reviewed where absent.
    #[serde(default)]
    #[oai(validator(max_items = 10000))]
    pub application_ids: Option<Vec<Uuid>>,
}

/// What was shared.
#[derive(Object)]
pub struct SharedResult {
    pub assigned: u64,
    /// Applications for which there are not enough reviewers without a conflict of interest.
    pub short: Vec<Uuid>,
    pub reviewers: Vec<ReviewerProgress>,
}

/// How far a reviewer is.
#[derive(Object)]
pub struct ReviewerProgress {
    pub reviewer_id: Uuid,
    pub reviewer: String,
    pub assigned: i64,
    pub reviewed: i64,
    /// Applications from which the reviewer stepped aside.
    pub recused: i64,
}

impl From<ProgressRow> for ReviewerProgress {
    fn from(row: ProgressRow) -> Self {
        let ProgressRow { reviewer_id, reviewer, assigned, reviewed, recused } = row;
        Self { reviewer_id, reviewer, assigned, reviewed, recused }
    }
}

/// An application as its reviewer meets it.
#[derive(Object)]
pub struct ReviewCase {
    pub application_id: Uuid,
    /// The name of the SME, or a number in a blind phase.
    pub label: String,
    /// Absent in a blind phase.
    pub sme_id: Option<Uuid>,
    pub pitch: Option<Localized>,
    /// Answers by question.
    pub answers: Value,
    pub products: Vec<CaseProduct>,
    /// One's own review is written.
    pub is_reviewed: bool,
}

/// A product that an applicant wishes to show.
#[derive(Object)]
pub struct CaseProduct {
    /// Absent in a blind phase.
    pub product_id: Option<Uuid>,
    pub title: Localized,
    /// Slugs from the root, by `/`.
    pub category: String,
}

/// A review to be written.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewReview {
    #[oai(validator(max_items = 50))]
    pub scores: Vec<Score>,
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(max_length = 5000))]
    pub comment: String,
}

/// A score from 1 to 5.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Score {
    pub category_id: Uuid,
    #[oai(validator(minimum(value = "1"), maximum(value = "5")))]
    pub score: i64,
}

/// Reviews of an application, as far as the phase lets them be seen.
#[derive(Object)]
pub struct Reviews {
    pub application_id: Uuid,
    /// There may be reviews by others that one doesn't see yet.
    pub others_hidden: bool,
    pub reviews: Vec<ReviewView>,
    /// Mean of the weighted scores in hundredths of a point; absent while others are hidden.
    pub mean_centi: Option<i64>,
}

/// A review.
#[derive(Object)]
pub struct ReviewView {
    pub reviewer_id: Uuid,
    pub reviewer: String,
    pub is_own: bool,
    /// False where the reviewer has a conflict of interest by now.
    pub counts: bool,
    pub scores: Vec<Score>,
    pub comment: String,
    /// UTC.
    pub updated_at: DateTime<Utc>,
}

/// The label of an applicant in a blind phase: tells two apart, and nothing else.
fn blind_label(application: Uuid) -> String {
    let id = application.simple().to_string();
    format!("Pendaftar {}", id[id.len() - 6..].to_uppercase())
}

async fn rubric_reply(connection: &Connection, exhibition: Uuid) -> Outcome<Reply<Rubric>> {
    let version = calls::to_read(connection, exhibition).await?.version;
    let category = |row: RubricCategory| Category { id: Some(row.id), name: row.name, weight_bp: row.weight_bp, is_required: row.is_required == 1 };
    let categories = store::rubric(connection, exhibition).await?.into_iter().map(category).collect();
    Ok(Reply::new(&Rubric { categories }).version(version))
}

async fn phases_reply(connection: &Connection, exhibition: &Exhibition) -> Outcome<Reply<Phases>> {
    let version = calls::to_read(connection, exhibition.id).await?.version;
    let phase = |row: Phase| ReviewPhase {
        name: row.name,
        can_review: row.can_review == 1,
        see_others: row.see_others,
        is_blind: row.is_blind == 1,
        ends_at: row.ends_at.map(|at| Moment::of(at, &exhibition.time_zone).local),
        is_active: row.is_active == 1,
    };
    let phases = store::phases(connection, exhibition.id).await?.into_iter().map(phase).collect();
    Ok(Reply::new(&Phases { phases }).version(version))
}

async fn reviews(connection: &Connection, member: &Member, exhibition: &Exhibition, application: Uuid) -> Outcome<Reviews> {
    let standing = service::admitted(connection, member, exhibition, application).await?;
    let phase = store::active_phase(connection, exhibition.id).await?;
    let oversees = service::oversees(member, exhibition) && standing.is_assigned == 0;
    let sees = oversees || sees_others(phase.as_ref(), standing.has_review > 0);
    let mut scores = store::scores(connection, application).await?;
    let mut views = Vec::new();
    for row in store::reviews(connection, application).await? {
        let (mine, rest) = scores.into_iter().partition(|score| score.reviewer_id == row.reviewer_id);
        scores = rest;
        let mine: Vec<store::ScoreRow> = mine;
        views.push(ReviewView {
            is_own: row.reviewer_id == member.user_id,
            reviewer_id: row.reviewer_id,
            reviewer: row.reviewer,
            counts: row.has_conflict == 0,
            scores: mine.into_iter().map(|row| Score { category_id: row.category_id, score: row.score }).collect(),
            comment: row.comment,
            updated_at: row.updated_at,
        });
    }
    let mean = if sees { store::mean_of(connection, exhibition.id, application).await? } else { None };
    views.retain(|view| sees || view.is_own);
    Ok(Reviews { application_id: application, others_hidden: !sees, reviews: views, mean_centi: mean })
}

struct Judging {
    work: Work,
    permit: Permit<Review>,
    exhibition: Exhibition,
    application: applications::store::entity::Model,
}

async fn judging(member: &Member, write: &Write, ids: (Uuid, Uuid), body: &[u8]) -> poem::Result<Judging> {
    let work = write.begin(member, body).await?;
    let exhibition = exhibitions::store::by_id(work.db(), ids.0).await?;
    let permit = policy::permit::<Review>(member, &Scope::agency(exhibition.agency_id))?;
    let application = applications::store::by_id(work.db(), ids.0, ids.1).await?;
    Ok(Judging { work, permit, exhibition, application })
}

#[OpenApi(tag = "Tag::Exhibitions")]
impl ReviewApi {
    /// Read the rubric
    #[oai(path = "/v1/exhibitions/:exhibition_id/rubric", method = "get", operation_id = "get_rubric")]
    async fn rubric(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Rubric>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        visible::<ReadExhibition>(&member, &exhibition)?;
        Ok(rubric_reply(reader, exhibition.id).await?)
    }

    /// Set the rubric
    ///
    /// With If-Match of the call, until the first score is given.
    #[oai(path = "/v1/exhibitions/:exhibition_id/rubric", method = "put", operation_id = "set_rubric")]
    async fn set_rubric(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<Rubric>) -> poem::Result<Reply<Rubric>> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let rubric = body.read()?.categories.into_iter().map(|category| RubricCategory {
            id: Uuid::now_v7(),
            name: category.name,
            weight_bp: category.weight_bp,
            is_required: i64::from(category.is_required),
        });
        let call = calls::by_exhibition(work.db(), exhibition.id).await?;
        write.if_match(call.version)?;
        service::set_rubric(&work, &permit, &exhibition, call, rubric.collect()).await?;
        let reply = rubric_reply(work.db(), exhibition.id).await?;
        work.finish(reply).await
    }

    /// Read the phases of the review
    #[oai(path = "/v1/exhibitions/:exhibition_id/phases", method = "get", operation_id = "get_phases")]
    async fn phases(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Phases>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        visible::<ReadExhibition>(&member, &exhibition)?;
        Ok(phases_reply(reader, &exhibition).await?)
    }

    /// Set the phases of the review
    ///
    /// With If-Match of the call; setting another one active is how a phase ends.
    #[oai(path = "/v1/exhibitions/:exhibition_id/phases", method = "put", operation_id = "set_phases")]
    async fn set_phases(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<Phases>) -> poem::Result<Reply<Phases>> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let mut faults = Vec::new();
        let mut phases = Vec::new();
        for (index, phase) in body.read()?.phases.into_iter().enumerate() {
            let ends_at = phase.ends_at.and_then(|at| instant(&at, &exhibition.time_zone, &format!("/phases/{index}/ends_at"), &mut faults));
            phases.push(Phase {
                name: phase.name,
                can_review: i64::from(phase.can_review),
                see_others: phase.see_others,
                is_blind: i64::from(phase.is_blind),
                ends_at,
                is_active: i64::from(phase.is_active),
            });
        }
        if !faults.is_empty() {
            return Err(Fault::invalid(faults).into());
        }
        let call = calls::by_exhibition(work.db(), exhibition.id).await?;
        write.if_match(call.version)?;
        service::set_phases(&work, &permit, &exhibition, call, phases).await?;
        let reply = phases_reply(work.db(), &exhibition).await?;
        work.finish(reply).await
    }

    /// Share applications among reviewers
    ///
    /// Evenly, never to somebody with a conflict of interest; repeating it adds only what is missing.
    #[oai(path = "/v1/exhibitions/:exhibition_id/review-assignments", method = "post", operation_id = "share_reviews")]
    async fn share(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<SharedWork>) -> poem::Result<Reply<SharedResult>> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let input = body.read()?;
        let shared = service::share(&work, &permit, &exhibition, &input.reviewer_ids, input.application_ids, input.per_application as usize).await?;
        let reviewers = store::progress(work.db(), exhibition.id).await?.into_iter().map(ReviewerProgress::from).collect();
        work.finish(Reply::new(&SharedResult { assigned: shared.assigned as u64, short: shared.short, reviewers })).await
    }

    /// How far the reviewers are
    #[oai(path = "/v1/exhibitions/:exhibition_id/review-assignments", method = "get", operation_id = "list_review_progress")]
    async fn progress(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Page<ReviewerProgress>>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        visible::<ReadExhibition>(&member, &exhibition)?;
        let data = store::progress(reader, exhibition.id).await?.into_iter().map(ReviewerProgress::from).collect();
        Ok(Reply::new(&Page::whole(data, 1000)))
    }

    /// Take an application from a reviewer
    ///
    /// A review that was written stays.
    #[oai(path = "/v1/exhibitions/:exhibition_id/review-assignments/:application_id/:user_id", method = "delete", operation_id = "unassign_review")]
    async fn unassign(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        application_id: Path<Uuid>,
        user_id: Path<Uuid>,
    ) -> poem::Result<NoContent> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, &[]).await?;
        service::unassign(&work, &permit, &exhibition, *application_id, *user_id).await?;
        work.finish_empty().await
    }

    /// What one has to review
    ///
    /// The applications that are assigned to oneself; without names in a blind phase.
    #[oai(path = "/v1/exhibitions/:exhibition_id/review-queue", method = "get", operation_id = "list_review_queue")]
    async fn queue(
        &self,
        app: Data<&App>,
        member: Member,
        exhibition_id: Path<Uuid>,
        limit: Query<Option<u32>>,
        cursor: Query<Option<Uuid>>,
    ) -> poem::Result<Reply<Page<ReviewCase>>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        visible::<Review>(&member, &exhibition)?;
        let is_blind = store::active_phase(reader, exhibition.id).await?.is_some_and(|phase| phase.is_blind == 1);
        let limit = page_limit(limit.0);
        let rows = store::queue(reader, exhibition.id, member.user_id, cursor.0, i64::from(limit) + 1).await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.application_id).collect();
        let mut products = if ids.is_empty() { HashMap::new() } else { applications::store::products(reader, exhibition.id, Some(&ids)).await? };
        let case = |row: store::CaseRow| ReviewCase {
            label: if is_blind { blind_label(row.application_id) } else { row.brand_name },
            sme_id: Some(row.sme_id).filter(|_| !is_blind),
            products: products
                .remove(&row.application_id)
                .unwrap_or_default()
                .into_iter()
                .map(|product| CaseProduct {
                    product_id: Some(product.id).filter(|_| !is_blind),
                    title: product.title,
                    category: product.category_path,
                })
                .collect(),
            application_id: row.application_id,
            pitch: row.pitch,
            answers: row.answers,
            is_reviewed: row.is_reviewed > 0,
        };
        let rows: Vec<ReviewCase> = rows.into_iter().map(case).collect();
        Ok(Reply::new(&Page::cut(rows, limit, |case: &ReviewCase| case.application_id)))
    }

    /// Reviews of an application
    ///
    /// One's own, and those of others as the active phase allows. Who oversees the exhibition and was not assigned sees all.
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications/:application_id/reviews", method = "get", operation_id = "list_reviews")]
    async fn reviews(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>, application_id: Path<Uuid>) -> poem::Result<Reply<Reviews>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        policy::permit::<Review>(&member, &Scope::agency(exhibition.agency_id))?;
        let application = applications::store::by_id(reader, exhibition.id, *application_id).await?;
        Ok(Reply::new(&reviews(reader, &member, &exhibition, application.id).await?))
    }

    /// Write one's review
    ///
    /// In place of an earlier one, while the phase takes reviews.
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications/:application_id/reviews", method = "put", operation_id = "write_review")]
    async fn write(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        application_id: Path<Uuid>,
        body: Body<NewReview>,
    ) -> poem::Result<Reply<Reviews>> {
        let Judging { work, permit, exhibition, application } = judging(&member, &write, (*exhibition_id, *application_id), body.bytes()).await?;
        let new = body.read()?;
        let scores = new.scores.into_iter().map(|score| (score.category_id, score.score)).collect();
        service::write(&work, &permit, &member, &exhibition, &application, Judgement { comment: new.comment, scores }).await?;
        let reply = Reply::new(&reviews(work.db(), &member, &exhibition, application.id).await?);
        work.finish(reply).await
    }

    /// Take one's review back
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications/:application_id/reviews", method = "delete", operation_id = "delete_review")]
    async fn delete(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, application_id: Path<Uuid>) -> poem::Result<NoContent> {
        let Judging { work, permit, exhibition, application } = judging(&member, &write, (*exhibition_id, *application_id), &[]).await?;
        service::delete(&work, &permit, &exhibition, &application).await?;
        work.finish_empty().await
    }

    /// Step aside from an application
    ///
    /// With the reason, which is kept; the application goes to somebody else when the work is shared again.
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications/:application_id/recuse", method = "post", operation_id = "recuse_review")]
    async fn recuse(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        application_id: Path<Uuid>,
        body: Body<Reason>,
    ) -> poem::Result<NoContent> {
        let Judging { work, permit, exhibition, application } = judging(&member, &write, (*exhibition_id, *application_id), body.bytes()).await?;
        let reason = body.read()?.reason.unwrap_or_default();
        if !is_visible(&reason) {
            let message = crate::fault::say("Sebutkan alasannya.", "State the reason.");
            return Err(Fault::invalid_field("/reason", "required", message).into());
        }
        service::recuse(&work, &permit, &exhibition, &application, &reason).await?;
        work.finish_empty().await
    }
}
