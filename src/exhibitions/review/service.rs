//! Use cases of review: set the rules, share the work, judge.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{
    model::{Pair, Phase, RubricCategory, distribute},
    store::{self, Standing},
};
use crate::{
    exhibitions::{
        applications::{self, model::ApplicationStatus, store::entity::Model as Application},
        call::{model::Moment, store as calls},
        store::entity::Model as Exhibition,
    },
    fault::{FORBIDDEN, Fault, Outcome, Say, field, say},
    identity::{
        model::{Actor, AgencyRole},
        policy::{ManageExhibition, Permit, Review, conflict_of_interest},
    },
    platform::{clock::now, database::Connection},
    values::reading::read_twice,
    work::Work,
};

/// Sets the rubric under the version of the call. Not once something is scored.
pub async fn set_rubric(
    work: &Work,
    permit: &Permit<ManageExhibition>,
    exhibition: &Exhibition,
    call: calls::entity::Model,
    rubric: Vec<RubricCategory>,
) -> Outcome<()> {
    let mut faults = Vec::new();
    for (index, category) in rubric.iter().enumerate() {
        category.name.check(&format!("/categories/{index}/name"), 120, &mut faults);
        crate::catalogue::model::check_range(Some(category.weight_bp), 0..=10_000, &format!("/categories/{index}/weight_bp"), &mut faults);
    }
    for index in read_twice(rubric.iter().map(|category| category.name.id.as_str())) {
        let message = say("Kategori lain sudah bernama ini.", "Another category has this name.");
        faults.push(field(format!("/categories/{index}/name"), "twice", message));
    }
    if rubric.iter().all(|category| category.weight_bp == 0) {
        faults.push(field("/categories", "no_weight", say("Sedikitnya satu kategori berbobot.", "At least one category needs a weight.")));
    }
    if rubric.len() > 20 {
        faults.push(field("/categories", "too_many", say("Paling banyak 20 kategori.", "At most 20 categories.")));
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    if store::is_scored(work.db(), exhibition.id).await? {
        let detail = say("Rubrik tidak dapat diubah setelah ada nilai.", "The rubric can't be changed once something is scored.");
        return Err(Fault::conflict("already_scored", detail));
    }
    calls::update(work.db(), call).await?;
    store::set_rubric(work.db(), exhibition.id, &rubric).await?;
    work.audit(permit, "set_rubric", "exhibition", exhibition.id, json!({ "categories": rubric.len() }), None).await
}

/// Sets the phases under the version of the call; one of them is active.
pub async fn set_phases(
    work: &Work,
    permit: &Permit<ManageExhibition>,
    exhibition: &Exhibition,
    call: calls::entity::Model,
    phases: Vec<Phase>,
) -> Outcome<()> {
    let mut faults = Vec::new();
    for (index, phase) in phases.iter().enumerate() {
        phase.name.check(&format!("/phases/{index}/name"), 120, &mut faults);
    }
    if phases.iter().filter(|phase| phase.is_active == 1).count() != 1 || phases.len() > 20 {
        faults.push(field("/phases", "one_active", say("Tepat satu tahap aktif, paling banyak 20.", "Exactly one phase is active, of at most 20.")));
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    calls::update(work.db(), call).await?;
    store::set_phases(work.db(), exhibition.id, &phases).await?;
    let active = phases.iter().find(|phase| phase.is_active == 1).map(|phase| phase.name.id.clone());
    work.audit(permit, "set_phases", "exhibition", exhibition.id, json!({ "active": active }), None).await
}

/// How many got a reviewer, and for which there were not enough.
pub struct Shared {
    pub assigned: usize,
    pub short: Vec<Uuid>,
}

/// Shares applications among reviewers, evenly and never against a conflict of interest. Repeating it adds only what is
/// missing.
pub async fn share(
    work: &Work,
    permit: &Permit<ManageExhibition>,
    exhibition: &Exhibition,
    reviewers: &[Uuid],
    applications: Option<Vec<Uuid>>,
    per_application: usize,
) -> Outcome<Shared> {
    let mut faults = Vec::new();
    let staff = store::reviewers(work.db(), exhibition.agency_id).await?;
    for (index, _) in reviewers.iter().enumerate().filter(|(_, reviewer)| !staff.contains(reviewer)) {
        faults.push(field(format!("/reviewer_ids/{index}"), "unknown", say("Bukan penilai dinas ini.", "Not a reviewer of this agency.")));
    }
    if !(1..=20).contains(&per_application) {
        faults.push(field("/per_application", "out_of_range", say("1 sampai 20.", "1 to 20.")));
    }
    let open = store::reviewable(work.db(), exhibition.id).await?;
    let known: HashSet<Uuid> = open.iter().copied().collect();
    for (index, _) in applications.iter().flatten().enumerate().filter(|(_, application)| !known.contains(application)) {
        let message = say("Bukan pendaftaran yang dapat dinilai.", "Not an application that can be reviewed.");
        faults.push(field(format!("/application_ids/{index}"), "unknown", message));
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    // Nobody picks their own reviewers: those applications are left to a colleague.
    let own = applications::store::of_smes(work.db(), exhibition.id, permit.own_smes()).await?;
    if applications.iter().flatten().any(|application| own.contains(application)) {
        return Err(conflict_of_interest());
    }
    let open: Vec<Uuid> = open.into_iter().filter(|application| !own.contains(application)).collect();
    let barred: HashSet<Pair> = store::barred(work.db(), exhibition.id).await?.into_iter().collect();
    // Whoever became a mentor since was assigned, and does not count.
    let present: Vec<Pair> = store::assigned(work.db(), exhibition.id).await?.into_iter().filter(|pair| !barred.contains(pair)).collect();
    let (pairs, short) = distribute(&applications.unwrap_or(open), reviewers, &barred, &present, per_application);
    store::assign(work.db(), exhibition.id, &pairs).await?;
    let change = json!({ "assigned": pairs.len(), "short": short.len(), "reviewers": reviewers });
    work.audit(permit, "share_reviews", "exhibition", exhibition.id, change, None).await?;
    Ok(Shared { assigned: pairs.len(), short })
}

/// Takes work from a reviewer; what was written stays.
pub async fn unassign(work: &Work, permit: &Permit<ManageExhibition>, exhibition: &Exhibition, application: Uuid, reviewer: Uuid) -> Outcome<()> {
    applications::service::refuse_own(work, permit, exhibition.id, [application]).await?;
    if !store::unassign(work.db(), exhibition.id, (application, reviewer)).await? {
        return Err(Fault::not_found());
    }
    work.audit(permit, "unassign_review", "application", application, json!({ "reviewer": reviewer }), None).await
}

/// Steps aside from an application, with the reason; a review that was written goes.
pub async fn recuse(work: &Work, permit: &Permit<Review>, exhibition: &Exhibition, application: &Application, reason: &str) -> Outcome<()> {
    let pair = (application.id, permit.by());
    if store::standing(work.db(), pair).await?.has_conflict > 0 {
        return Err(has_conflict());
    }
    store::delete(work.db(), exhibition.id, pair).await?;
    store::recuse(work.db(), exhibition.id, pair, reason).await?;
    work.audit(permit, "recuse", "application", application.id, json!({}), Some(reason)).await
}

/// A refusal of this person, whatever their role.
fn refused(reason: &'static str, detail: Say) -> Fault {
    Fault::new(&FORBIDDEN).with("reason", reason.into()).detail(detail)
}

fn has_conflict() -> Fault {
    let detail = say("Anda anggota atau pembina IKM ini.", "You belong to this SME or mentor it.");
    refused("reviewer_has_conflict", detail)
}

/// Whether `actor` decides on exhibitions of the agency, and so oversees its reviews.
pub fn oversees(actor: &Actor, exhibition: &Exhibition) -> bool {
    let decides = |role: &AgencyRole| matches!(role, AgencyRole::Coordinator | AgencyRole::Head);
    actor.agencies.iter().any(|(agency, role)| *agency == exhibition.agency_id && decides(role))
}

/// Fails where a blind phase keeps names from those who only review.
pub async fn check_not_blind(connection: &Connection, actor: &Actor, exhibition: &Exhibition) -> Outcome<()> {
    let reviews_only =
        |(agency, role): &(Uuid, AgencyRole)| *agency != exhibition.agency_id || matches!(role, AgencyRole::Curator | AgencyRole::Mentor);
    let is_reviewer = actor.agencies.iter().any(|(agency, _)| *agency == exhibition.agency_id);
    if !is_reviewer || !actor.agencies.iter().all(reviews_only) || actor.is_operator {
        return Ok(());
    }
    if store::active_phase(connection, exhibition.id).await?.is_some_and(|phase| phase.is_blind == 1) {
        let detail = say("Penilaian sedang tanpa nama; pakai /review-queue.", "The review is blind now; use /review-queue.");
        return Err(refused("blind_phase", detail));
    }
    Ok(())
}

/// What a reviewer has to do with an application they may review: assigned, or overseeing the exhibition.
pub async fn admitted(connection: &Connection, actor: &Actor, exhibition: &Exhibition, application: Uuid) -> Outcome<Standing> {
    let standing = store::standing(connection, (application, actor.user_id)).await?;
    if standing.has_conflict > 0 {
        return Err(has_conflict());
    }
    if standing.is_recused > 0 {
        return Err(refused("recused", say("Anda mengundurkan diri dari penilaian ini.", "You stepped aside from this application.")));
    }
    if standing.is_assigned == 0 && !oversees(actor, exhibition) {
        return Err(refused("not_assigned", say("Pendaftaran ini tidak ditugaskan kepada Anda.", "This application is not assigned to you.")));
    }
    Ok(standing)
}

/// Fails unless reviews are taken now, by phase and clock.
async fn check_phase(work: &Work, exhibition: &Exhibition, application: &Application) -> Outcome<()> {
    let phase = store::active_phase(work.db(), exhibition.id).await?;
    let ended = |at: DateTime<Utc>| at <= now();
    match phase {
        Some(Phase { can_review: 1, ends_at, .. }) if !ends_at.is_some_and(ended) => {}
        Some(Phase { can_review: 1, ends_at: Some(at), .. }) => {
            let at = Moment::of(at, &exhibition.time_zone);
            let text = format!("{} {}", at.local, at.time_zone_label);
            let detail = say(format!("Penilaian berakhir {text}."), format!("The review ended at {text}."));
            return Err(Fault::conflict("phase_over", detail));
        }
        _ => return Err(Fault::conflict("not_in_review", say("Tahap ini tanpa penilaian.", "No reviews are taken in this phase."))),
    }
    if !matches!(application.status, ApplicationStatus::Submitted | ApplicationStatus::UnderReview) || application.lead_id.is_some() {
        return Err(Fault::conflict("not_reviewable", say("Pendaftaran ini tidak dinilai.", "This application is not reviewed.")));
    }
    Ok(())
}

/// What a reviewer gives.
pub struct Judgement {
    pub comment: String,
    pub scores: Vec<(Uuid, i64)>,
}

/// Writes one's review, in place of an earlier one. All required categories are scored, none twice.
pub async fn write(
    work: &Work,
    permit: &Permit<Review>,
    actor: &Actor,
    exhibition: &Exhibition,
    application: &Application,
    judgement: Judgement,
) -> Outcome<()> {
    admitted(work.db(), actor, exhibition, application.id).await?;
    check_phase(work, exhibition, application).await?;
    let rubric = store::rubric(work.db(), exhibition.id).await?;
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    for (index, (category, score)) in judgement.scores.iter().enumerate() {
        if !rubric.iter().any(|known| known.id == *category) || !seen.insert(*category) {
            let message = say("Kategori tidak dikenal atau ganda.", "An unknown category, or one that is scored twice.");
            faults.push(field(format!("/scores/{index}/category_id"), "unknown", message));
        }
        if !(1..=5).contains(score) {
            faults.push(field(format!("/scores/{index}/score"), "out_of_range", say("1 sampai 5.", "1 to 5.")));
        }
    }
    for missing in rubric.iter().filter(|category| category.is_required == 1 && !seen.contains(&category.id)) {
        let (id, en) = (&missing.name.id, missing.name.en.as_ref().unwrap_or(&missing.name.id));
        faults.push(field("/scores", "required", say(format!("Nilai untuk {id} wajib."), format!("A score for {en} is required."))));
    }
    if judgement.comment.chars().count() > 5_000 {
        faults.push(field("/comment", "too_long", say("Paling banyak 5000 karakter.", "At most 5000 characters.")));
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    store::write(work.db(), exhibition.id, (application.id, permit.by()), &judgement.comment, &judgement.scores).await?;
    work.audit(permit, "write_review", "application", application.id, json!({}), None).await
}

/// Takes one's review back while reviews are taken.
pub async fn delete(work: &Work, permit: &Permit<Review>, exhibition: &Exhibition, application: &Application) -> Outcome<()> {
    check_phase(work, exhibition, application).await?;
    if !store::delete(work.db(), exhibition.id, (application.id, permit.by())).await? {
        return Err(Fault::not_found());
    }
    work.audit(permit, "delete_review", "application", application.id, json!({}), None).await
}
