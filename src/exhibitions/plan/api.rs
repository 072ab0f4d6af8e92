//! Halls, batches, booths and plans over HTTP.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    model::{AssignmentStatus, Batch, Booth, Hall, PlanKind, PlanWarning, Unplaced, fee, warnings},
    picture::{Labelled, svg},
    service::{self, Place, Target},
    store::{self, Assignment},
};
use crate::{
    app::App,
    exhibitions::{
        self,
        api::{Managed, manage},
        store::entity::Model as Exhibition,
    },
    fault::{Fault, Outcome, say},
    http::{
        Body, Member, Page, Reply, Tag, Write,
        locale::Locale,
        reply::{Created, File, NoContent, Svg},
    },
    identity::policy::ReadExhibition,
    platform::database::Connection,
    values::{Language, Money, MoneyInput},
};

pub struct PlanApi;

/// A hall to be added.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewHall {
    #[oai(validator(min_length = 1, max_length = 120))]
    pub name: String,
    #[oai(validator(minimum(value = "1000"), maximum(value = "1000000")))]
    pub width_mm: i64,
    #[oai(validator(minimum(value = "1000"), maximum(value = "1000000")))]
    pub depth_mm: i64,
}

/// Days with exhibitors of their own.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewBatch {
    #[oai(validator(min_length = 1, max_length = 120))]
    pub name: String,
    pub starts_on: NaiveDate,
    /// The last day, included.
    pub ends_on: NaiveDate,
}

/// Booths to be added, all or none.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewBooths {
    #[oai(validator(max_items = 500))]
    pub booths: Vec<NewBooth>,
}

/// A rectangle in its hall, from the hall's upper left corner.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewBooth {
    pub hall_id: Uuid,
    /// Such as `B-07`; unique in the exhibition.
    #[oai(validator(min_length = 1, max_length = 20))]
    pub code: String,
    /// Such as `standard` or `corner`.
    #[oai(validator(min_length = 1, max_length = 40))]
    pub class: String,
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000")))]
    pub x_mm: i64,
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000")))]
    pub y_mm: i64,
    #[oai(validator(minimum(value = "500"), maximum(value = "100000")))]
    pub width_mm: i64,
    #[oai(validator(minimum(value = "500"), maximum(value = "100000")))]
    pub depth_mm: i64,
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(minimum(value = "0"), maximum(value = "100000")))]
    pub power_w: i64,
    /// SMEs that share it; 1 where absent.
    #[serde(default)]
    #[oai(validator(minimum(value = "1"), maximum(value = "10")))]
    pub slots: Option<i64>,
    #[serde(default)]
    pub fee: Option<MoneyInput>,
    /// Not to be given to anybody.
    #[serde(default)]
    #[oai(default)]
    pub is_blocked: bool,
}

/// A booth.
#[derive(Object)]
pub struct BoothView {
    pub id: Uuid,
    pub hall_id: Uuid,
    pub code: String,
    pub class: String,
    pub x_mm: i64,
    pub y_mm: i64,
    pub width_mm: i64,
    pub depth_mm: i64,
    /// Square centimetres.
    pub area_cm2: i64,
    pub power_w: i64,
    pub slots: i64,
    /// Absent where it is free of charge.
    pub fee: Option<Money>,
    pub is_blocked: bool,
}

impl From<&Booth> for BoothView {
    fn from(booth: &Booth) -> Self {
        Self {
            id: booth.id,
            hall_id: booth.hall_id,
            code: booth.code.clone(),
            class: booth.class.clone(),
            x_mm: booth.x_mm,
            y_mm: booth.y_mm,
            width_mm: booth.width_mm,
            depth_mm: booth.depth_mm,
            area_cm2: booth.width_mm * booth.depth_mm / 100,
            power_w: booth.power_w,
            slots: booth.slots,
            fee: fee(booth),
            is_blocked: booth.is_blocked == 1,
        }
    }
}

/// Who stands where.
#[derive(Object)]
pub struct BoothAssignment {
    pub id: Uuid,
    pub batch_id: Uuid,
    /// Code of the booth.
    pub booth: String,
    pub slot: i64,
    pub application_id: Uuid,
    pub sme_id: Uuid,
    pub brand_name: String,
    pub status: AssignmentStatus,
}

impl From<&Assignment> for BoothAssignment {
    fn from(row: &Assignment) -> Self {
        Self {
            id: row.id,
            batch_id: row.batch_id,
            booth: row.booth_code.clone(),
            slot: row.slot_no,
            application_id: row.application_id,
            sme_id: row.sme_id,
            brand_name: row.brand_name.clone(),
            status: row.status,
        }
    }
}

