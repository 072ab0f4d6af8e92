//! Applications and decisions over HTTP.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::MaybeUndefined,
};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    model::{ApplicationEvent, ApplicationStatus, News, PendingDecision, Reason, message},
    service::{self, Change},
    store::{self, Named, NoticeRow, entity::Model},
};
use crate::{
    app::App,
    exhibitions::{
        self,
        call::{
            model::{Answers, Moment, RequirementCheck},
            store as calls,
        },
        model::Dates,
        review,
        store::entity::Model as Exhibition,
    },
    fault::Outcome,
    http::{
        Body, Caller, Member, Page, Reply, Tag, Work, Write,
        reply::{Created, page_limit},
    },
    identity::{
        Actor,
        policy::{self, Action, Apply, Decide, EditApplication, Permit, ReadApplication, ReadDocuments, ReadExhibition, ReadSme, Scope},
    },
    platform::database::Connection,
    sme,
    values::Localized,
};

pub struct ApplicationsApi;

/// An application as its SME and the agency see it.
#[derive(Object)]
pub struct Application {
    pub id: Uuid,
    pub exhibition_id: Uuid,
    pub sme_id: Uuid,
    pub brand_name: String,
    /// The application whose booth this one shares.
    pub lead_application_id: Option<Uuid>,
    pub status: ApplicationStatus,
    pub pitch: Option<Localized>,
    /// Answers by question.
    pub answers: Value,
    /// Seen by the agency only, until it is released.
    pub pending_decision: Option<PendingDecision>,
    pub decision_reason: Option<String>,
    /// The same in English, where it was given.
    pub decision_reason_en: Option<String>,
    pub waitlist_rank: Option<i64>,
    /// UTC.
    pub submitted_at: Option<DateTime<Utc>>,
    /// UTC.
    pub decided_at: Option<DateTime<Utc>>,
    /// Watts that the booth has to supply.
    pub power_needed_w: i64,
    pub preferred_batch_id: Option<Uuid>,
    pub preferred_booth_class: Option<String>,
    /// Shown at the entrance, once the place is confirmed.
    pub check_in_code: Option<String>,
    /// On the clock of the venue.
    pub confirm_by: Option<Moment>,
    pub version: i64,
}

/// What a viewer may see of decisions: all, or what was released.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sees {
    All,
    Released,
}

impl Application {
    fn of(row: Named, zone: &str, sees: Sees) -> Self {
        let Named { application: row, brand_name } = row;
        let visible = sees == Sees::All || (row.pending_decision.is_none() && row.decided_at.is_some());
        Self {
            id: row.id,
            exhibition_id: row.exhibition_id,
            sme_id: row.sme_id,
            brand_name,
            lead_application_id: row.lead_id,
            status: row.status,
            pitch: row.pitch,
            answers: row.answers,
            pending_decision: row.pending_decision.filter(|_| visible),
            decision_reason: row.decision_reason.filter(|_| visible),
            decision_reason_en: row.decision_reason_en.filter(|_| visible),
            waitlist_rank: row.waitlist_rank.filter(|_| visible),
            submitted_at: row.submitted_at,
            decided_at: row.decided_at,
            power_needed_w: row.power_needed_w,
            preferred_batch_id: row.preferred_batch_id,
            preferred_booth_class: row.preferred_booth_class,
            check_in_code: Some(row.check_in_code).filter(|_| row.status.takes_place() && row.status != ApplicationStatus::Accepted),
            confirm_by: row.confirm_by.map(|at| Moment::of(at, zone)),
            version: row.version,
        }
    }
}

/// An application to be begun.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewApplication {
    pub sme_id: Uuid,
    /// To share the booth of this application of the same WUB group.
    #[serde(default)]
    pub lead_application_id: Option<Uuid>,
}

