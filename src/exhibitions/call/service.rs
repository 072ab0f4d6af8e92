//! Use cases of calls.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{
    model::{ALL, FOOD, Question, QuestionKind, Rule, default_rules, instant, later_by_the_clock},
    store::{self, entity::Model},
};
use crate::{
    catalogue::{self, model::check_range},
    exhibitions::{
        model::ExhibitionStatus,
        review::{
            self,
            model::{Phase, RubricCategory, default_phases, default_rubric},
        },
        store::entity::Model as Exhibition,
    },
    fault::{Fault, FieldFault, Outcome, field, say},
    identity::policy::{ManageExhibition, Permit},
    platform::{clock::now, jobs::JobKind},
    values::{Localized, check_text, reading::read_twice},
    work::Work,
};

/// What a coordinator sets; times are local to the venue.
pub struct Terms {
    pub intro: Localized,
    pub opens_at: String,
    pub closes_at: String,
    pub confirm_by: String,
    pub capacity: i64,
}

/// Sets the terms of a call, with the default rules, rubric and phases if it is new. The clock then takes its steps.
pub async fn set(work: &Work, permit: &Permit<ManageExhibition>, exhibition: &Exhibition, current: Option<Model>, terms: Terms) -> Outcome<Model> {
    use ExhibitionStatus::{Announced, ApplicationsOpen, Curation, Draft, LineupPublished};
    if !matches!(exhibition.status, Draft | Announced | ApplicationsOpen | Curation | LineupPublished) {
        return Err(Fault::conflict("exhibition_over", say("Pameran sudah berjalan atau selesai.", "The exhibition has begun or is over.")));
    }
    let mut faults = Vec::new();
    terms.intro.check("/intro", 10_000, &mut faults);
    let mut moment = |local: &str, pointer: &str| instant(local, &exhibition.time_zone, pointer, &mut faults);
    let (opens, closes, confirm) =
        (moment(&terms.opens_at, "/opens_at"), moment(&terms.closes_at, "/closes_at"), moment(&terms.confirm_by, "/confirm_by"));
    if opens.zip(closes).is_some_and(|(opens, closes)| closes <= opens) {
        faults.push(field("/closes_at", "before_start", say("Harus setelah pembukaan.", "Must be after the opening.")));
    }
    if closes.zip(confirm).is_some_and(|(closes, confirm)| confirm < closes) {
        faults.push(field("/confirm_by", "before_start", say("Harus setelah penutupan.", "Must be after the deadline.")));
    }
    check_range(Some(terms.capacity), 1..=10_000, "/capacity", &mut faults);
    let (Some(opens_at), Some(closes_at), Some(confirm_by), true) = (opens, closes, confirm, faults.is_empty()) else {
        return Err(Fault::invalid(faults));
    };
    let blank = Model {
        exhibition_id: exhibition.id,
        intro: Localized::default(),
        opens_at,
        closes_at,
        confirm_by,
        capacity: 1,
        taken: 0,
        version: 1,
        decisions_version: 1,
        decided_by: None,
    };
    let is_new = current.is_none();
    let call = Model { intro: terms.intro, opens_at, closes_at, confirm_by, capacity: terms.capacity, ..current.unwrap_or(blank) };
    if is_new {
        store::insert(work.db(), call).await?;
        // A clone has brought its own.
        if review::store::rubric(work.db(), exhibition.id).await?.is_empty() {
            for rule in default_rules() {
                store::insert_rule(work.db(), exhibition.id, &rule).await?;
            }
            review::store::set_rubric(work.db(), exhibition.id, &default_rubric()).await?;
            review::store::set_phases(work.db(), exhibition.id, &default_phases()).await?;
        }
    } else {
        store::update(work.db(), call).await?;
    }
    let call = store::by_exhibition(work.db(), exhibition.id).await?;
    schedule(work, &call).await?;
    work.enqueue_later(JobKind::LapseOffers, exhibition.id, confirm_by - now()).await?;
    work.touch_catalogue();
    work.audit(permit, "set_call", "exhibition", exhibition.id, json!({ "capacity": terms.capacity, "closes_at": closes_at }), None).await?;
    Ok(call)
}

/// Has the clock open and close the call when their times come. Asked for when the exhibition is
/// announced as well: a time that passed before takes effect then.
pub async fn schedule(work: &Work, call: &Model) -> Outcome<()> {
    for (kind, at) in [(JobKind::OpenCall, call.opens_at), (JobKind::CloseCall, call.closes_at)] {
        work.enqueue_later(kind, call.exhibition_id, at - now()).await?;
    }
    Ok(())
}

