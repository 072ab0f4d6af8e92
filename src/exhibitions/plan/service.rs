//! Use cases of plans: draw, place, swap, suggest, publish.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use super::{
    model::{AssignmentStatus, Batch, Booth, Hall, Placement, PlanKind, Unplaced, suggest as suggestion},
    store::{self, Assignment},
};
use crate::{
    catalogue::model::check_range,
    exhibitions::{applications, model::is_sensible, store::entity::Model as Exhibition},
    fault::{Fault, Outcome, field, say},
    identity::policy::{ManageExhibition, Permit},
    platform::clock::now,
    values::{check_text, reading::as_read},
    work::Work,
};

pub async fn add_hall(work: &Work, permit: &Permit<ManageExhibition>, exhibition: &Exhibition, hall: Hall) -> Outcome<Hall> {
    let mut faults = Vec::new();
    check_text(&hall.name, "/name", 120, &mut faults);
    check_range(Some(hall.width_mm), 1_000..=1_000_000, "/width_mm", &mut faults);
    check_range(Some(hall.depth_mm), 1_000..=1_000_000, "/depth_mm", &mut faults);
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    if store::halls(work.db(), exhibition.id).await?.iter().any(|other| as_read(&other.name) == as_read(&hall.name)) {
        return Err(Fault::conflict("name_taken", say("Nama aula sudah ada.", "There is a hall with this name.")));
    }
    store::insert_hall(work.db(), exhibition.id, &hall).await?;
    work.touch_catalogue();
    work.audit(permit, "add_hall", "exhibition", exhibition.id, json!({ "hall": hall.name }), None).await?;
    Ok(hall)
}

