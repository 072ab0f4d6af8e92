//! Exhibitions, exhibitors and line-ups over HTTP.

use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::MaybeUndefined,
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    model::{Dates, ExhibitionEvent, ExhibitionStatus, OpeningHours, Venue, zone_label},
    review,
    service::{self, ItemChange, NewItem, Profile, Renewal, Source},
    store::{self, LineupRow, entity::Model, item},
};
use crate::{
    app::App,
    audit::{self, AuditEntry},
    fault::Fault,
    http::{
        Body, Caller, Member, Page, Reply, Tag, Work, Write,
        reply::{Created, NoContent, page_limit},
    },
    identity::{
        Actor,
        policy::{self, Action, EditLineup, ManageExhibition, Permit, ReadAudit, ReadExhibition, ReadSme, RemoveLineup, Scope},
    },
    sme::{self, api::Reason},
    values::{Localized, Money, MoneyInput},
};

pub struct ExhibitionsApi;

/// An exhibition as its agency sees it.
#[derive(Object)]
pub struct Exhibition {
    pub id: Uuid,
    pub agency_id: Uuid,
    /// Part of its public address.
    pub slug: String,
    pub title: Localized,
    pub description: Option<Localized>,
    pub city: String,
    /// ISO 3166-2.
    pub province_code: String,
    pub venue: Option<Venue>,
    /// Local times.
    pub opening_hours: Vec<OpeningHours>,
    pub dates: Dates,
    /// IANA.
    pub time_zone: String,
    /// WIB, WITA or WIT.
    pub time_zone_label: String,
    pub status: ExhibitionStatus,
    pub status_reason: Option<String>,
    pub lineup_is_frozen: bool,
    /// Where the facts are from, and whether they were verified.
    pub source: Option<String>,
    pub source_status: Option<String>,
    pub is_demo: bool,
    pub version: i64,
}

impl From<Model> for Exhibition {
    fn from(row: Model) -> Self {
        Self {
            dates: service::dates_of(&row),
            time_zone_label: zone_label(&row.time_zone).to_owned(),
            id: row.id,
            agency_id: row.agency_id,
            slug: row.slug,
            title: row.title,
            description: row.description,
            city: row.city,
            province_code: row.province_code,
            venue: row.venue.and_then(|venue| serde_json::from_value(venue).ok()),
            opening_hours: serde_json::from_value(row.opening_hours).unwrap_or_default(),
            time_zone: row.time_zone,
            status: row.status,
            status_reason: row.status_reason,
            lineup_is_frozen: row.lineup_frozen_at.is_some(),
            source: row.source,
            source_status: row.source_status,
            is_demo: row.is_demo == 1,
            version: row.version,
        }
    }
}

/// An exhibition to be created.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewExhibition {
    pub agency_id: Uuid,
    pub title: Localized,
    /// Made from the title where absent.
    #[serde(default)]
    #[oai(validator(max_length = 80))]
    pub slug: Option<String>,
    #[serde(default)]
    pub description: Option<Localized>,
    #[oai(validator(min_length = 1, max_length = 120))]
    pub city: String,
    /// ISO 3166-2, such as `ID-BA`.
    #[oai(validator(max_length = 10))]
    pub province_code: String,
    #[serde(default)]
    pub venue: Option<Venue>,
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(max_items = 200))]
    pub opening_hours: Vec<OpeningHours>,
    pub dates: Dates,
    /// IANA, such as `Asia/Makassar`.
    #[oai(validator(max_length = 60))]
    pub time_zone: String,
}

/// A JSON Merge Patch of an exhibition.
#[derive(Object, Deserialize, Default)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields, default)]
pub struct ExhibitionPatch {
    pub title: Option<Localized>,
    #[oai(validator(max_length = 80))]
    pub slug: Option<String>,
    pub description: MaybeUndefined<Localized>,
    #[oai(validator(min_length = 1, max_length = 120))]
    pub city: Option<String>,
    #[oai(validator(max_length = 10))]
    pub province_code: Option<String>,
    pub venue: MaybeUndefined<Venue>,
    #[oai(validator(max_items = 200))]
    pub opening_hours: Option<Vec<OpeningHours>>,
    /// Only as a draft; later by postponing.
    pub dates: Option<Dates>,
    #[oai(validator(max_length = 60))]
    pub time_zone: Option<String>,
}