/// A JSON Merge Patch of an application.
#[derive(Object, Deserialize, Default)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields, default)]
pub struct ApplicationPatch {
    pub pitch: MaybeUndefined<Localized>,
    /// What the SME wishes to show; replaces the list.
    #[oai(validator(max_items = 200))]
    pub product_ids: Option<Vec<Uuid>>,
    /// Answers by question; replaces them.
    pub answers: Option<Value>,
    /// Watts that the booth has to supply.
    #[oai(validator(minimum(value = "0"), maximum(value = "100000")))]
    pub power_needed_w: Option<i64>,
    pub preferred_batch_id: MaybeUndefined<Uuid>,
    /// Such as `standard` or `corner`.
    #[oai(validator(max_length = 60))]
    pub preferred_booth_class: MaybeUndefined<String>,
}

/// The checklist of an application.
#[derive(Object)]
pub struct ApplicationReadiness {
    /// Nothing keeps it from being handed in.
    pub can_be_submitted: bool,
    /// Nothing keeps it from being accepted.
    pub can_be_accepted: bool,
    pub checks: Vec<RequirementCheck>,
}

/// Decisions to be prepared, all or none.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Decisions {
    #[oai(validator(max_items = 5000))]
    pub decisions: Vec<NewDecision>,
}

/// A decision on one application.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewDecision {
    pub application_id: Uuid,
    /// `null` takes back what was prepared. Those put on the waitlist keep the order of this list.
    pub decision: Option<PendingDecision>,
    /// Told to the applicant; required for a rejection.
    #[serde(default)]
    #[oai(validator(max_length = 1000))]
    pub reason: Option<String>,
    /// The same in English; where absent, the reason is told as it is.
    #[serde(default)]
    #[oai(validator(max_length = 1000))]
    pub reason_en: Option<String>,
}

/// What would be released, with the words that each applicant would read.
#[derive(Object)]
pub struct DecisionSet {
    pub accept: u64,
    pub waitlist: u64,
    pub reject: u64,
    /// Places that neither an offer nor a confirmation holds now.
    pub places_free: i64,
    /// More acceptances are prepared than places are free.
    pub is_overbooked: bool,
    pub messages: Vec<DecisionMessage>,
}

/// One message that a release would send.
#[derive(Object)]
pub struct DecisionMessage {
    pub application_id: Uuid,
    pub brand_name: String,
    pub decision: PendingDecision,
    pub message: Localized,
}

/// What was done to how many.
#[derive(Object)]
pub struct Released {
    pub applications: u64,
}

/// Applications in order.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct WaitlistOrder {
    #[oai(validator(max_items = 5000))]
    pub application_ids: Vec<Uuid>,
}

/// Something an SME was told.
#[derive(Object)]
pub struct Notice {
    pub application_id: Uuid,
    pub exhibition_id: Uuid,
    /// What the application became, or is where the news is of the exhibition itself.
    pub status: ApplicationStatus,
    /// UTC.
    pub at: DateTime<Utc>,
    pub message: Localized,
}

impl From<NoticeRow> for Notice {
    fn from(row: NoticeRow) -> Self {
        let told = ApplicationStatus::from_name(&row.kind);
        let message = if let Some(news) = News::from_name(&row.kind) {
            let dates: Option<Dates> = serde_json::from_value(row.data["dates"].clone()).ok();
            news.message(&row.title, dates.as_ref(), row.data["reason"].as_str())
        } else {
            let confirm_by = row.confirm_by.map(|at| Moment::of(at, &row.time_zone));
            let reason = Reason::of(row.reason.as_deref(), row.reason_en.as_deref());
            message(told.unwrap_or(row.status), &row.title, confirm_by.as_ref(), reason)
        };
        Self { message, application_id: row.application_id, exhibition_id: row.exhibition_id, status: told.unwrap_or(row.status), at: row.at }
    }
}

/// A write on an application, begun and permitted.
struct Begun<A> {
    work: Work,
    permit: Permit<A>,
    exhibition: Exhibition,
    application: Model,
}

