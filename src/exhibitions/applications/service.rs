//! Use cases of applications: apply, decide, release, confirm, and hand on what becomes free.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{
    model::{ApplicationEvent, ApplicationStatus, PendingDecision, new_check_in_code},
    store::{self, Prepared, entity::Model},
};
use crate::{
    app::App,
    catalogue::model::check_range,
    documents::store::held_by_applicants,
    exhibitions::{
        self,
        call::{
            model::{Answers, Moment, RequirementCheck, ShownProduct, check_answered, check_answers, checklist},
            store as calls,
        },
        model::{ExhibitionEvent, ExhibitionStatus},
        plan,
        store::entity::Model as Exhibition,
    },
    fault::{Fault, Outcome, STALE, field, say},
    identity::policy::{Apply, Decide, EditApplication, Permit, clock, conflict_of_interest},
    platform::{clock::now, database::Connection, jobs::JobKind},
    sme::{self, model::SmeStatus},
    transitions::Machine,
    values::{Localized, check_text, text::is_visible},
    work::Work,
};

/// An offer from the waitlist stands at least this long.
const SHORTEST_OFFER: Duration = Duration::hours(72);

/// Whether an SME's application can be handed in or changed now: by the clock, whatever the jobs have done.
async fn check_open(work: &Work, exhibition: &Exhibition, sme: Uuid, may_be_early: bool) -> Outcome<()> {
    let call = calls::by_exhibition(work.db(), exhibition.id).await?;
    let moment = |at| Moment::of(at, &exhibition.time_zone);
    let is_open = exhibition.status == ExhibitionStatus::ApplicationsOpen && call.opens_at <= now();
    if now() < call.closes_at && (is_open || (may_be_early && exhibition.status == ExhibitionStatus::Announced)) {
        return Ok(());
    }
    let takes_late = matches!(exhibition.status, ExhibitionStatus::ApplicationsOpen | ExhibitionStatus::Curation);
    if takes_late && calls::grace(work.db(), exhibition.id, sme).await?.is_some_and(|until| now() < until) {
        return Ok(());
    }
    let (opens, closes) = (moment(call.opens_at), moment(call.closes_at));
    let label = &opens.time_zone_label;
    let detail = say(
        format!("Pendaftaran dibuka {} sampai {} {label}.", opens.local, closes.local),
        format!("Applications are taken from {} to {} {label}.", opens.local, closes.local),
    );
    Err(Fault::conflict("call_closed", detail).with("opens_at", json!(opens.at)).with("closes_at", json!(closes.at)))
}

/// Begins an application as a draft. With a lead it shares the booth of that application of the same WUB group.
pub async fn create(work: &Work, permit: &Permit<EditApplication>, exhibition: &Exhibition, sme: Uuid, lead: Option<Uuid>) -> Outcome<Model> {
    check_open(work, exhibition, sme, true).await?;
    if let Some(lead) = lead {
        let lead = store::by_id(work.db(), exhibition.id, lead).await.ok().filter(|lead| lead.lead_id.is_none() && lead.sme_id != sme);
        let shared = match &lead {
            Some(lead) => store::share_a_group(work.db(), lead.sme_id, sme).await?,
            None => false,
        };
        if let Some(lead) = lead.as_ref().filter(|_| shared) {
            check_lead(lead)?;
        } else {
            let message = say("Bukan pendaftaran dari kelompok WUB yang sama.", "Not an application of the same WUB group.");
            return Err(Fault::invalid_field("/lead_application_id", "unknown", message));
        }
    }
    let application = Model {
        id: Uuid::now_v7(),
        exhibition_id: exhibition.id,
        sme_id: sme,
        lead_id: lead,
        status: ApplicationStatus::Draft,
        note: None,
        pitch: None,
        answers: json!({}),
        pending_decision: None,
        decision_reason: None,
        decision_reason_en: None,
        waitlist_rank: None,
        submitted_at: None,
        decided_at: None,
        confirm_by: None,
        power_needed_w: 0,
        preferred_batch_id: None,
        preferred_booth_class: None,
        check_in_code: new_check_in_code(),
        version: 1,
        created_at: now(),
    };
    let application = store::insert(work.db(), application).await?;
    work.audit(permit, "create_application", "application", application.id, json!({ "sme_id": sme }), None).await?;
    Ok(application)
}