/// What is different in another year.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewClone {
    #[oai(validator(max_length = 80))]
    pub slug: String,
    /// The same where absent.
    #[serde(default)]
    pub title: Option<Localized>,
    pub dates: Dates,
}

/// New dates and why.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Postponement {
    pub dates: Dates,
    #[serde(default)]
    #[oai(validator(max_length = 1000))]
    pub reason: Option<String>,
}

/// An SME that takes part.
#[derive(Object)]
pub struct Exhibitor {
    pub application_id: Uuid,
    pub sme_id: Uuid,
    pub brand_name: String,
    pub status: String,
    pub note: Option<String>,
}

/// An SME to be added on its behalf.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewExhibitor {
    pub sme_id: Uuid,
    #[serde(default)]
    #[oai(validator(max_length = 1000))]
    pub note: Option<String>,
}

/// What an exhibitor shows.
#[derive(Object)]
pub struct LineupItem {
    pub id: Uuid,
    pub sme_id: Uuid,
    pub brand_name: String,
    pub product_id: Uuid,
    pub title: Localized,
    /// Only a published product is shown to the public.
    pub product_status: String,
    pub variant_id: Uuid,
    pub price: Money,
    /// The price at this exhibition, where it differs.
    pub exhibition_price: Option<Money>,
    pub units_planned: i64,
    /// To taste or touch, not for sale.
    pub is_sample: bool,
    pub position: i64,
    pub version: i64,
}

impl From<LineupRow> for LineupItem {
    fn from(row: LineupRow) -> Self {
        Self {
            id: row.id,
            sme_id: row.sme_id,
            brand_name: row.brand_name,
            product_id: row.product_id,
            title: row.title,
            product_status: row.product_status,
            variant_id: row.variant_id,
            price: Money::idr(row.price_minor),
            exhibition_price: row.exhibition_price_minor.map(Money::idr),
            units_planned: row.units_planned,
            is_sample: row.is_sample == 1,
            position: row.position,
            version: row.version,
        }
    }
}

/// A variant to be shown.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewLineupItem {
    pub sme_id: Uuid,
    pub variant_id: Uuid,
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000")))]
    pub units_planned: i64,
    #[serde(default)]
    pub exhibition_price: Option<MoneyInput>,
    #[serde(default)]
    #[oai(default)]
    pub is_sample: bool,
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    pub position: i64,
}

/// A JSON Merge Patch of an item.
#[derive(Object, Deserialize, Default)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields, default)]
pub struct LineupItemPatch {
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000")))]
    pub units_planned: Option<i64>,
    pub exhibition_price: MaybeUndefined<MoneyInput>,
    pub is_sample: Option<bool>,
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    pub position: Option<i64>,
}

/// A write on an exhibition, begun and permitted.
pub struct Managed {
    pub work: Work,
    pub permit: Permit<ManageExhibition>,
    pub exhibition: Model,
}

pub async fn manage(actor: &Actor, write: &Write, id: Uuid, body: &[u8]) -> poem::Result<Managed> {
    let work = write.begin(actor, body).await?;
    let exhibition = store::by_id(work.db(), id).await?;
    let permit = visible::<ManageExhibition>(actor, &exhibition)?;
    Ok(Managed { work, permit, exhibition })
}

/// What was never announced is known to its agency only; what was, to everybody.
pub fn visible<A: Action>(actor: &Actor, exhibition: &Model) -> Result<Permit<A>, Fault> {
    let permit = policy::permit::<A>(actor, &Scope::agency(exhibition.agency_id));
    let is_staff = actor.agencies.iter().any(|(agency, _)| *agency == exhibition.agency_id) || actor.is_operator;
    if exhibition.announced_at.is_none() && !is_staff { permit.map_err(|_| Fault::not_found()) } else { permit }
}