/// Lets an SME that was invited late apply until a moment of the venue's clock, though the call is closed.
pub async fn grant_grace(work: &Work, permit: &Permit<ManageExhibition>, exhibition: &Exhibition, sme: Uuid, until: &str) -> Outcome<DateTime<Utc>> {
    let mut faults = Vec::new();
    let until = instant(until, &exhibition.time_zone, "/until", &mut faults).filter(|_| faults.is_empty());
    let until = until.ok_or_else(|| Fault::invalid(faults))?;
    store::by_exhibition(work.db(), exhibition.id).await?;
    permit.not_ones_own(sme)?;
    store::set_grace(work.db(), exhibition.id, sme, until, permit.by()).await?;
    work.audit(permit, "grant_grace", "exhibition", exhibition.id, json!({ "sme_id": sme, "until": until }), None).await?;
    Ok(until)
}

async fn check_scope(work: &Work, scope: &str, faults: &mut Vec<FieldFault>) -> Outcome<()> {
    if scope != ALL && scope != FOOD && catalogue::store::category_by_slug(work.db(), scope).await?.is_none() {
        faults.push(field("/scope", "unknown", say("`all`, `food`, atau slug kategori.", "`all`, `food`, or the slug of a category.")));
    }
    Ok(())
}

pub async fn add_rule(work: &Work, permit: &Permit<ManageExhibition>, exhibition: Uuid, rule: Rule) -> Outcome<Rule> {
    let mut faults = Vec::new();
    check_scope(work, &rule.scope, &mut faults).await?;
    if rule.any_of.is_empty() {
        faults.push(field("/any_of", "required", say("Sebutkan dokumennya.", "Name the document.")));
    }
    if let Some(source) = &rule.source {
        check_text(source, "/source", 200, &mut faults);
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    store::insert_rule(work.db(), exhibition, &rule).await?;
    work.touch_catalogue();
    work.audit(permit, "add_requirement", "exhibition", exhibition, json!({ "any_of": rule.any_of, "scope": rule.scope }), None).await?;
    Ok(rule)
}

pub async fn add_question(work: &Work, permit: &Permit<ManageExhibition>, exhibition: Uuid, question: Question) -> Outcome<Question> {
    let mut faults = Vec::new();
    check_scope(work, &question.scope, &mut faults).await?;
    question.text.check("/text", 500, &mut faults);
    for (index, option) in question.options.iter().enumerate() {
        check_text(option, &format!("/options/{index}"), 200, &mut faults);
    }
    for index in read_twice(question.options.iter().map(String::as_str)) {
        faults.push(field(format!("/options/{index}"), "twice", say("Pilihan ganda.", "The option is there twice.")));
    }
    if (question.kind == QuestionKind::Choice) != (question.options.len() >= 2) {
        faults.push(field(
            "/options",
            "wrong_kind",
            say("Pilihan: sedikitnya dua, dan hanya untuk `choice`.", "At least two options, and only for `choice`."),
        ));
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    let position = store::questions(work.db(), exhibition).await?.len() as i64;
    store::insert_question(work.db(), exhibition, position, &question).await?;
    work.touch_catalogue();
    work.audit(permit, "add_question", "exhibition", exhibition, json!({ "question": question.id }), None).await?;
    Ok(question)
}

/// Takes a rule or a question back.
pub async fn remove(work: &Work, permit: &Permit<ManageExhibition>, exhibition: Uuid, table: &'static str, id: Uuid) -> Outcome<()> {
    store::delete(work.db(), table, exhibition, id).await?;
    work.touch_catalogue();
    work.audit(permit, "remove_from_call", "exhibition", exhibition, json!({ "table": table, "id": id }), None).await
}

/// Copies rules, questions, rubric and phases to a new exhibition, and the call where it is known by how many days it moves.
/// Its steps are not taken by the clock before the coordinator has set it.
pub async fn copy(work: &Work, from: Uuid, to: &Exhibition, moved: Option<TimeDelta>) -> Outcome<()> {
    for rule in store::rules(work.db(), from).await? {
        store::insert_rule(work.db(), to.id, &Rule { id: Uuid::now_v7(), ..rule }).await?;
    }
    for (position, question) in (0..).zip(store::questions(work.db(), from).await?) {
        store::insert_question(work.db(), to.id, position, &Question { id: Uuid::now_v7(), ..question }).await?;
    }
    let rubric = review::store::rubric(work.db(), from).await?.into_iter().map(|category| RubricCategory { id: Uuid::now_v7(), ..category });
    review::store::set_rubric(work.db(), to.id, &rubric.collect::<Vec<_>>()).await?;
    let phases = review::store::phases(work.db(), from).await?.into_iter().enumerate();
    let phases = phases.map(|(index, phase)| Phase { ends_at: None, is_active: i64::from(index == 0), ..phase });
    review::store::set_phases(work.db(), to.id, &phases.collect::<Vec<_>>()).await?;
    if let Some((call, moved)) = store::find(work.db(), from).await?.zip(moved) {
        let later = |at| later_by_the_clock(at, moved, &to.time_zone);
        let call = Model {
            exhibition_id: to.id,
            opens_at: later(call.opens_at),
            closes_at: later(call.closes_at),
            confirm_by: later(call.confirm_by),
            taken: 0,
            version: 1,
            decisions_version: 1,
            decided_by: None,
            ..call
        };
        store::insert(work.db(), call).await?;
    }
    Ok(())
}