/// A plan with everything that it consists of.
#[derive(Object)]
pub struct Plan {
    pub plan: PlanKind,
    /// Of the draft; named by the ETag.
    pub version: i64,
    /// UTC; absent while nothing was published.
    pub published_at: Option<DateTime<Utc>>,
    pub halls: Vec<Hall>,
    pub batches: Vec<Batch>,
    pub booths: Vec<BoothView>,
    pub assignments: Vec<BoothAssignment>,
    /// What is not good about it, and why.
    pub warnings: Vec<PlanWarning>,
}

/// Somebody to be put into a booth.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewAssignment {
    pub plan: PlanKind,
    pub application_id: Uuid,
    /// Code of the booth.
    #[oai(validator(max_length = 20))]
    pub booth: String,
    /// 1 where absent.
    #[serde(default)]
    #[oai(validator(minimum(value = "1"), maximum(value = "10")))]
    pub slot: Option<i64>,
    /// May be absent where there is one batch.
    #[serde(default)]
    pub batch_id: Option<Uuid>,
}

/// Two places to be exchanged, or a free slot to move to.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    pub plan: PlanKind,
    pub assignment_id: Uuid,
    /// The other assignment.
    #[serde(default)]
    pub with: Option<Uuid>,
    /// Code of the booth to move to, where `with` is absent.
    #[serde(default)]
    #[oai(validator(max_length = 20))]
    pub to_booth: Option<String>,
    /// 1 where absent.
    #[serde(default)]
    #[oai(validator(minimum(value = "1"), maximum(value = "10")))]
    pub to_slot: Option<i64>,
}

/// Which batch is to be filled.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct SuggestionWish {
    /// May be absent where there is one batch.
    #[serde(default)]
    pub batch_id: Option<Uuid>,
}

/// The draft after a suggestion, and whom it found no place for.
#[derive(Object)]
pub struct Suggestion {
    pub plan: Plan,
    pub unplaced: Vec<Unplaced>,
}

async fn read(connection: &Connection, exhibition: &Exhibition, kind: PlanKind) -> Outcome<Plan> {
    let version = store::version(connection, exhibition.id).await?;
    let booths = store::booths(connection, exhibition.id).await?;
    let assignments = store::assignments(connection, exhibition.id, kind).await?;
    let placements: Vec<_> = assignments.iter().map(Assignment::placement).collect();
    Ok(Plan {
        plan: kind,
        version: version.version,
        published_at: version.published_at,
        halls: store::halls(connection, exhibition.id).await?,
        batches: store::batches(connection, exhibition.id).await?,
        warnings: warnings(&placements, &booths, &store::exhibitors(connection, exhibition.id).await?),
        booths: booths.iter().map(BoothView::from).collect(),
        assignments: assignments.iter().map(BoothAssignment::from).collect(),
    })
}

/// The picture of one batch of a plan; the first one unless `batch` names another.
pub async fn draw(connection: &Connection, exhibition: &Exhibition, kind: PlanKind, batch: Option<Uuid>, language: Language) -> Outcome<String> {
    let batches = store::batches(connection, exhibition.id).await?;
    let shown = match batch {
        Some(id) => Some(batches.iter().find(|batch| batch.id == id).ok_or_else(Fault::not_found)?),
        None => batches.first(),
    };
    let (halls, booths) = (store::halls(connection, exhibition.id).await?, store::booths(connection, exhibition.id).await?);
    let assignments = store::assignments(connection, exhibition.id, kind).await?;
    let mut names: HashMap<Uuid, Vec<&str>> = HashMap::new();
    for assignment in assignments.iter().filter(|row| shown.is_some_and(|batch| batch.id == row.batch_id)) {
        names.entry(assignment.booth_id).or_default().push(&assignment.brand_name);
    }
    let labelled: Vec<Labelled<'_>> =
        booths.iter().map(|booth| Labelled { booth, names: names.get(&booth.id).cloned().unwrap_or_default() }).collect();
    let name = exhibition.title.in_language(language);
    let title = shown.map_or_else(|| name.to_owned(), |batch| format!("{name} – {}", batch.name));
    let (free, blocked) = if language == Language::En { ("free", "blocked") } else { ("kosong", "tidak dipakai") };
    Ok(svg(&title, &halls, &labelled, free, blocked))
}

