//! Use cases of selection: run, compare, and turn a run into prepared decisions.

use std::collections::HashMap;

use chrono::Months;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    model::{Candidate, Params, QuotaKind, Selection, select},
    store::{self, Run},
};
use crate::{
    catalogue,
    exhibitions::{
        applications::{self, model::PendingDecision, service::Decision},
        call::model::FOOD,
        review,
        store::entity::Model as Exhibition,
    },
    fault::{Fault, Outcome, field, say},
    identity::policy::{Decide, Permit},
    platform::{clock::now, database::Connection},
    values::hex,
    work::Work,
};

/// Everything that a run is computed from, in a number of statements that does not depend on the applicants.
pub async fn inputs(connection: &Connection, exhibition: &Exhibition, params: &Params) -> Outcome<Vec<Candidate>> {
    let scores = review::model::means(&review::store::given(connection, exhibition.id, None).await?);
    let from = exhibition.starts_on.unwrap_or_else(|| now().date_naive());
    let since = from.checked_sub_months(Months::new(params.history_years.saturating_mul(12)));
    let mut history: HashMap<Uuid, (i64, i64, i64)> = HashMap::new();
    for row in store::history(connection, exhibition, since).await? {
        let (ever, recent, missed) = history.entry(row.application_id).or_default();
        (*ever, *recent, *missed) = ((*ever).max(row.participations), (*recent).max(row.recent_participations), (*missed).max(row.recent_no_shows));
    }
    let mut products = applications::store::products(connection, exhibition.id, None).await?;
    let lacks = applications::service::lacking(connection, exhibition, products.clone()).await?;
    let candidates = store::applicants(connection, exhibition.id).await?.into_iter().map(|row| {
        let (score_centi, reviews) = scores.get(&row.application_id).map_or((None, 0), |(mean, count)| (Some(*mean), *count));
        let (participations, recent_participations, recent_no_shows) = history.get(&row.application_id).copied().unwrap_or_default();
        let unmet = lacks(row.application_id);
        let shown = products.remove(&row.application_id).unwrap_or_default();
        let mut categories: Vec<String> = shown.iter().map(|product| product.category_path.clone()).collect();
        categories.sort();
        categories.dedup();
        Candidate {
            application_id: row.application_id,
            score_centi,
            reviews,
            participations,
            recent_participations,
            recent_no_shows,
            is_wub: row.is_wub == 1,
            shows_food: shown.iter().any(|product| product.is_food),
            categories,
            unmet,
        }
    });
    Ok(candidates.collect())
}

async fn check(connection: &Connection, params: &Params) -> Outcome<()> {
    let mut faults = Vec::new();
    let mut range = |value: i64, most: i64, pointer: &str| {
        catalogue::model::check_range(Some(value), 0..=most, pointer, &mut faults);
    };
    range(i64::from(params.places), 10_000, "/places");
    range(i64::from(params.waitlist), 10_000, "/waitlist");
    range(i64::from(params.history_years), 50, "/history_years");
    range(i64::from(params.min_reviews), 20, "/min_reviews");
    range(params.participation_penalty_centi, 500, "/participation_penalty_centi");
    range(params.no_show_penalty_centi, 500, "/no_show_penalty_centi");
    range(params.most_penalty_centi, 500, "/most_penalty_centi");
    if params.quotas.len() > 20 {
        faults.push(field("/quotas", "too_many", say("Paling banyak 20 kuota.", "At most 20 quotas.")));
    }
    for (index, quota) in params.quotas.iter().enumerate().take(20) {
        catalogue::model::check_range(Some(i64::from(quota.places)), 0..=10_000, &format!("/quotas/{index}/places"), &mut faults);
        let scope = quota.scope.as_deref();
        let is_known = match (quota.kind, scope) {
            (QuotaKind::Category, Some(FOOD)) | (QuotaKind::FirstTimer | QuotaKind::Wub, None) => true,
            (QuotaKind::Category, Some(slug)) => catalogue::store::category_by_slug(connection, slug).await?.is_some(),
            _ => false,
        };
        if !is_known {
            let message = say("`food` atau slug kategori, hanya untuk `category`.", "`food` or the slug of a category, for `category` only.");
            faults.push(field(format!("/quotas/{index}/scope"), "unknown", message));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Fault::invalid(faults)) }
}

/// Computes and stores a run. It decides nothing.
pub async fn run(work: &Work, permit: &Permit<Decide>, exhibition: &Exhibition, params: Params) -> Outcome<Run> {
    check(work.db(), &params).await?;
    let candidates = inputs(work.db(), exhibition, &params).await?;
    let result = select(&candidates, &params);
    let inputs = json!(candidates);
    let run = Run {
        id: Uuid::now_v7(),
        params: json!(params),
        inputs_sha256: hex(&Sha256::digest(inputs.to_string().as_bytes())),
        inputs,
        result: json!(result),
        created_by: permit.by(),
        created_at: now(),
    };
    store::insert(work.db(), exhibition.id, &run).await?;
    let change = json!({ "run": run.id, "seed": params.seed, "selected": result.selected, "ranked": result.ranked });
    work.audit(permit, "run_selection", "exhibition", exhibition.id, change, None).await?;
    Ok(run)
}

/// The parameters and result of a stored run.
pub fn read(run: &Run) -> Outcome<(Params, Selection)> {
    let parse = |value: &serde_json::Value| serde_json::from_value(value.clone()).map_err(Fault::internal);
    Ok((parse(&run.params)?, serde_json::from_value(run.result.clone()).map_err(Fault::internal)?))
}

/// Computes a stored run once more from its stored inputs.
pub fn repeat(run: &Run) -> Outcome<Selection> {
    let (params, _) = read(run)?;
    let candidates: Vec<Candidate> = serde_json::from_value(run.inputs.clone()).map_err(Fault::internal)?;
    Ok(select(&candidates, &params))
}

/// Prepares what a run proposes, in place of what was prepared before. Refused where applications, reviews or documents
/// have changed since: what was explained must be what is decided.
pub async fn apply(work: &Work, permit: &Permit<Decide>, exhibition: &Exhibition, run: &Run) -> Outcome<()> {
    let (params, result) = read(run)?;
    let current = json!(inputs(work.db(), exhibition, &params).await?);
    if hex(&Sha256::digest(current.to_string().as_bytes())) != run.inputs_sha256 {
        let detail = say("Data berubah sejak seleksi ini; jalankan lagi.", "The data has changed since this run; run it again.");
        return Err(Fault::conflict("inputs_changed", detail));
    }
    // What was prepared by hand goes, and places for one are taken from others: a run touches every application.
    let touched = result.lines.iter().map(|line| line.application_id).collect::<Vec<_>>();
    applications::service::refuse_own(work, permit, exhibition.id, touched).await?;
    applications::store::clear(work.db(), exhibition.id).await?;
    let decisions = result.lines.into_iter().filter_map(|line| {
        let decision = line.proposal?;
        let reason = Some(line.reason).filter(|_| decision != PendingDecision::Accept);
        let (reason, reason_en) = (reason.as_ref().map(|reason| reason.id.clone()), reason.and_then(|reason| reason.en));
        Some(Decision { application_id: line.application_id, decision: Some(decision), reason, reason_en })
    });
    applications::service::prepare(work, permit, exhibition, decisions.collect()).await?;
    work.audit(permit, "apply_selection", "exhibition", exhibition.id, json!({ "run": run.id }), None).await
}
