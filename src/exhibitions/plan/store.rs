//! SQL of halls, batches, booths and assignments.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use uuid::Uuid;

use super::model::{AssignmentStatus, Batch, Booth, Exhibitor, Hall, Placement, PlanKind};
use crate::{
    fault::{Fault, Outcome, say},
    platform::{
        clock::now,
        database::{Connection, insert_many, select, sql},
    },
};

fn text_of(plan: PlanKind) -> Value {
    sea_orm::ActiveEnum::into_value(plan).into()
}

pub async fn halls(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Hall>> {
    let text = "select id, name, width_mm, depth_mm from halls where exhibition_id = ? order by id limit 50";
    select(connection, text, vec![exhibition.into()]).await
}

pub async fn insert_hall(connection: &Connection, exhibition: Uuid, hall: &Hall) -> Outcome<()> {
    let text = "insert into halls (id, exhibition_id, name, width_mm, depth_mm) values (?, ?, ?, ?, ?)";
    let values = [hall.id.into(), exhibition.into(), hall.name.clone().into(), hall.width_mm.into(), hall.depth_mm.into()];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

pub async fn batches(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Batch>> {
    let text = "select id, name, starts_on, ends_on from exhibition_batches where exhibition_id = ? order by starts_on limit 100";
    select(connection, text, vec![exhibition.into()]).await
}

/// Moves all batches by as many days, the foremost in that direction first, so that they never meet on the way.
pub async fn move_batches(connection: &Connection, exhibition: Uuid, moved: TimeDelta) -> Outcome<()> {
    let mut batches = batches(connection, exhibition).await?;
    if moved > TimeDelta::zero() {
        batches.reverse();
    }
    for batch in batches {
        let text = "update exhibition_batches set starts_on = ?, ends_on = ? where exhibition_id = ? and id = ?";
        let values = [(batch.starts_on + moved).into(), (batch.ends_on + moved).into(), exhibition.into(), batch.id.into()];
        connection.execute_raw(sql(connection, text, values)).await?;
    }
    Ok(())
}

pub async fn insert_batch(connection: &Connection, exhibition: Uuid, batch: &Batch) -> Outcome<()> {
    let text = "insert into exhibition_batches (id, exhibition_id, name, starts_on, ends_on) values (?, ?, ?, ?, ?)";
    let values = [batch.id.into(), exhibition.into(), batch.name.clone().into(), batch.starts_on.into(), batch.ends_on.into()];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

pub async fn booths(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Booth>> {
    let text = "select b.id, b.hall_id, b.code, b.class, b.x_mm, b.y_mm, b.width_mm, b.depth_mm, b.power_w, b.fee_minor, b.is_blocked, \
                (select count(*) from booth_slots s where s.booth_id = b.id) as slots from booths b where b.exhibition_id = ? order by b.code limit 2000";
    select(connection, text, vec![exhibition.into()]).await
}

pub async fn insert_booths(connection: &Connection, exhibition: Uuid, booths: &[Booth]) -> Outcome<()> {
    let row = |booth: &Booth| {
        vec![
            booth.id.into(),
            exhibition.into(),
            booth.hall_id.into(),
            booth.code.clone().into(),
            booth.class.clone().into(),
            booth.x_mm.into(),
            booth.y_mm.into(),
            booth.width_mm.into(),
            booth.depth_mm.into(),
            booth.power_w.into(),
            booth.fee_minor.into(),
            booth.is_blocked.into(),
        ]
    };
    let into = "booths (id, exhibition_id, hall_id, code, class, x_mm, y_mm, width_mm, depth_mm, power_w, fee_minor, is_blocked)";
    insert_many(connection, into, booths.iter().map(row).collect()).await?;
    let slots = booths.iter().flat_map(|booth| (1..=booth.slots).map(|slot| vec![exhibition.into(), booth.id.into(), slot.into()]));
    insert_many(connection, "booth_slots (exhibition_id, booth_id, slot_no)", slots.collect()).await
}

/// Deletes a booth in which nobody stands in either plan; places that were given up go with it.
pub async fn delete_booth(connection: &Connection, exhibition: Uuid, id: Uuid) -> Outcome<()> {
    let given_up = "delete from booth_assignments where exhibition_id = ? and booth_id = ? and status = 'released'";
    connection.execute_raw(sql(connection, given_up, [exhibition.into(), id.into()])).await?;
    let stands = "select 1 as one from booth_assignments where exhibition_id = ? and booth_id = ? limit 1";
    if connection.query_one_raw(sql(connection, stands, [exhibition.into(), id.into()])).await?.is_some() {
        return Err(Fault::conflict(
            "booth_in_use",
            say("Stan ini sudah diberikan; pindahkan pesertanya dahulu.", "Somebody has this booth; move them first."),
        ));
    }
    connection
        .execute_raw(sql(connection, "delete from booth_slots where exhibition_id = ? and booth_id = ?", [exhibition.into(), id.into()]))
        .await?;
    let gone =
        connection.execute_raw(sql(connection, "delete from booths where exhibition_id = ? and id = ?", [exhibition.into(), id.into()])).await?;
    if gone.rows_affected() == 1 { Ok(()) } else { Err(Fault::not_found()) }
}

/// The version of the draft, 1 where nobody has touched it, and when it was last published.
#[derive(FromQueryResult)]
pub struct Version {
    pub version: i64,
    pub published_at: Option<DateTime<Utc>>,
}

pub async fn version(connection: &Connection, exhibition: Uuid) -> Outcome<Version> {
    let found = select(connection, "select version, published_at from exhibition_plans where exhibition_id = ?", vec![exhibition.into()]).await?;
    Ok(found.into_iter().next().unwrap_or(Version { version: 1, published_at: None }))
}

/// Moves the version on, which keeps two editors from working at the same moment.
pub async fn bump(connection: &Connection, exhibition: Uuid, published_at: Option<DateTime<Utc>>) -> Outcome<Version> {
    let text = "insert into exhibition_plans (exhibition_id, version, published_at) values (?, 2, ?) on conflict (exhibition_id) do update \
                set version = exhibition_plans.version + 1, published_at = coalesce(excluded.published_at, exhibition_plans.published_at)";
    connection.execute_raw(sql(connection, text, [exhibition.into(), published_at.into()])).await?;
    version(connection, exhibition).await
}

/// An assignment with the names that people know it by.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Assignment {
    pub id: Uuid,
    pub batch_id: Uuid,
    pub booth_id: Uuid,
    pub booth_code: String,
    pub slot_no: i64,
    pub application_id: Uuid,
    pub sme_id: Uuid,
    pub brand_name: String,
    pub handle: String,
    pub status: AssignmentStatus,
}

impl Assignment {
    pub fn placement(&self) -> Placement {
        Placement { application: self.application_id, batch: self.batch_id, booth: self.booth_id, slot: self.slot_no }
    }
}

const ASSIGNED: &str = "select x.id, x.batch_id, x.booth_id, b.code as booth_code, x.slot_no, x.application_id, a.sme_id, s.brand_name, s.handle, x.status \
                        from booth_assignments x join booths b on b.id = x.booth_id join applications a on a.id = x.application_id \
                        join smes s on s.id = a.sme_id";

/// Who stands where in a plan, released ones left out.
pub async fn assignments(connection: &Connection, exhibition: Uuid, plan: PlanKind) -> Outcome<Vec<Assignment>> {
    let text =
        format!("{ASSIGNED} where x.exhibition_id = ? and x.plan = ? and x.status <> 'released' order by b.code, x.slot_no, x.batch_id limit 20000");
    select(connection, &text, vec![exhibition.into(), text_of(plan)]).await
}

pub async fn assignment(connection: &Connection, exhibition: Uuid, plan: PlanKind, id: Uuid) -> Outcome<Assignment> {
    let text = format!("{ASSIGNED} where x.exhibition_id = ? and x.plan = ? and x.id = ? and x.status <> 'released'");
    select(connection, &text, vec![exhibition.into(), text_of(plan), id.into()]).await?.into_iter().next().ok_or_else(Fault::not_found)
}

#[derive(FromQueryResult)]
struct Accepted {
    id: Uuid,
}

/// Puts applicants into slots; held unless the SME has confirmed. The database refuses a slot that is taken. Returns the
/// assignments in the order of the placements.
pub async fn assign(connection: &Connection, exhibition: Uuid, plan: PlanKind, placements: &[Placement]) -> Outcome<Vec<Uuid>> {
    let text = "select id from applications where exhibition_id = ? and status = 'accepted'";
    let accepted: HashSet<Uuid> =
        select::<Accepted>(connection, text, [exhibition.into()]).await?.into_iter().map(|application| application.id).collect();
    let at = now();
    let ids: Vec<Uuid> = placements.iter().map(|_| Uuid::now_v7()).collect();
    let row = |(id, placement): (&Uuid, &Placement)| {
        vec![
            (*id).into(),
            exhibition.into(),
            placement.batch.into(),
            placement.booth.into(),
            placement.slot.into(),
            placement.application.into(),
            text_of(plan),
            Value::from(if accepted.contains(&placement.application) { "held" } else { "confirmed" }),
            at.into(),
        ]
    };
    let into = "booth_assignments (id, exhibition_id, batch_id, booth_id, slot_no, application_id, plan, status, created_at)";
    insert_many(connection, into, ids.iter().zip(placements).map(row).collect()).await?;
    Ok(ids)
}

/// Whether somebody stands in a slot. The index decides; this only finds the better words.
pub async fn is_taken(connection: &Connection, plan: PlanKind, placement: &Placement) -> Outcome<bool> {
    let text = "select 1 as one from booth_assignments where plan = ? and booth_id = ? and slot_no = ? and batch_id = ? \
                and status in ('held', 'confirmed', 'checked_in')";
    let values = [text_of(plan), placement.booth.into(), placement.slot.into(), placement.batch.into()];
    Ok(connection.query_one_raw(sql(connection, text, values)).await?.is_some())
}

pub async fn unassign(connection: &Connection, id: Uuid) -> Outcome<()> {
    connection.execute_raw(sql(connection, "delete from booth_assignments where id = ?", [id.into()])).await?;
    Ok(())
}

/// Puts the draft in place of the live plan. Who has checked in, or did not come, stays as recorded.
pub async fn publish(connection: &Connection, exhibition: Uuid, draft: &[Assignment]) -> Outcome<()> {
    let text = "delete from booth_assignments where exhibition_id = ? and plan = 'live' and status in ('held', 'confirmed', 'released')";
    connection.execute_raw(sql(connection, text, [exhibition.into()])).await?;
    let recorded = assignments(connection, exhibition, PlanKind::Live).await?;
    let stands: HashSet<(Uuid, Uuid)> = recorded.iter().map(|live| (live.application_id, live.batch_id)).collect();
    let new = draft.iter().filter(|assignment| !stands.contains(&(assignment.application_id, assignment.batch_id)));
    let placements: Vec<Placement> = new.map(Assignment::placement).collect();
    assign(connection, exhibition, PlanKind::Live, &placements).await?;
    Ok(())
}

/// Those who hold a place and lead their booth, with what their placement has to respect, in one statement.
pub async fn exhibitors(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Exhibitor>> {
    let shows = |condition: &str| {
        format!(
            "case when exists (select 1 from application_products w join products p on p.id = w.product_id join categories c on c.id = p.category_id \
             where w.application_id = a.id and {condition}) then 1 else 0 end"
        )
    };
    let text = format!(
        "select a.id as application_id, s.brand_name, a.power_needed_w, a.preferred_batch_id, a.preferred_booth_class, cast({} as bigint) as has_food, cast({} as bigint) as has_solvents, \
         (select m.group_id from wub_members m where m.sme_id = a.sme_id order by m.group_id limit 1) as group_id from applications a \
         join smes s on s.id = a.sme_id where a.exhibition_id = ? and a.lead_id is null and a.status in ('accepted', 'confirmed', 'attended') order by a.id",
        shows("c.is_food = 1"),
        shows("c.slug = 'suvenir-limbah'")
    );
    select(connection, &text, vec![exhibition.into()]).await
}

/// A batch of an exhibition: the one that is named, or the only one there is.
pub async fn batch(connection: &Connection, exhibition: Uuid, id: Option<Uuid>) -> Outcome<Option<Batch>> {
    let batches = batches(connection, exhibition).await?;
    Ok(match (id, batches.as_slice()) {
        (Some(id), _) => batches.into_iter().find(|batch| batch.id == id),
        (None, [only]) => Some(only.clone()),
        (None, _) => None,
    })
}

/// Days of a batch that lie outside the exhibition.
pub fn outside(batch: &Batch, first: Option<NaiveDate>, last: Option<NaiveDate>) -> bool {
    first.is_some_and(|first| batch.starts_on < first) || last.is_some_and(|last| batch.ends_on > last)
}
