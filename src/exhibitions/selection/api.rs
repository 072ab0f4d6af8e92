//! Selection runs over HTTP.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    model::{Comparison, Params, Quota, Selection, compare},
    service,
    store::{self, RunHead},
};
use crate::{
    app::App,
    exhibitions::{
        self,
        api::visible,
        applications::api::{Deciding, DecisionSet, deciding, decision_reply},
        call::store as calls,
    },
    fault::{Fault, Outcome},
    http::{Body, Member, Page, Reply, Tag, Write, reply::Created},
    identity::policy::Decide,
};

pub struct SelectionApi;

/// What a run is to respect. What is absent takes the value that is stated.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewRun {
    /// Draws ties; drawn itself where absent, and stored.
    pub seed: Option<u32>,
    /// All places of the call that are free where absent.
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    pub places: Option<u32>,
    /// 20.
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    pub waitlist: Option<u32>,
    /// 3.
    #[oai(validator(minimum(value = "0"), maximum(value = "50")))]
    pub history_years: Option<u32>,
    /// 30: three tenths of a point for each earlier participation.
    pub participation_penalty_centi: Option<i64>,
    /// 50.
    pub no_show_penalty_centi: Option<i64>,
    /// 150.
    pub most_penalty_centi: Option<i64>,
    /// 1.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    pub min_reviews: Option<u32>,
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(max_items = 50))]
    pub quotas: Vec<Quota>,
}

/// A run with its result.
#[derive(Object)]
pub struct SelectionRun {
    pub id: Uuid,
    pub params: Params,
    /// Of what the run was computed from; two runs with the same one differ by their parameters only.
    pub inputs_sha256: String,
    pub created_by: Uuid,
    /// UTC.
    pub created_at: DateTime<Utc>,
    /// Computed once more from the stored inputs just now, it is the same.
    pub is_reproduced: bool,
    pub result: Selection,
}

/// A run without its result.
#[derive(Object)]
pub struct SelectionRunHead {
    pub id: Uuid,
    pub params: Params,
    pub inputs_sha256: String,
    pub created_by: Uuid,
    /// UTC.
    pub created_at: DateTime<Utc>,
}

fn view(run: store::Run) -> Outcome<SelectionRun> {
    let (params, result) = service::read(&run)?;
    let is_reproduced = service::repeat(&run)? == result;
    let store::Run { id, inputs_sha256, created_by, created_at, .. } = run;
    Ok(SelectionRun { id, params, inputs_sha256, created_by, created_at, is_reproduced, result })
}

fn head(run: RunHead) -> Outcome<SelectionRunHead> {
    let params = serde_json::from_value(run.params).map_err(Fault::internal)?;
    Ok(SelectionRunHead { id: run.id, params, inputs_sha256: run.inputs_sha256, created_by: run.created_by, created_at: run.created_at })
}

#[OpenApi(tag = "Tag::Exhibitions")]
impl SelectionApi {
    /// Run a selection
    ///
    /// Ranks everybody who waits for a decision, with a reason each. Stored, and without effect until it is applied.
    #[oai(path = "/v1/exhibitions/:exhibition_id/selection-runs", method = "post", operation_id = "run_selection")]
    async fn run(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<NewRun>) -> poem::Result<Created<SelectionRun>> {
        let work = write.begin(&member, body.bytes()).await?;
        let exhibition = exhibitions::store::by_id(work.db(), *exhibition_id).await?;
        let permit = visible::<Decide>(&member, &exhibition)?;
        let new = body.read()?;
        let call = calls::by_exhibition(work.db(), exhibition.id).await?;
        let free = u32::try_from(call.capacity - call.taken).unwrap_or_default();
        let params = Params {
            seed: new.seed.unwrap_or_else(rand::random),
            places: new.places.unwrap_or(free),
            waitlist: new.waitlist.unwrap_or(20),
            history_years: new.history_years.unwrap_or(3),
            participation_penalty_centi: new.participation_penalty_centi.unwrap_or(30),
            no_show_penalty_centi: new.no_show_penalty_centi.unwrap_or(50),
            most_penalty_centi: new.most_penalty_centi.unwrap_or(150),
            min_reviews: new.min_reviews.unwrap_or(1),
            quotas: new.quotas,
        };
        let run = service::run(&work, &permit, &exhibition, params).await?;
        let location = format!("/v1/exhibitions/{}/selection-runs/{}", exhibition.id, run.id);
        work.finish(Created::new(&view(run)?).location(location)).await
    }

    /// List selection runs
    #[oai(path = "/v1/exhibitions/:exhibition_id/selection-runs", method = "get", operation_id = "list_selection_runs")]
    async fn list(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Page<SelectionRunHead>>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        visible::<Decide>(&member, &exhibition)?;
        let data = store::runs(reader, exhibition.id).await?.into_iter().map(head).collect::<Outcome<Vec<_>>>()?;
        Ok(Reply::new(&Page::whole(data, 100)))
    }

    /// Read a selection run
    #[oai(path = "/v1/exhibitions/:exhibition_id/selection-runs/:run_id", method = "get", operation_id = "get_selection_run")]
    async fn get(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>, run_id: Path<Uuid>) -> poem::Result<Reply<SelectionRun>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        visible::<Decide>(&member, &exhibition)?;
        Ok(Reply::new(&view(store::run(reader, exhibition.id, *run_id).await?)?))
    }

    /// Compare two selection runs
    ///
    /// Who is selected in one of them only, and why.
    #[oai(path = "/v1/exhibitions/:exhibition_id/selection-runs/:run_id/comparison", method = "get", operation_id = "compare_selection_runs")]
    async fn compare(
        &self,
        app: Data<&App>,
        member: Member,
        exhibition_id: Path<Uuid>,
        run_id: Path<Uuid>,
        with: Query<Uuid>,
    ) -> poem::Result<Reply<Comparison>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        visible::<Decide>(&member, &exhibition)?;
        let (_, this) = service::read(&store::run(reader, exhibition.id, *run_id).await?)?;
        let (_, other) = service::read(&store::run(reader, exhibition.id, *with).await?)?;
        Ok(Reply::new(&compare(&this, &other)))
    }

    /// Apply a selection run
    ///
    /// Prepares what it proposes in place of what was prepared before, with If-Match of the decisions. Refused where its
    /// inputs have changed since. Nobody is told before the release.
    #[oai(path = "/v1/exhibitions/:exhibition_id/selection-runs/:run_id/apply", method = "post", operation_id = "apply_selection_run")]
    async fn apply(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, run_id: Path<Uuid>) -> poem::Result<Reply<DecisionSet>> {
        let Deciding { work, permit, exhibition, call } = deciding(&member, &write, *exhibition_id, &[]).await?;
        let run = store::run(work.db(), exhibition.id, *run_id).await?;
        service::apply(&work, &permit, &exhibition, &run).await?;
        decision_reply(work, &exhibition, &call).await
    }
}