/// Adds days with exhibitors of their own; the database keeps batches apart.
pub async fn add_batch(work: &Work, permit: &Permit<ManageExhibition>, exhibition: &Exhibition, batch: Batch) -> Outcome<Batch> {
    let mut faults = Vec::new();
    check_text(&batch.name, "/name", 120, &mut faults);
    if batch.starts_on > batch.ends_on {
        faults.push(field("/ends_on", "before_start", say("Sebelum hari pertama.", "Before the first day.")));
    }
    if !is_sensible(batch.starts_on) || !is_sensible(batch.ends_on) || store::outside(&batch, exhibition.starts_on, exhibition.ends_on) {
        faults.push(field("/starts_on", "outside", say("Di luar hari pameran.", "Outside the days of the exhibition.")));
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    if store::batches(work.db(), exhibition.id).await?.iter().any(|other| as_read(&other.name) == as_read(&batch.name)) {
        return Err(Fault::conflict("name_taken", say("Nama gelombang sudah ada.", "There is a batch with this name.")));
    }
    store::insert_batch(work.db(), exhibition.id, &batch).await?;
    work.touch_catalogue();
    work.audit(permit, "add_batch", "exhibition", exhibition.id, json!({ "batch": batch.name }), None).await?;
    Ok(batch)
}

/// Adds booths, all or none. They lie within their hall and cover no floor twice.
pub async fn add_booths(work: &Work, permit: &Permit<ManageExhibition>, exhibition: &Exhibition, new: Vec<Booth>) -> Outcome<()> {
    let (halls, mut present) = (store::halls(work.db(), exhibition.id).await?, store::booths(work.db(), exhibition.id).await?);
    let known = present.len();
    let mut codes: HashSet<String> = present.iter().map(|booth| as_read(&booth.code)).collect();
    let mut is_taken = false;
    let mut faults = Vec::new();
    for (index, booth) in new.into_iter().enumerate() {
        let at = |name: &str| format!("/booths/{index}/{name}");
        check_text(&booth.code, &at("code"), 20, &mut faults);
        is_taken |= !codes.insert(as_read(&booth.code));
        check_text(&booth.class, &at("class"), 40, &mut faults);
        check_range(Some(booth.width_mm), 500..=100_000, &at("width_mm"), &mut faults);
        check_range(Some(booth.depth_mm), 500..=100_000, &at("depth_mm"), &mut faults);
        check_range(Some(booth.power_w), 0..=100_000, &at("power_w"), &mut faults);
        check_range(Some(booth.slots), 1..=10, &at("slots"), &mut faults);
        let hall = halls.iter().find(|hall| hall.id == booth.hall_id);
        match hall {
            None => faults.push(field(at("hall_id"), "unknown", say("Aula tidak dikenal.", "No such hall."))),
            Some(hall) => {
                check_range(Some(booth.x_mm), 0..=hall.width_mm.saturating_sub(booth.width_mm).max(0), &at("x_mm"), &mut faults);
                check_range(Some(booth.y_mm), 0..=hall.depth_mm.saturating_sub(booth.depth_mm).max(0), &at("y_mm"), &mut faults);
            }
        }
        if let Some(other) = present.iter().find(|other| other.overlaps(&booth)) {
            let message = say(format!("Menimpa stan {}.", other.code), format!("Covers booth {}.", other.code));
            faults.push(field(at("x_mm"), "overlaps", message));
        }
        present.push(booth);
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    if is_taken {
        return Err(Fault::conflict("code_taken", say("Kode stan sudah ada.", "There is a booth with this code.")));
    }
    store::insert_booths(work.db(), exhibition.id, &present[known..]).await?;
    work.touch_catalogue();
    work.audit(permit, "add_booths", "exhibition", exhibition.id, json!({ "booths": present.len() }), None).await
}

pub async fn remove_booth(work: &Work, permit: &Permit<ManageExhibition>, exhibition: &Exhibition, booth: Uuid) -> Outcome<()> {
    store::delete_booth(work.db(), exhibition.id, booth).await?;
    work.touch_catalogue();
    work.audit(permit, "remove_booth", "exhibition", exhibition.id, json!({ "booth": booth }), None).await
}

/// Where somebody is to stand.
pub struct Place {
    pub application_id: Uuid,
    /// Code of the booth.
    pub booth: String,
    pub slot: i64,
    /// May be left out if there is one batch only.
    pub batch_id: Option<Uuid>,
}

/// Puts an applicant into a slot. Of any number who want the same slot at the same time one gets it, and the others are told
/// which booth and batch it was.
pub async fn assign(work: &Work, permit: &Permit<ManageExhibition>, exhibition: &Exhibition, plan: PlanKind, place: Place) -> Outcome<Assignment> {
    let batch = store::batch(work.db(), exhibition.id, place.batch_id).await?;
    let batch = batch.ok_or_else(|| Fault::invalid_field("/batch_id", "unknown", say("Sebutkan gelombangnya.", "Name the batch.")))?;
    let booth = store::booths(work.db(), exhibition.id).await?.into_iter().find(|booth| booth.code == place.booth && place.slot <= booth.slots);
    let booth = booth.ok_or_else(|| Fault::invalid_field("/booth", "unknown", say("Stan atau slot tidak dikenal.", "No such booth or slot.")))?;
    if place.slot < 1 {
        return Err(Fault::invalid_field("/slot", "unknown", say("Slot mulai dari 1.", "Slots begin with 1.")));
    }
    applications::store::by_id(work.db(), exhibition.id, place.application_id)
        .await
        .map_err(|_| Fault::invalid_field("/application_id", "unknown", say("Pendaftaran tidak dikenal.", "No such application.")))?;
    applications::service::refuse_own(work, permit, exhibition.id, [place.application_id]).await?;
    let placement = Placement { application: place.application_id, batch: batch.id, booth: booth.id, slot: place.slot };
    // An applicant who wants a slot twice hears of the slot first, on both engines.
    if store::is_taken(work.db(), plan, &placement).await? {
        return Err(slot_taken(&booth.code, place.slot, &batch.name));
    }
    let assigned = store::assign(work.db(), exhibition.id, plan, &[placement]).await;
    let ids = assigned.map_err(|fault| name_slot(fault, &booth.code, place.slot, &batch.name))?;
    store::bump(work.db(), exhibition.id, None).await?;
    changed(work, plan);
    work.audit(
        permit,
        "assign_booth",
        "exhibition",
        exhibition.id,
        json!({ "plan": plan, "booth": booth.code, "application": place.application_id }),
        None,
    )
    .await?;
    let id = ids.first().copied().unwrap_or_default();
    store::assignment(work.db(), exhibition.id, plan, id).await
}

/// Says which slot of which batch is taken, if that is the fault.
fn name_slot(fault: Fault, booth: &str, slot: i64, batch: &str) -> Fault {
    let is_taken = fault.members.iter().any(|(name, value)| *name == "reason" && value == "booth_slot_taken");
    if is_taken { slot_taken(booth, slot, batch) } else { fault }
}

fn slot_taken(booth: &str, slot: i64, batch: &str) -> Fault {
    let detail = say(format!("Stan {booth} slot {slot} pada {batch} sudah ditempati."), format!("Booth {booth} slot {slot} is taken in {batch}."));
    Fault::conflict("booth_slot_taken", detail).with("conflict", json!({ "booth": booth, "slot": slot, "batch": batch }))
}

fn changed(work: &Work, plan: PlanKind) {
    if plan == PlanKind::Live {
        work.touch_catalogue();
    }
}

pub async fn unassign(
    work: &Work,
    permit: &Permit<ManageExhibition>,
    exhibition: &Exhibition,
    plan: PlanKind,
    assignment: &Assignment,
) -> Outcome<()> {
    check_movable(assignment)?;
    applications::service::refuse_own(work, permit, exhibition.id, [assignment.application_id]).await?;
    store::unassign(work.db(), assignment.id).await?;
    store::bump(work.db(), exhibition.id, None).await?;
    changed(work, plan);
    work.audit(permit, "unassign_booth", "exhibition", exhibition.id, json!({ "plan": plan, "booth": assignment.booth_code }), None).await
}

/// Who has checked in, or did not come, stays as recorded.
fn check_movable(assignment: &Assignment) -> Outcome<()> {
    if matches!(assignment.status, AssignmentStatus::Held | AssignmentStatus::Confirmed) {
        return Ok(());
    }
    Err(Fault::conflict("place_is_recorded", say("Kehadiran di stan ini sudah dicatat.", "Attendance in this booth is recorded.")))
}

/// Where the one side of a swap goes: to the place of another, or to a free slot.
pub enum Target {
    Assignment(Assignment),
    Slot { booth: String, slot: i64 },
}

/// Exchanges two places of a plan, or moves to a free slot; both or neither.
pub async fn swap(
    work: &Work,
    permit: &Permit<ManageExhibition>,
    exhibition: &Exhibition,
    plan: PlanKind,
    one: Assignment,
    target: Target,
) -> Outcome<()> {
    check_movable(&one)?;
    let mut touched = vec![one.application_id];
    if let Target::Assignment(other) = &target {
        check_movable(other)?;
        touched.push(other.application_id);
    }
    applications::service::refuse_own(work, permit, exhibition.id, touched).await?;
    let other = match target {
        Target::Assignment(other) if other.id == one.id => {
            return Err(Fault::invalid_field("/with", "same", say("Itu stan yang sama.", "That is the same place.")));
        }
        Target::Assignment(other) => Some(other),
        Target::Slot { booth, slot } => {
            store::unassign(work.db(), one.id).await?;
            let place = Place { application_id: one.application_id, booth, slot, batch_id: Some(one.batch_id) };
            assign(work, permit, exhibition, plan, place).await?;
            None
        }
    };
    if let Some(other) = other {
        store::unassign(work.db(), one.id).await?;
        store::unassign(work.db(), other.id).await?;
        let (here, there) = (one.placement(), other.placement());
        let moves = [Placement { application: here.application, ..there }, Placement { application: there.application, ..here }];
        store::assign(work.db(), exhibition.id, plan, &moves).await?;
        store::bump(work.db(), exhibition.id, None).await?;
        changed(work, plan);
        work.audit(permit, "swap_booths", "exhibition", exhibition.id, json!({ "plan": plan, "booths": [one.booth_code, other.booth_code] }), None)
            .await?;
    }
    Ok(())
}

/// Puts those who have no place in a batch of the draft where the rules allow it; the others, with reasons.
pub async fn suggest(work: &Work, permit: &Permit<ManageExhibition>, exhibition: &Exhibition, batch: Option<Uuid>) -> Outcome<Vec<Unplaced>> {
    let batch = store::batch(work.db(), exhibition.id, batch).await?;
    let batch = batch.ok_or_else(|| Fault::invalid_field("/batch_id", "unknown", say("Sebutkan gelombangnya.", "Name the batch.")))?;
    let (booths, exhibitors) = (store::booths(work.db(), exhibition.id).await?, store::exhibitors(work.db(), exhibition.id).await?);
    let taken: Vec<Placement> = store::assignments(work.db(), exhibition.id, PlanKind::Draft).await?.iter().map(Assignment::placement).collect();
    // Those of an SME of one's own are placed by a colleague.
    let own = applications::store::of_smes(work.db(), exhibition.id, permit.own_smes()).await?;
    let has_place = |application: Uuid| taken.iter().any(|placement| placement.application == application);
    let waiting: Vec<_> = exhibitors.iter().filter(|who| !has_place(who.application_id) && !own.contains(&who.application_id)).cloned().collect();
    let (placements, unplaced) = suggestion(batch.id, &waiting, &booths, &exhibitors, &taken);
    store::assign(work.db(), exhibition.id, PlanKind::Draft, &placements).await?;
    store::bump(work.db(), exhibition.id, None).await?;
    let change = json!({ "placed": placements.len(), "unplaced": unplaced.len() });
    work.audit(permit, "suggest_plan", "exhibition", exhibition.id, change, None).await?;
    Ok(unplaced)
}

/// Makes the draft the live plan, all of it or nothing.
pub async fn publish(work: &Work, permit: &Permit<ManageExhibition>, exhibition: &Exhibition) -> Outcome<()> {
    let draft = store::assignments(work.db(), exhibition.id, PlanKind::Draft).await?;
    let live = store::assignments(work.db(), exhibition.id, PlanKind::Live).await?;
    let moved = |plan: &[Assignment], other: &[Assignment]| -> Vec<Uuid> {
        let stays = |place: &Placement| other.iter().any(|there| there.placement() == *place);
        plan.iter().map(Assignment::placement).filter(|place| !stays(place)).map(|place| place.application).collect()
    };
    applications::service::refuse_own(work, permit, exhibition.id, [moved(&draft, &live), moved(&live, &draft)].concat()).await?;
    store::publish(work.db(), exhibition.id, &draft).await?;
    store::bump(work.db(), exhibition.id, Some(now())).await?;
    work.touch_catalogue();
    work.audit(permit, "publish_plan", "exhibition", exhibition.id, json!({ "assignments": draft.len() }), None).await
}

/// Copies halls, booths and batches to a new exhibition, the batches moved with it. Batches that would lie outside are left
/// out, and so is everybody's place.
pub async fn copy(work: &Work, from: Uuid, to: &Exhibition, moved: Option<TimeDelta>) -> Outcome<()> {
    let mut halls = HashMap::new();
    for hall in store::halls(work.db(), from).await? {
        let copy = Hall { id: Uuid::now_v7(), ..hall.clone() };
        store::insert_hall(work.db(), to.id, &copy).await?;
        halls.insert(hall.id, copy.id);
    }
    let booths = store::booths(work.db(), from).await?.into_iter();
    let booths = booths.filter_map(|booth| Some(Booth { id: Uuid::now_v7(), hall_id: *halls.get(&booth.hall_id)?, ..booth }));
    store::insert_booths(work.db(), to.id, &booths.collect::<Vec<_>>()).await?;
    let Some(moved) = moved else { return Ok(()) };
    for batch in store::batches(work.db(), from).await? {
        let copy = Batch { id: Uuid::now_v7(), starts_on: batch.starts_on + moved, ends_on: batch.ends_on + moved, name: batch.name };
        if !store::outside(&copy, to.starts_on, to.ends_on) {
            store::insert_batch(work.db(), to.id, &copy).await?;
        }
    }
    Ok(())
}