async fn begin<A: Action>(actor: &Actor, write: &Write, ids: (Uuid, Uuid), body: &[u8]) -> poem::Result<Begun<A>> {
    let work = write.begin(actor, body).await?;
    let exhibition = exhibitions::store::by_id(work.db(), ids.0).await?;
    let application = store::by_id(work.db(), ids.0, ids.1).await?;
    let permit = policy::permit::<A>(actor, &Scope::sme_at(exhibition.agency_id, application.sme_id))?;
    Ok(Begun { work, permit, exhibition, application })
}

async fn finish(work: Work, exhibition: &Exhibition, id: Uuid) -> poem::Result<Reply<Application>> {
    let row = store::named(work.db(), exhibition.id, id).await?;
    let version = row.application.version;
    work.finish(Reply::new(&Application::of(row, &exhibition.time_zone, Sees::Released)).version(version)).await
}

async fn step(actor: &Actor, write: &Write, ids: (Uuid, Uuid), event: ApplicationEvent) -> poem::Result<Reply<Application>> {
    let Begun { work, permit, exhibition, application } = begin::<Apply>(actor, write, ids, &[]).await?;
    service::step(&work, &permit, &exhibition, application.id, event).await?;
    finish(work, &exhibition, application.id).await
}

/// A change of the set of decisions: the call is locked, and its version is what If-Match names.
pub struct Deciding {
    pub work: Work,
    pub permit: Permit<Decide>,
    pub exhibition: Exhibition,
    pub call: calls::entity::Model,
}

pub async fn deciding(actor: &Actor, write: &Write, id: Uuid, body: &[u8]) -> poem::Result<Deciding> {
    let work = write.begin(actor, body).await?;
    let exhibition = exhibitions::store::by_id(work.db(), id).await?;
    let permit = exhibitions::api::visible::<Decide>(actor, &exhibition)?;
    let call = calls::lock(work.db(), id).await?;
    write.if_match(call.decisions_version - 1)?;
    Ok(Deciding { work, permit, exhibition, call })
}

async fn decision_set(connection: &Connection, exhibition: &Exhibition, call: &calls::entity::Model) -> Outcome<DecisionSet> {
    let pending = store::pending(connection, exhibition.id).await?;
    let confirm_by = Moment::of(service::confirm_by(call), &exhibition.time_zone);
    let messages = pending.into_iter().filter_map(|row| {
        let decision = row.application.pending_decision?;
        let until = Some(&confirm_by).filter(|_| decision == PendingDecision::Accept);
        let reason = Reason::of(row.application.decision_reason.as_deref(), row.application.decision_reason_en.as_deref());
        let message = message(decision.outcome(), &exhibition.title, until, reason);
        Some(DecisionMessage { application_id: row.application.id, brand_name: row.brand_name, decision, message })
    });
    let messages: Vec<_> = messages.collect();
    let count = |wanted| messages.iter().filter(|message| message.decision == wanted).count() as u64;
    let (accept, places_free) = (count(PendingDecision::Accept), call.capacity - call.taken);
    Ok(DecisionSet {
        accept,
        waitlist: count(PendingDecision::Waitlist),
        reject: count(PendingDecision::Reject),
        places_free,
        is_overbooked: i64::try_from(accept).is_ok_and(|accept| accept > places_free),
        messages,
    })
}

/// Commits and answers with the set of decisions under its version.
pub async fn decision_reply(work: Work, exhibition: &Exhibition, call: &calls::entity::Model) -> poem::Result<Reply<DecisionSet>> {
    let set = decision_set(work.db(), exhibition, call).await?;
    work.finish(Reply::new(&set).version(call.decisions_version)).await
}