async fn finish(work: Work, exhibition: Model) -> poem::Result<Reply<Exhibition>> {
    let version = exhibition.version;
    work.finish(Reply::new(&Exhibition::from(exhibition)).version(version)).await
}

async fn step(actor: &Actor, write: &Write, id: Uuid, event: ExhibitionEvent) -> poem::Result<Reply<Exhibition>> {
    let managed = manage(actor, write, id, &[]).await?;
    let exhibition = service::step(&managed.work, &managed.permit, managed.exhibition, event, None).await?;
    finish(managed.work, exhibition).await
}

async fn named(work: &Work, item: &item::Model) -> poem::Result<LineupItem> {
    let rows = store::lineup(work.db(), item.exhibition_id, Some(item.sme_id)).await?;
    let row = rows.into_iter().find(|row| row.id == item.id).ok_or_else(Fault::not_found)?;
    Ok(LineupItem::from(row))
}

#[OpenApi(tag = "Tag::Exhibitions")]
impl ExhibitionsApi {
    /// List exhibitions of one's agencies
    #[oai(path = "/v1/exhibitions", method = "get", operation_id = "list_exhibitions")]
    async fn list(
        &self,
        app: Data<&App>,
        member: Member,
        limit: Query<Option<u32>>,
        cursor: Query<Option<Uuid>>,
    ) -> poem::Result<Reply<Page<Exhibition>>> {
        let agencies: Vec<Uuid> = member.agencies.iter().map(|(agency, _)| *agency).collect();
        let limit = page_limit(limit.0);
        let rows = store::of_agencies(app.database.reader(), &agencies, cursor.0, u64::from(limit) + 1).await?;
        Ok(Reply::new(&Page::cut(rows, limit, |row| row.id)))
    }

    /// Create an exhibition
    ///
    /// As a draft.
    #[oai(path = "/v1/exhibitions", method = "post", operation_id = "create_exhibition")]
    async fn create(&self, member: Member, write: Write, body: Body<NewExhibition>) -> poem::Result<Created<Exhibition>> {
        let new = body.read()?;
        let permit = policy::permit_new::<ManageExhibition>(&member, &Scope::agency(new.agency_id))?;
        let work = write.begin(&member, body.bytes()).await?;
        let profile = Profile {
            slug: new.slug,
            title: new.title,
            description: new.description,
            city: new.city,
            province_code: new.province_code,
            venue: new.venue,
            opening_hours: new.opening_hours,
            dates: new.dates,
            time_zone: new.time_zone,
        };
        let exhibition = service::create(&work, &permit, new.agency_id, profile, Source::default()).await?;
        let (version, location) = (exhibition.version, format!("/v1/exhibitions/{}", exhibition.id));
        work.finish(Created::new(&Exhibition::from(exhibition)).version(version).location(location)).await
    }