async fn finish(managed: Managed, kind: PlanKind) -> poem::Result<Reply<Plan>> {
    let plan = read(managed.work.db(), &managed.exhibition, kind).await?;
    let version = plan.version;
    managed.work.finish(Reply::new(&plan).version(version)).await
}

/// Fails unless the caller has seen the plan as it is.
async fn fresh(managed: &Managed, write: &Write) -> Outcome<()> {
    // Whoever else edits waits here.
    let bumped = store::bump(managed.work.db(), managed.exhibition.id, None).await?;
    write.if_match(bumped.version - 1)
}

#[OpenApi(tag = "Tag::Exhibitions")]
impl PlanApi {
    /// Add a hall
    #[oai(path = "/v1/exhibitions/:exhibition_id/halls", method = "post", operation_id = "add_hall")]
    async fn add_hall(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<NewHall>) -> poem::Result<Created<Hall>> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let NewHall { name, width_mm, depth_mm } = body.read()?;
        let hall = service::add_hall(&work, &permit, &exhibition, Hall { id: Uuid::now_v7(), name, width_mm, depth_mm }).await?;
        work.finish(Created::new(&hall)).await
    }

    /// Add a batch
    ///
    /// Days of the exhibition that have exhibitors of their own. Batches never overlap.
    #[oai(path = "/v1/exhibitions/:exhibition_id/batches", method = "post", operation_id = "add_batch")]
    async fn add_batch(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<NewBatch>) -> poem::Result<Created<Batch>> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let NewBatch { name, starts_on, ends_on } = body.read()?;
        let batch = service::add_batch(&work, &permit, &exhibition, Batch { id: Uuid::now_v7(), name, starts_on, ends_on }).await?;
        work.finish(Created::new(&batch)).await
    }

    /// Add booths
    ///
    /// Up to 500, all or none. Booths lie within their hall and cover no floor twice.
    #[oai(path = "/v1/exhibitions/:exhibition_id/booths", method = "post", operation_id = "add_booths")]
    async fn add_booths(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        body: Body<NewBooths>,
    ) -> poem::Result<Created<Page<BoothView>>> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let mut booths = Vec::new();
        for (index, new) in body.read()?.booths.into_iter().enumerate() {
            let fee = new.fee.map(|fee| fee.to_minor(&format!("/booths/{index}/fee"), false)).transpose();
            booths.push(Booth {
                id: Uuid::now_v7(),
                hall_id: new.hall_id,
                code: new.code,
                class: new.class,
                x_mm: new.x_mm,
                y_mm: new.y_mm,
                width_mm: new.width_mm,
                depth_mm: new.depth_mm,
                power_w: new.power_w,
                fee_minor: fee.map_err(|fault| Fault::invalid(vec![fault]))?.unwrap_or(0),
                is_blocked: i64::from(new.is_blocked),
                slots: new.slots.unwrap_or(1),
            });
        }
        service::add_booths(&work, &permit, &exhibition, booths).await?;
        let data = store::booths(work.db(), exhibition.id).await?.iter().map(BoothView::from).collect();
        work.finish(Created::new(&Page::whole(data, 2000))).await
    }

    /// Remove a booth that nobody was put into
    #[oai(path = "/v1/exhibitions/:exhibition_id/booths/:booth_id", method = "delete", operation_id = "remove_booth")]
    async fn remove_booth(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, booth_id: Path<Uuid>) -> poem::Result<NoContent> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, &[]).await?;
        service::remove_booth(&work, &permit, &exhibition, *booth_id).await?;
        work.finish_empty().await
    }

    /// Read a plan
    ///
    /// The draft unless `plan` says `live`, with warnings and their reasons.
    #[oai(path = "/v1/exhibitions/:exhibition_id/plan", method = "get", operation_id = "get_plan")]
    async fn get(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>, plan: Query<Option<PlanKind>>) -> poem::Result<Reply<Plan>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        exhibitions::api::visible::<ReadExhibition>(&member, &exhibition)?;
        let plan = read(reader, &exhibition, plan.0.unwrap_or(PlanKind::Draft)).await?;
        let version = plan.version;
        Ok(Reply::new(&plan).version(version))
    }

    /// Draw a plan
    ///
    /// SVG in millimetres, of the first batch unless another is named. The plain list is at `…/plan`.
    #[oai(path = "/v1/exhibitions/:exhibition_id/plan.svg", method = "get", operation_id = "draw_plan")]
    async fn svg(
        &self,
        app: Data<&App>,
        member: Member,
        locale: Locale,
        exhibition_id: Path<Uuid>,
        plan: Query<Option<PlanKind>>,
        batch_id: Query<Option<Uuid>>,
    ) -> poem::Result<File<Svg>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        exhibitions::api::visible::<ReadExhibition>(&member, &exhibition)?;
        let picture = draw(reader, &exhibition, plan.0.unwrap_or(PlanKind::Draft), batch_id.0, locale.0).await?;
        Ok(File::inline(picture))
    }

    /// Put an applicant into a booth
    ///
    /// Accepted or confirmed ones only. Of any number who want the same slot one gets it; the others read
    /// `booth_slot_taken` with booth and batch.
    #[oai(path = "/v1/exhibitions/:exhibition_id/plan/assignments", method = "post", operation_id = "assign_booth")]
    async fn assign(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        body: Body<NewAssignment>,
    ) -> poem::Result<Created<BoothAssignment>> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let new = body.read()?;
        let place = Place { application_id: new.application_id, booth: new.booth, slot: new.slot.unwrap_or(1), batch_id: new.batch_id };
        let assignment = service::assign(&work, &permit, &exhibition, new.plan, place).await?;
        work.finish(Created::new(&BoothAssignment::from(&assignment))).await
    }

    /// Take an applicant out of a booth
    ///
    /// With the plan's ETag.
    #[oai(path = "/v1/exhibitions/:exhibition_id/plan/assignments/:assignment_id", method = "delete", operation_id = "unassign_booth")]
    async fn unassign(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        assignment_id: Path<Uuid>,
        plan: Query<PlanKind>,
    ) -> poem::Result<NoContent> {
        let managed = manage(&member, &write, *exhibition_id, &[]).await?;
        let assignment = store::assignment(managed.work.db(), managed.exhibition.id, plan.0, *assignment_id).await?;
        fresh(&managed, &write).await?;
        service::unassign(&managed.work, &managed.permit, &managed.exhibition, plan.0, &assignment).await?;
        managed.work.finish_empty().await
    }

    /// Exchange two booths
    ///
    /// Or move to a free slot; both or neither, with the plan's ETag.
    #[oai(path = "/v1/exhibitions/:exhibition_id/plan/swap", method = "post", operation_id = "swap_booths")]
    async fn swap(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<Swap>) -> poem::Result<Reply<Plan>> {
        let managed = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let wish = body.read()?;
        fresh(&managed, &write).await?;
        let (db, id) = (managed.work.db(), managed.exhibition.id);
        let one = store::assignment(db, id, wish.plan, wish.assignment_id).await?;
        let target = match (wish.with, wish.to_booth) {
            (Some(other), None) => Target::Assignment(store::assignment(db, id, wish.plan, other).await?),
            (None, Some(booth)) => Target::Slot { booth, slot: wish.to_slot.unwrap_or(1) },
            _ => return Err(Fault::invalid_field("/with", "required", say("Isi `with` atau `to_booth`.", "Give `with` or `to_booth`.")).into()),
        };
        service::swap(&managed.work, &managed.permit, &managed.exhibition, wish.plan, one, target).await?;
        finish(managed, wish.plan).await
    }

    /// Fill the draft automatically
    ///
    /// Places those who have no booth in the batch: power is enough and food keeps away from solvents, always; members of a
    /// WUB group stand near each other where that is possible. Says for whom there was no place, and why.
    #[oai(path = "/v1/exhibitions/:exhibition_id/plan/suggest", method = "post", operation_id = "suggest_plan")]
    async fn suggest(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<SuggestionWish>) -> poem::Result<Reply<Suggestion>> {
        let managed = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let wish = body.read()?;
        fresh(&managed, &write).await?;
        let unplaced = service::suggest(&managed.work, &managed.permit, &managed.exhibition, wish.batch_id).await?;
        let plan = read(managed.work.db(), &managed.exhibition, PlanKind::Draft).await?;
        let version = plan.version;
        managed.work.finish(Reply::new(&Suggestion { plan, unplaced }).version(version)).await
    }

    /// Publish the draft
    ///
    /// It takes the place of the live plan in one step, with the plan's ETag.
    #[oai(path = "/v1/exhibitions/:exhibition_id/plan/publish", method = "post", operation_id = "publish_plan")]
    async fn publish(&self, member: Member, write: Write, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Plan>> {
        let managed = manage(&member, &write, *exhibition_id, &[]).await?;
        fresh(&managed, &write).await?;
        service::publish(&managed.work, &managed.permit, &managed.exhibition).await?;
        finish(managed, PlanKind::Live).await
    }
}