#[OpenApi(tag = "Tag::Exhibitions")]
impl ApplicationsApi {
    /// Begin an application
    ///
    /// As a draft; one per SME and exhibition.
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications", method = "post", operation_id = "begin_application")]
    async fn create(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        body: Body<NewApplication>,
    ) -> poem::Result<Created<Application>> {
        let new = body.read()?;
        let work = write.begin(&member, body.bytes()).await?;
        let permit = policy::permit::<EditApplication>(&member, &sme::store::scope(work.db(), new.sme_id).await?)?;
        let exhibition = exhibitions::store::by_id(work.db(), *exhibition_id).await?;
        let application = service::create(&work, &permit, &exhibition, new.sme_id, new.lead_application_id).await?;
        let row = store::named(work.db(), exhibition.id, application.id).await?;
        let location = format!("/v1/exhibitions/{}/applications/{}", exhibition.id, application.id);
        let reply = Created::new(&Application::of(row, &exhibition.time_zone, Sees::Released)).version(1).location(location);
        work.finish(reply).await
    }

    /// List applications of an exhibition
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications", method = "get", operation_id = "list_applications")]
    async fn list(
        &self,
        app: Data<&App>,
        caller: Caller,
        exhibition_id: Path<Uuid>,
        status: Query<Option<ApplicationStatus>>,
        limit: Query<Option<u32>>,
        cursor: Query<Option<Uuid>>,
    ) -> poem::Result<Reply<Page<Application>>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        exhibitions::api::visible::<ReadExhibition>(&caller, &exhibition)?;
        review::service::check_not_blind(reader, &caller, &exhibition).await?;
        let sees = sees(&caller, &exhibition);
        let limit = page_limit(limit.0);
        let rows = store::list(reader, exhibition.id, status.0, cursor.0, i64::from(limit) + 1).await?;
        let rows = rows.into_iter().map(|row| Application::of(row, &exhibition.time_zone, sees)).collect();
        Ok(Reply::new(&Page::cut(rows, limit, |application: &Application| application.id)))
    }

    /// Read an application
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications/:application_id", method = "get", operation_id = "get_application")]
    async fn get(&self, app: Data<&App>, caller: Caller, exhibition_id: Path<Uuid>, application_id: Path<Uuid>) -> poem::Result<Reply<Application>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        let row = store::named(reader, exhibition.id, *application_id).await?;
        policy::permit::<ReadApplication>(&caller, &Scope::sme_at(exhibition.agency_id, row.application.sme_id))?;
        review::service::check_not_blind(reader, &caller, &exhibition).await?;
        let version = row.application.version;
        Ok(Reply::new(&Application::of(row, &exhibition.time_zone, sees(&caller, &exhibition))).version(version))
    }

    /// Edit an application
    ///
    /// A JSON Merge Patch with If-Match, until the deadline.
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications/:application_id", method = "patch", operation_id = "edit_application")]
    async fn edit(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        application_id: Path<Uuid>,
        body: Body<ApplicationPatch>,
    ) -> poem::Result<Reply<Application>> {
        let Begun { work, permit, exhibition, application } =
            begin::<EditApplication>(&member, &write, (*exhibition_id, *application_id), body.bytes()).await?;
        let patch = body.read()?;
        write.if_match(application.version)?;
        let answers = patch.answers.map(serde_json::from_value::<Answers>).transpose().map_err(|_| {
            let message = crate::fault::say("Jawaban menurut id pertanyaan.", "Answers by the id of their question.");
            crate::fault::Fault::invalid_field("/answers", "wrong_kind", message)
        })?;
        let change = Change {
            pitch: patch.pitch.into(),
            product_ids: patch.product_ids,
            answers,
            power_needed_w: patch.power_needed_w,
            preferred_batch_id: patch.preferred_batch_id.into(),
            preferred_booth_class: patch.preferred_booth_class.into(),
        };
        let application = service::edit(&work, &permit, &exhibition, application, change).await?;
        finish(work, &exhibition, application.id).await
    }

    /// What an application still lacks
    ///
    /// Line by line, with the reason; tested against the days of the exhibition, not against today. Who may not read legal
    /// documents learns met or unmet only.
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications/:application_id/readiness", method = "get", operation_id = "get_application_readiness")]
    async fn readiness(
        &self,
        app: Data<&App>,
        caller: Caller,
        exhibition_id: Path<Uuid>,
        application_id: Path<Uuid>,
    ) -> poem::Result<Reply<ApplicationReadiness>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        let application = store::by_id(reader, exhibition.id, *application_id).await?;
        let scope = Scope::sme_at(exhibition.agency_id, application.sme_id);
        policy::permit::<ReadApplication>(&caller, &scope)?;
        review::service::check_not_blind(reader, &caller, &exhibition).await?;
        let mut checks = service::readiness(reader, &exhibition, application.id).await?;
        if policy::permit::<ReadDocuments>(&caller, &scope).is_err() {
            checks = checks.into_iter().map(RequirementCheck::met_or_not).collect();
        }
        let readiness = ApplicationReadiness {
            can_be_submitted: !checks.iter().any(RequirementCheck::blocks_submission),
            can_be_accepted: !checks.iter().any(RequirementCheck::blocks_acceptance),
            checks,
        };
        Ok(Reply::new(&readiness))
    }

    /// Hand an application in
    ///
    /// Between opening and deadline, by the clock of the server.
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications/:application_id/submit", method = "post", operation_id = "submit_application")]
    async fn submit(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, application_id: Path<Uuid>) -> poem::Result<Reply<Application>> {
        step(&member, &write, (*exhibition_id, *application_id), ApplicationEvent::Submit).await
    }

    /// Withdraw an application
    ///
    /// A place that this frees is offered to the next on the waitlist at once.
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications/:application_id/withdraw", method = "post", operation_id = "withdraw_application")]
    async fn withdraw(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        application_id: Path<Uuid>,
    ) -> poem::Result<Reply<Application>> {
        step(&member, &write, (*exhibition_id, *application_id), ApplicationEvent::Withdraw).await
    }

    /// Reopen a withdrawn application
    ///
    /// While the call is open.
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications/:application_id/reopen", method = "post", operation_id = "reopen_application")]
    async fn reopen(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, application_id: Path<Uuid>) -> poem::Result<Reply<Application>> {
        step(&member, &write, (*exhibition_id, *application_id), ApplicationEvent::Reopen).await
    }

    /// Confirm an accepted application
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications/:application_id/confirm", method = "post", operation_id = "confirm_application")]
    async fn confirm(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, application_id: Path<Uuid>) -> poem::Result<Reply<Application>> {
        step(&member, &write, (*exhibition_id, *application_id), ApplicationEvent::Confirm).await
    }

    /// Decline a place
    ///
    /// It is offered to the next on the waitlist at once.
    #[oai(path = "/v1/exhibitions/:exhibition_id/applications/:application_id/decline", method = "post", operation_id = "decline_application")]
    async fn decline(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, application_id: Path<Uuid>) -> poem::Result<Reply<Application>> {
        step(&member, &write, (*exhibition_id, *application_id), ApplicationEvent::Decline).await
    }

    /// Prepared decisions and their messages
    ///
    /// As each applicant would read them, in both languages. The ETag is that of the set of decisions.
    #[oai(path = "/v1/exhibitions/:exhibition_id/decisions", method = "get", operation_id = "preview_decisions")]
    async fn decisions(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>) -> poem::Result<Reply<DecisionSet>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        exhibitions::api::visible::<Decide>(&member, &exhibition)?;
        let call = calls::to_read(reader, exhibition.id).await?;
        Ok(Reply::new(&decision_set(reader, &exhibition, &call).await?).version(call.decisions_version))
    }

    /// Prepare decisions
    ///
    /// Unseen by the applicants until they are released. All or none, with If-Match.
    #[oai(path = "/v1/exhibitions/:exhibition_id/decisions", method = "put", operation_id = "prepare_decisions")]
    async fn prepare(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<Decisions>) -> poem::Result<Reply<DecisionSet>> {
        let Deciding { work, permit, exhibition, call } = deciding(&member, &write, *exhibition_id, body.bytes()).await?;
        let decisions = body.read()?.decisions.into_iter();
        let decisions = decisions.map(|new| {
            let NewDecision { application_id, decision, reason, reason_en } = new;
            service::Decision { application_id, decision, reason, reason_en }
        });
        service::prepare(&work, &permit, &exhibition, decisions.collect()).await?;
        decision_reply(work, &exhibition, &call).await
    }

    /// Take back all prepared decisions
    #[oai(path = "/v1/exhibitions/:exhibition_id/decisions", method = "delete", operation_id = "clear_decisions")]
    async fn clear(&self, member: Member, write: Write, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Released>> {
        let Deciding { work, permit, exhibition, call } = deciding(&member, &write, *exhibition_id, &[]).await?;
        let applications = service::clear(&work, &permit, &exhibition).await?;
        work.finish(Reply::new(&Released { applications }).version(call.decisions_version)).await
    }

    /// Release the prepared decisions
    ///
    /// All together: every applicant learns of it once. With If-Match, so that what was looked at is what is released.
    #[oai(path = "/v1/exhibitions/:exhibition_id/decisions/release", method = "post", operation_id = "release_decisions")]
    async fn release(&self, member: Member, write: Write, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Released>> {
        let Deciding { work, permit, exhibition, call } = deciding(&member, &write, *exhibition_id, &[]).await?;
        let applications = service::release(&work, &permit, &exhibition, &call).await?;
        work.finish(Reply::new(&Released { applications }).version(call.decisions_version)).await
    }

    /// The waitlist in order
    #[oai(path = "/v1/exhibitions/:exhibition_id/waitlist", method = "get", operation_id = "list_waitlist")]
    async fn waitlist(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Page<Application>>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        exhibitions::api::visible::<Decide>(&member, &exhibition)?;
        let call = calls::to_read(reader, exhibition.id).await?;
        let rows = store::waitlist(reader, exhibition.id, 10_000).await?;
        let data = rows.into_iter().map(|row| Application::of(row, &exhibition.time_zone, Sees::All)).collect();
        Ok(Reply::new(&Page::whole(data, 10_000)).version(call.decisions_version))
    }

    /// Order the waitlist
    ///
    /// Those who are not named stay behind them in their order. With If-Match.
    #[oai(path = "/v1/exhibitions/:exhibition_id/waitlist", method = "put", operation_id = "order_waitlist")]
    async fn order_waitlist(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        body: Body<WaitlistOrder>,
    ) -> poem::Result<Reply<Page<Application>>> {
        let Deciding { work, permit, exhibition, call } = deciding(&member, &write, *exhibition_id, body.bytes()).await?;
        service::reorder(&work, &permit, &exhibition, &body.read()?.application_ids).await?;
        let rows = store::waitlist(work.db(), exhibition.id, 10_000).await?;
        let data = rows.into_iter().map(|row| Application::of(row, &exhibition.time_zone, Sees::All)).collect();
        work.finish(Reply::new(&Page::whole(data, 10_000)).version(call.decisions_version)).await
    }

    /// What an SME was told
    ///
    /// The newest 100, newest first.
    #[oai(path = "/v1/smes/:sme_id/notices", method = "get", operation_id = "list_notices")]
    async fn notices(&self, app: Data<&App>, member: Member, sme_id: Path<Uuid>) -> poem::Result<Reply<Page<Notice>>> {
        let reader = app.database.reader();
        policy::permit::<ReadSme>(&member, &sme::store::scope(reader, *sme_id).await?)?;
        let data = store::notices(reader, *sme_id).await?.into_iter().map(Notice::from).collect();
        Ok(Reply::new(&Page::whole(data, 100)))
    }
}

/// Only who decides sees what is not released.
fn sees(actor: &Actor, exhibition: &Exhibition) -> Sees {
    if exhibitions::api::visible::<Decide>(actor, exhibition).is_ok() { Sees::All } else { Sees::Released }
}