/// What an applicant can change.
pub struct Change {
    pub pitch: Option<Option<Localized>>,
    pub product_ids: Option<Vec<Uuid>>,
    pub answers: Option<Answers>,
    pub power_needed_w: Option<i64>,
    pub preferred_batch_id: Option<Option<Uuid>>,
    pub preferred_booth_class: Option<Option<String>>,
}

/// Changes a draft or a submitted application, until the deadline.
pub async fn edit(work: &Work, permit: &Permit<EditApplication>, exhibition: &Exhibition, mut application: Model, change: Change) -> Outcome<Model> {
    check_open(work, exhibition, application.sme_id, true).await?;
    if !matches!(application.status, ApplicationStatus::Draft | ApplicationStatus::Submitted) {
        return Err(Fault::conflict("not_editable", say("Pendaftaran tidak dapat diubah lagi.", "The application can't be changed any more.")));
    }
    let mut faults = Vec::new();
    if let Some(pitch) = change.pitch {
        if let Some(pitch) = &pitch {
            pitch.check("/pitch", 3000, &mut faults);
        }
        application.pitch = pitch;
    }
    if let Some(answers) = change.answers {
        check_answers(&calls::questions(work.db(), exhibition.id).await?, &answers, &mut faults);
        application.answers = json!(answers);
    }
    check_range(change.power_needed_w, 0..=100_000, "/power_needed_w", &mut faults);
    application.power_needed_w = change.power_needed_w.unwrap_or(application.power_needed_w);
    if let Some(batch) = change.preferred_batch_id {
        if let Some(batch) = batch
            && plan::store::batch(work.db(), exhibition.id, Some(batch)).await?.is_none()
        {
            faults.push(field("/preferred_batch_id", "unknown", say("Gelombang tidak dikenal.", "No such batch.")));
        }
        application.preferred_batch_id = batch;
    }
    if let Some(class) = change.preferred_booth_class {
        if let Some(class) = &class {
            check_text(class, "/preferred_booth_class", 40, &mut faults);
        }
        application.preferred_booth_class = class;
    }
    if change.product_ids.as_ref().is_some_and(|products| products.len() > 50) {
        faults.push(field("/product_ids", "too_many", say("Paling banyak 50 produk.", "At most 50 products.")));
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    if let Some(products) = change.product_ids {
        store::set_products(work.db(), application.id, &products).await?;
    }
    if application.status == ApplicationStatus::Submitted {
        check_complete(work, exhibition, &application).await?;
    }
    let application = store::update(work.db(), application).await?;
    work.audit(permit, "edit_application", "application", application.id, json!({ "version": application.version }), None).await?;
    Ok(application)
}

/// The checklist of one applicant.
pub async fn readiness(connection: &Connection, exhibition: &Exhibition, application: Uuid) -> Outcome<Vec<RequirementCheck>> {
    let rules = calls::rules(connection, exhibition.id).await?;
    let products = store::products(connection, exhibition.id, Some(&[application])).await?.remove(&application).unwrap_or_default();
    let held = held_by_applicants(connection, exhibition.id, Some(application)).await?;
    Ok(checklist(&rules, &products, &held, (exhibition.starts_on, exhibition.ends_on)))
}

/// The checklists of every applicant with these products, by application and SME, in as many statements as of one.
async fn readiness_of_all(
    connection: &Connection,
    exhibition: &Exhibition,
    products: HashMap<Uuid, Vec<ShownProduct>>,
) -> Outcome<impl Fn(Uuid, Uuid) -> Vec<RequirementCheck> + use<>> {
    let rules = calls::rules(connection, exhibition.id).await?;
    let mut held: HashMap<Uuid, Vec<_>> = HashMap::new();
    for document in held_by_applicants(connection, exhibition.id, None).await? {
        held.entry(document.sme_id).or_default().push(document);
    }
    let days = (exhibition.starts_on, exhibition.ends_on);
    Ok(move |application: Uuid, sme: Uuid| {
        let products = products.get(&application).map(Vec::as_slice).unwrap_or_default();
        checklist(&rules, products, held.get(&sme).map(Vec::as_slice).unwrap_or_default(), days)
    })
}

/// What keeps an application, or one that shares its booth, from being accepted; for any of them with these products, in as
/// many statements as for one.
pub async fn lacking(
    connection: &Connection,
    exhibition: &Exhibition,
    products: HashMap<Uuid, Vec<ShownProduct>>,
) -> Outcome<impl Fn(Uuid) -> Option<Localized> + use<>> {
    let checklist_of = readiness_of_all(connection, exhibition, products).await?;
    let mut groups: HashMap<Uuid, Vec<(Uuid, Uuid)>> = HashMap::new();
    for member in store::group_members(connection, exhibition.id).await? {
        groups.entry(member.lead_id).or_default().push((member.application_id, member.sme_id));
    }
    Ok(move |lead: Uuid| {
        let checks = groups.get(&lead).into_iter().flatten().flat_map(|(application, sme)| checklist_of(*application, *sme));
        checks.into_iter().find(RequirementCheck::blocks_acceptance).map(|check| check.message)
    })
}

async fn check_complete(work: &Work, exhibition: &Exhibition, application: &Model) -> Outcome<()> {
    let products = store::products(work.db(), exhibition.id, Some(&[application.id])).await?.remove(&application.id).unwrap_or_default();
    let mut faults = Vec::new();
    if products.is_empty() {
        faults.push(field("/product_ids", "required", say("Pilih sedikitnya satu produk.", "Choose at least one product.")));
    }
    let answers: Answers = serde_json::from_value(application.answers.clone()).unwrap_or_default();
    check_answered(&calls::questions(work.db(), exhibition.id).await?, &products, &answers, &mut faults);
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    let checks = readiness(work.db(), exhibition, application.id).await?;
    let missing: Vec<_> = checks.into_iter().filter(RequirementCheck::blocks_submission).collect();
    if missing.is_empty() { Ok(()) } else { Err(not_ready().with("checks", json!(missing))) }
}

fn not_ready() -> Fault {
    Fault::conflict("not_ready", say("Ada syarat yang belum terpenuhi; lihat `checks`.", "Some requirements are not met; see `checks`."))
}

/// A step of the applicant's own.
pub async fn step(work: &Work, permit: &Permit<Apply>, exhibition: &Exhibition, id: Uuid, event: ApplicationEvent) -> Outcome<Model> {
    let mut application = store::by_id(work.db(), exhibition.id, id).await?;
    // What frees a place goes one after the other; an exhibition without a call has no places to hand on.
    let mut locked = None;
    if application.status.takes_place() && calls::find(work.db(), exhibition.id).await?.is_some() {
        locked = Some(calls::lock(work.db(), exhibition.id).await?);
        application = store::by_id(work.db(), exhibition.id, id).await?;
    }
    let from = application.status;
    application.status = from.transition(event)?;
    // The call does not close while something is being handed in.
    let exhibition = &exhibitions::store::shared(work.db(), exhibition.id).await?;
    match event {
        ApplicationEvent::Withdraw if from == ApplicationStatus::Confirmed && has_begun(exhibition) => {
            let detail = say("Pameran sudah berjalan; beri tahu koordinator.", "The exhibition has begun; tell the coordinator.");
            return Err(Fault::conflict("exhibition_begun", detail));
        }
        ApplicationEvent::Submit => {
            if let Some(lead) = application.lead_id {
                check_lead(&store::by_id(work.db(), exhibition.id, lead).await?)?;
            }
            check_open(work, exhibition, application.sme_id, false).await?;
            if sme::store::by_id(work.db(), application.sme_id).await?.status != SmeStatus::Verified {
                return Err(Fault::conflict("sme_not_verified", say("IKM belum diverifikasi.", "The SME is not verified yet.")));
            }
            check_complete(work, exhibition, &application).await?;
            application.submitted_at = Some(now());
            if exhibition.status == ExhibitionStatus::Curation {
                application.status = application.status.transition(ApplicationEvent::Review)?;
            }
        }
        ApplicationEvent::Reopen => {
            check_open(work, exhibition, application.sme_id, false).await?;
            (application.submitted_at, application.decided_at, application.confirm_by) = (None, None, None);
        }
        ApplicationEvent::Confirm if application.lead_id.is_some() => {
            return Err(Fault::conflict("follows_lead", say("Pemimpin kelompok yang mengonfirmasi.", "The lead of the group confirms.")));
        }
        ApplicationEvent::Confirm if application.confirm_by.is_some_and(|until| until < now()) => {
            return Err(Fault::conflict("offer_lapsed", say("Batas konfirmasi sudah lewat.", "The time to confirm is over.")));
        }
        _ => {}
    }
    if matches!(event, ApplicationEvent::Withdraw | ApplicationEvent::Reopen) {
        application.pending_decision = None;
        application.waitlist_rank = None;
        if application.decided_at.is_none() {
            (application.decision_reason, application.decision_reason_en) = (None, None);
        }
    }
    let application = store::update(work.db(), application).await?;
    // What the others of a group hand in is theirs; what becomes of the place is the lead's.
    if matches!(event, ApplicationEvent::Confirm | ApplicationEvent::Decline | ApplicationEvent::Withdraw) {
        store::follow(work.db(), &application, from).await?;
    }
    work.touch_catalogue();
    work.audit(permit, event.name(), "application", application.id, json!({ "from": from, "status": application.status }), None).await?;
    if let Some(call) = locked.filter(|_| !application.status.takes_place()) {
        promote(work, exhibition, call).await?;
    }
    Ok(application)
}

/// Whether places still change hands: after the deadline and before the exhibition begins.
fn takes_changes(exhibition: &Exhibition) -> bool {
    matches!(exhibition.status, ExhibitionStatus::Curation | ExhibitionStatus::LineupPublished)
}

fn has_begun(exhibition: &Exhibition) -> bool {
    matches!(exhibition.status, ExhibitionStatus::Ongoing | ExhibitionStatus::Completed | ExhibitionStatus::Archived)
}

/// Fails unless others may join this lead: it is neither decided on nor withdrawn.
fn check_lead(lead: &Model) -> Outcome<()> {
    if matches!(lead.status, ApplicationStatus::Draft | ApplicationStatus::Submitted | ApplicationStatus::UnderReview) {
        return Ok(());
    }
    Err(Fault::conflict(
        "lead_is_decided",
        say("Pendaftaran pemimpin kelompok sudah diputuskan atau ditarik.", "The lead's application is decided on or withdrawn."),
    ))
}

/// Offers every free place to the next on the waitlist who lacks nothing. The call is locked and read before.
async fn promote(work: &Work, exhibition: &Exhibition, call: calls::entity::Model) -> Outcome<()> {
    let free = calls::by_exhibition(work.db(), exhibition.id).await?;
    let free = usize::try_from(free.capacity - free.taken).unwrap_or_default();
    if free == 0 || !takes_changes(exhibition) {
        return schedule_lapse(work, exhibition.id).await;
    }
    let until = confirm_by(&call);
    let lacks = lacking(work.db(), exhibition, store::products(work.db(), exhibition.id, None).await?).await?;
    let waiting = store::waitlist(work.db(), exhibition.id, 10_000).await?.into_iter();
    for next in waiting.filter(|next| lacks(next.application.id).is_none()).take(free) {
        let (from, at) = (next.application.status, now());
        let status = from.transition(ApplicationEvent::Accept)?;
        let offer = Model { status, decided_at: Some(at), confirm_by: Some(until), ..next.application };
        let promoted = Model { decision_reason: None, decision_reason_en: None, waitlist_rank: None, ..offer };
        let promoted = store::update(work.db(), promoted).await?;
        store::follow(work.db(), &promoted, from).await?;
        store::tell(work.db(), &promoted, at).await?;
        work.audit(&clock::<Decide>(), "promote_application", "application", promoted.id, json!({ "confirm_by": until }), None).await?;
    }
    schedule_lapse(work, exhibition.id).await
}

async fn schedule_lapse(work: &Work, exhibition: Uuid) -> Outcome<()> {
    if let Some(next) = store::next_lapse(work.db(), exhibition).await? {
        work.enqueue_later(JobKind::LapseOffers, exhibition, next - now() + Duration::seconds(1)).await?;
    }
    Ok(())
}

/// A decision on one application; `None` takes back what was prepared.
pub struct Decision {
    pub application_id: Uuid,
    pub decision: Option<PendingDecision>,
    pub reason: Option<String>,
    pub reason_en: Option<String>,
}

/// Prepares decisions, unseen by the applicants. All or none.
pub async fn prepare(work: &Work, permit: &Permit<Decide>, exhibition: &Exhibition, decisions: Vec<Decision>) -> Outcome<()> {
    let lacks = lacking(work.db(), exhibition, store::products(work.db(), exhibition.id, None).await?).await?;
    let mut undecided = store::undecided(work.db(), exhibition.id).await?;
    refuse_own(work, permit, exhibition.id, decisions.iter().map(|decision| decision.application_id)).await?;
    let (mut prepared, mut faults) = (Vec::new(), Vec::new());
    let waiting = store::last_rank(work.db(), exhibition.id).await?;
    for (index, decision) in decisions.into_iter().enumerate() {
        let pointer = format!("/decisions/{index}");
        if decision.decision == Some(PendingDecision::Reject) && !decision.reason.as_deref().is_some_and(is_visible) {
            faults.push(field(format!("{pointer}/reason"), "required", say("Tulis alasannya.", "Give the reason.")));
            continue;
        }
        if decision.decision == Some(PendingDecision::Accept)
            && let Some(message) = lacks(decision.application_id)
        {
            let english = message.en.unwrap_or_default();
            faults.push(field(format!("{pointer}/decision"), "not_ready", say(message.id, english)));
            continue;
        }
        if !undecided.remove(&decision.application_id) {
            let message =
                say("Bukan pendaftaran yang menunggu keputusan, atau ganda.", "Not an application that waits for a decision, or named twice.");
            faults.push(field(format!("{pointer}/application_id"), "unknown", message));
        }
        let waitlist_rank = (decision.decision == Some(PendingDecision::Waitlist)).then_some(waiting + index as i64 + 1);
        let Decision { application_id, decision, reason, reason_en } = decision;
        if [&reason, &reason_en].into_iter().flatten().any(|text| text.chars().count() > 1_000) {
            faults.push(field(format!("{pointer}/reason"), "too_long", say("Paling banyak 1000 karakter.", "At most 1000 characters.")));
        }
        let (reason, reason_en) = if decision.is_some() { (reason, reason_en) } else { (None, None) };
        prepared.push(Prepared { application: application_id, decision, reason, reason_en, waitlist_rank });
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    if store::prepare(work.db(), exhibition.id, &prepared, permit.by()).await? != prepared.len() as u64 {
        return Err(Fault::new(&STALE));
    }
    calls::decided_by(work.db(), exhibition.id, permit.by()).await?;
    let decided = prepared.iter().map(|one| json!({ "application": one.application, "decision": one.decision })).collect::<Vec<_>>();
    work.audit(permit, "prepare_decisions", "exhibition", exhibition.id, json!({ "decisions": decided }), None).await
}

/// Refuses a step that touches the application of an SME that the actor belongs to, or of a group that it is in: whatever is
/// decided about it, also who reviews it, where it stands and whether it came, is decided by a colleague.
pub async fn refuse_own<A>(work: &Work, permit: &Permit<A>, exhibition: Uuid, touched: impl IntoIterator<Item = Uuid>) -> Outcome<()> {
    let own = store::of_smes(work.db(), exhibition, permit.own_smes()).await?;
    if touched.into_iter().any(|application| own.contains(&application)) { Err(conflict_of_interest()) } else { Ok(()) }
}

/// Takes back every decision that is not released.
pub async fn clear(work: &Work, permit: &Permit<Decide>, exhibition: &Exhibition) -> Outcome<u64> {
    refuse_own(work, permit, exhibition.id, store::with_pending_decision(work.db(), exhibition.id).await?).await?;
    let cleared = store::clear(work.db(), exhibition.id).await?;
    work.audit(permit, "clear_decisions", "exhibition", exhibition.id, json!({ "applications": cleared }), None).await?;
    Ok(cleared)
}

/// Until when those accepted now must confirm.
pub fn confirm_by(call: &calls::entity::Model) -> DateTime<Utc> {
    call.confirm_by.max(now() + SHORTEST_OFFER)
}

/// Releases what is prepared: every applicant learns of it with this commit, once, or nobody does. More acceptances than
/// places are refused by the database.
pub async fn release(work: &Work, permit: &Permit<Decide>, exhibition: &Exhibition, call: &calls::entity::Model) -> Outcome<u64> {
    if !takes_changes(exhibition) {
        return Err(Fault::conflict("not_in_curation", say("Tutup pendaftaran dahulu.", "Close the call first.")));
    }
    let has_prepared = call.decided_by == Some(permit.by()) || store::has_prepared(work.db(), exhibition.id, permit.by()).await?;
    if work.config().release_by_second_person && has_prepared {
        let detail =
            say("Keputusan dirilis oleh orang lain daripada yang menyiapkannya.", "Somebody other than who prepared the decisions releases them.");
        return Err(Fault::conflict("second_person_required", detail));
    }
    refuse_own(work, permit, exhibition.id, store::with_pending_decision(work.db(), exhibition.id).await?).await?;
    let at = now();
    let released = store::release(work.db(), exhibition.id, at, confirm_by(call)).await?;
    store::tell_decided(work.db(), exhibition.id, at).await?;
    work.touch_catalogue();
    schedule_lapse(work, exhibition.id).await?;
    work.audit(permit, "release_decisions", "exhibition", exhibition.id, json!({ "applications": released }), None).await?;
    Ok(released)
}

/// Gives the waitlist an order; those who are not named keep theirs behind it.
pub async fn reorder(work: &Work, permit: &Permit<Decide>, exhibition: &Exhibition, order: &[Uuid]) -> Outcome<()> {
    refuse_own(work, permit, exhibition.id, order.iter().copied()).await?;
    let waiting: Vec<Uuid> = store::waitlist(work.db(), exhibition.id, 10_000).await?.into_iter().map(|row| row.application.id).collect();
    let others: Vec<Uuid> = waiting.iter().copied().filter(|id| !order.contains(id)).collect();
    let known: HashSet<Uuid> = waiting.iter().copied().collect();
    let mut seen = HashSet::new();
    if let Some(index) = order.iter().position(|id| !known.contains(id) || !seen.insert(*id)) {
        let message = say("Tidak ada di daftar tunggu, atau ganda.", "Not on the waitlist, or named twice.");
        return Err(Fault::invalid_field(&format!("/application_ids/{index}"), "unknown", message));
    }
    store::rank(work.db(), exhibition.id, &[order, &others].concat()).await?;
    work.audit(permit, "reorder_waitlist", "exhibition", exhibition.id, json!({ "order": order }), None).await
}

/// Opens or closes a call whose time has come. What the coordinator did by hand before stands.
pub async fn by_the_clock(app: &App, id: Uuid, event: ExhibitionEvent, request_id: &str) -> Outcome<()> {
    let work = Work::begin(app, request_id).await?;
    let exhibition = exhibitions::store::by_id(work.db(), id).await?;
    let call = calls::by_exhibition(work.db(), id).await?;
    let due = if event == ExhibitionEvent::Open { call.opens_at } else { call.closes_at };
    if due > now() || exhibition.status.transition(event).is_err() {
        return Ok(());
    }
    exhibitions::service::step(&work, &clock(), exhibition, event, None).await?;
    work.commit().await
}

/// Takes back offers that nobody confirmed in time, and makes the next ones.
pub async fn lapse(app: &App, id: Uuid, request_id: &str) -> Outcome<()> {
    let work = Work::begin(app, request_id).await?;
    let call = calls::lock(work.db(), id).await?;
    let exhibition = exhibitions::store::by_id(work.db(), id).await?;
    for application in store::lapsed(work.db(), id, now()).await? {
        let (from, at) = (application.status, now());
        let lapsed = Model { status: from.transition(ApplicationEvent::Lapse)?, ..application };
        let lapsed = store::update(work.db(), lapsed).await?;
        store::follow(work.db(), &lapsed, from).await?;
        store::tell(work.db(), &lapsed, at).await?;
        work.audit(&clock::<Decide>(), ApplicationEvent::Lapse.name(), "application", lapsed.id, json!({}), None).await?;
    }
    promote(&work, &exhibition, call).await?;
    work.touch_catalogue();
    work.commit().await
}