    /// Read an exhibition
    #[oai(path = "/v1/exhibitions/:exhibition_id", method = "get", operation_id = "get_exhibition")]
    async fn get(&self, app: Data<&App>, caller: Caller, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Exhibition>> {
        let exhibition = store::by_id(app.database.reader(), *exhibition_id).await?;
        visible::<ReadExhibition>(&caller, &exhibition)?;
        let version = exhibition.version;
        Ok(Reply::new(&Exhibition::from(exhibition)).version(version))
    }

    /// Edit an exhibition
    ///
    /// A JSON Merge Patch with If-Match.
    #[oai(path = "/v1/exhibitions/:exhibition_id", method = "patch", operation_id = "edit_exhibition")]
    async fn edit(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<ExhibitionPatch>) -> poem::Result<Reply<Exhibition>> {
        let managed = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let patch = body.read()?;
        write.if_match(managed.exhibition.version)?;
        let current = Exhibition::from(managed.exhibition.clone());
        let merged = |patch: MaybeUndefined<Localized>, current: Option<Localized>| Option::<Option<Localized>>::from(patch).unwrap_or(current);
        let profile = Profile {
            slug: patch.slug,
            title: patch.title.unwrap_or(current.title),
            description: merged(patch.description, current.description),
            city: patch.city.unwrap_or(current.city),
            province_code: patch.province_code.unwrap_or(current.province_code),
            venue: Option::<Option<Venue>>::from(patch.venue).unwrap_or(current.venue),
            opening_hours: patch.opening_hours.unwrap_or(current.opening_hours),
            dates: patch.dates.unwrap_or(current.dates),
            time_zone: patch.time_zone.unwrap_or(current.time_zone),
        };
        let exhibition = service::edit(&managed.work, &managed.permit, managed.exhibition, profile).await?;
        finish(managed.work, exhibition).await
    }

    /// Announce an exhibition
    ///
    /// It is public with this commit.
    #[oai(path = "/v1/exhibitions/:exhibition_id/announce", method = "post", operation_id = "announce_exhibition")]
    async fn announce(&self, member: Member, write: Write, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Exhibition>> {
        step(&member, &write, *exhibition_id, ExhibitionEvent::Announce).await
    }

    /// Open the call
    ///
    /// Needs exact days.
    #[oai(path = "/v1/exhibitions/:exhibition_id/open", method = "post", operation_id = "open_exhibition")]
    async fn open(&self, member: Member, write: Write, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Exhibition>> {
        step(&member, &write, *exhibition_id, ExhibitionEvent::Open).await
    }

    /// Close the call
    #[oai(path = "/v1/exhibitions/:exhibition_id/close", method = "post", operation_id = "close_exhibition")]
    async fn close(&self, member: Member, write: Write, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Exhibition>> {
        step(&member, &write, *exhibition_id, ExhibitionEvent::Close).await
    }

    /// Publish the line-up
    ///
    /// It stays open for changes until the exhibition is completed.
    #[oai(path = "/v1/exhibitions/:exhibition_id/publish-lineup", method = "post", operation_id = "publish_lineup")]
    async fn publish_lineup(&self, member: Member, write: Write, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Exhibition>> {
        step(&member, &write, *exhibition_id, ExhibitionEvent::PublishLineup).await
    }

    /// Freeze the line-up
    ///
    /// For good: it becomes a record of what is shown and at which price. Completing does the same.
    #[oai(path = "/v1/exhibitions/:exhibition_id/lineup/freeze", method = "post", operation_id = "freeze_lineup")]
    async fn freeze(&self, member: Member, write: Write, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Exhibition>> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, &[]).await?;
        let exhibition = service::freeze_lineup(&work, &permit, exhibition).await?;
        finish(work, exhibition).await
    }

    /// Clone an exhibition
    ///
    /// A new draft for another time with the same venue, booths, call, rules, questions, rubric and set-up documents, and
    /// nobody's application, place or decision.
    #[oai(path = "/v1/exhibitions/:exhibition_id/clone", method = "post", operation_id = "clone_exhibition")]
    async fn renew(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<NewClone>) -> poem::Result<Created<Exhibition>> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let NewClone { slug, title, dates } = body.read()?;
        let exhibition = service::renew(&work, &permit, &exhibition, Renewal { slug, title, dates }).await?;
        let (version, location) = (exhibition.version, format!("/v1/exhibitions/{}", exhibition.id));
        work.finish(Created::new(&Exhibition::from(exhibition)).version(version).location(location)).await
    }

    /// Start an exhibition
    #[oai(path = "/v1/exhibitions/:exhibition_id/start", method = "post", operation_id = "start_exhibition")]
    async fn start(&self, member: Member, write: Write, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Exhibition>> {
        step(&member, &write, *exhibition_id, ExhibitionEvent::Start).await
    }

    /// Complete an exhibition
    ///
    /// Freezes its line-up for good.
    #[oai(path = "/v1/exhibitions/:exhibition_id/complete", method = "post", operation_id = "complete_exhibition")]
    async fn complete(&self, member: Member, write: Write, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Exhibition>> {
        step(&member, &write, *exhibition_id, ExhibitionEvent::Complete).await
    }

    /// Archive an exhibition
    #[oai(path = "/v1/exhibitions/:exhibition_id/archive", method = "post", operation_id = "archive_exhibition")]
    async fn archive(&self, member: Member, write: Write, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Exhibition>> {
        step(&member, &write, *exhibition_id, ExhibitionEvent::Archive).await
    }

    /// Postpone an exhibition
    ///
    /// To new dates; it is announced again.
    #[oai(path = "/v1/exhibitions/:exhibition_id/postpone", method = "post", operation_id = "postpone_exhibition")]
    async fn postpone(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<Postponement>) -> poem::Result<Reply<Exhibition>> {
        let managed = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let input = body.read()?;
        let exhibition = service::postpone(&managed.work, &managed.permit, managed.exhibition, input.dates, input.reason).await?;
        finish(managed.work, exhibition).await
    }

    /// Cancel an exhibition
    ///
    /// With a reason that everybody reads.
    #[oai(path = "/v1/exhibitions/:exhibition_id/cancel", method = "post", operation_id = "cancel_exhibition")]
    async fn cancel(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<Reason>) -> poem::Result<Reply<Exhibition>> {
        let managed = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let reason = body.read()?.reason;
        let exhibition = service::step(&managed.work, &managed.permit, managed.exhibition, ExhibitionEvent::Cancel, reason).await?;
        finish(managed.work, exhibition).await
    }

    /// Exhibitors
    #[oai(path = "/v1/exhibitions/:exhibition_id/exhibitors", method = "get", operation_id = "list_exhibitors")]
    async fn exhibitors(&self, app: Data<&App>, caller: Caller, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Page<Exhibitor>>> {
        let reader = app.database.reader();
        let exhibition = store::by_id(reader, *exhibition_id).await?;
        visible::<ReadExhibition>(&caller, &exhibition)?;
        review::service::check_not_blind(reader, &caller, &exhibition).await?;
        let data = store::exhibitors(reader, *exhibition_id).await?.into_iter().map(|row| Exhibitor {
            application_id: row.application_id,
            sme_id: row.sme_id,
            brand_name: row.brand_name,
            status: row.status,
            note: row.note,
        });
        Ok(Reply::new(&Page::whole(data.collect(), 1000)))
    }

    /// Add an exhibitor
    ///
    /// On behalf of an SME that the agency mentors; audited for both.
    #[oai(path = "/v1/exhibitions/:exhibition_id/exhibitors", method = "post", operation_id = "add_exhibitor")]
    async fn add_exhibitor(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        body: Body<NewExhibitor>,
    ) -> poem::Result<Created<Exhibitor>> {
        let Managed { work, permit, exhibition } = manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let new = body.read()?;
        policy::permit::<ReadSme>(&member, &sme::store::scope(work.db(), new.sme_id).await?)?;
        let sme = sme::store::by_id(work.db(), new.sme_id).await?;
        let application_id = service::add_exhibitor(&work, &permit, &exhibition, sme.id, new.note.clone()).await?;
        let exhibitor = Exhibitor { application_id, sme_id: sme.id, brand_name: sme.brand_name, status: "confirmed".into(), note: new.note };
        work.finish(Created::new(&exhibitor)).await
    }

    /// Line-up
    ///
    /// Of one SME for its members, of all for the agency.
    #[oai(path = "/v1/exhibitions/:exhibition_id/lineup", method = "get", operation_id = "list_lineup")]
    async fn lineup(
        &self,
        app: Data<&App>,
        caller: Caller,
        exhibition_id: Path<Uuid>,
        sme_id: Query<Option<Uuid>>,
    ) -> poem::Result<Reply<Page<LineupItem>>> {
        let reader = app.database.reader();
        let exhibition = store::by_id(reader, *exhibition_id).await?;
        match sme_id.0 {
            Some(sme) => policy::permit::<ReadSme>(&caller, &sme::store::scope(reader, sme).await?).map(|_| ())?,
            None => visible::<ReadExhibition>(&caller, &exhibition).map(|_| ())?,
        }
        let data = store::lineup(reader, exhibition.id, sme_id.0).await?.into_iter().map(LineupItem::from).collect();
        Ok(Reply::new(&Page::whole(data, 5000)))
    }

    /// Add a product to the line-up
    ///
    /// A variant of a published product of a confirmed exhibitor, until the line-up is frozen.
    #[oai(path = "/v1/exhibitions/:exhibition_id/lineup", method = "post", operation_id = "add_lineup_item")]
    async fn add_item(
        &self,
        caller: Caller,
        write: Write,
        exhibition_id: Path<Uuid>,
        body: Body<NewLineupItem>,
    ) -> poem::Result<Created<LineupItem>> {
        let new = body.read()?;
        let work = write.begin(&caller, body.bytes()).await?;
        let permit = policy::permit::<EditLineup>(&caller, &sme::store::scope(work.db(), new.sme_id).await?)?;
        let exhibition = store::by_id(work.db(), *exhibition_id).await?;
        let item = NewItem {
            variant_id: new.variant_id,
            units_planned: new.units_planned,
            exhibition_price: new.exhibition_price,
            is_sample: new.is_sample,
            position: new.position,
        };
        let item = service::add_item(&work, &permit, &exhibition, new.sme_id, item).await?;
        let reply = Created::new(&named(&work, &item).await?).version(item.version);
        work.finish(reply).await
    }

    /// Edit a line-up item
    ///
    /// A JSON Merge Patch with the item's ETag.
    #[oai(path = "/v1/exhibitions/:exhibition_id/lineup/:item_id", method = "patch", operation_id = "edit_lineup_item")]
    async fn edit_item(
        &self,
        caller: Caller,
        write: Write,
        exhibition_id: Path<Uuid>,
        item_id: Path<Uuid>,
        body: Body<LineupItemPatch>,
    ) -> poem::Result<Reply<LineupItem>> {
        let work = write.begin(&caller, body.bytes()).await?;
        let item = store::item(work.db(), *exhibition_id, *item_id).await?;
        let permit = policy::permit::<EditLineup>(&caller, &sme::store::scope(work.db(), item.sme_id).await?)?;
        let patch = body.read()?;
        write.if_match(item.version)?;
        let change = ItemChange {
            units_planned: patch.units_planned,
            exhibition_price: patch.exhibition_price.into(),
            is_sample: patch.is_sample,
            position: patch.position,
        };
        let item = service::edit_item(&work, &permit, item, change).await?;
        let reply = Reply::new(&named(&work, &item).await?).version(item.version);
        work.finish(reply).await
    }

    /// Take a product out of the line-up
    #[oai(path = "/v1/exhibitions/:exhibition_id/lineup/:item_id", method = "delete", operation_id = "remove_lineup_item")]
    async fn remove_item(&self, caller: Caller, write: Write, exhibition_id: Path<Uuid>, item_id: Path<Uuid>) -> poem::Result<NoContent> {
        let work = write.begin(&caller, &[]).await?;
        let item = store::item(work.db(), *exhibition_id, *item_id).await?;
        let mut scope = sme::store::scope(work.db(), item.sme_id).await?;
        scope.agencies = vec![store::by_id(work.db(), *exhibition_id).await?.agency_id];
        let permit = policy::permit::<RemoveLineup>(&caller, &scope)?;
        service::remove_item(&work, &permit, item).await?;
        work.finish_empty().await
    }

    /// Audit trail of an exhibition
    #[oai(path = "/v1/exhibitions/:exhibition_id/audit", method = "get", operation_id = "list_exhibition_audit", tag = "Tag::Audit")]
    async fn audit(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Page<AuditEntry>>> {
        let reader = app.database.reader();
        visible::<ReadAudit>(&member, &store::by_id(reader, *exhibition_id).await?)?;
        let data = audit::of_entity(reader, "exhibition", *exhibition_id).await?;
        Ok(Reply::new(&Page::whole(data, 100)))
    }
}
