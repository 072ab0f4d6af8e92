//! Use cases of exhibitions: create, edit, move through the life cycle, add exhibitors, link products.

use chrono::{NaiveDate, TimeDelta};
use serde_json::json;
use uuid::Uuid;

use super::{
    applications::{self, model::News},
    call,
    model::{DatePrecision, Dates, ExhibitionEvent, ExhibitionStatus, OpeningHours, Venue, check_hours, check_zone, normal_hours},
    onsite::{self, model::today},
    plan,
    store::{self, entity::Model, item},
};
use crate::{
    catalogue::{self, model::check_range},
    fault::{Fault, FieldFault, Outcome, field, say},
    identity::policy::{EditLineup, ManageExhibition, Permit, RemoveLineup},
    platform::clock::now,
    transitions::Machine,
    values::{
        Localized, MOST_TRIES, MoneyInput, check_handle, check_text, first_free, handle_from, places::check_province, reading::read_twice,
        text::is_visible,
    },
    work::Work,
};

/// What is said of an exhibition.
pub struct Profile {
    pub slug: Option<String>,
    pub title: Localized,
    pub description: Option<Localized>,
    pub city: String,
    pub province_code: String,
    pub venue: Option<Venue>,
    pub opening_hours: Vec<OpeningHours>,
    pub dates: Dates,
    pub time_zone: String,
}

/// Where a fact is from, for seeded history.
#[derive(Default)]
pub struct Source {
    pub text: Option<String>,
    pub status: Option<String>,
    pub is_demo: bool,
}

/// Creates an exhibition as a draft.
pub async fn create(work: &Work, permit: &Permit<ManageExhibition>, agency_id: Uuid, profile: Profile, source: Source) -> Outcome<Model> {
    let is_asked_for = profile.slug.is_some();
    let slug = profile.slug.clone().unwrap_or_else(|| handle_from(&profile.title.id, "pameran"));
    let blank = Model {
        id: Uuid::now_v7(),
        agency_id,
        slug: slug.clone(),
        title: Localized::default(),
        description: None,
        city: String::new(),
        province_code: String::new(),
        venue: None,
        opening_hours: json!([]),
        starts_on: None,
        ends_on: None,
        date_precision: profile.dates.precision,
        previous_starts_on: None,
        previous_ends_on: None,
        previous_precision: None,
        calendar_starts_on: None,
        calendar_sessions: None,
        calendar_sessions_from: None,
        time_zone: String::new(),
        status: ExhibitionStatus::Draft,
        status_reason: None,
        announced_at: None,
        lineup_frozen_at: None,
        source: source.text,
        source_status: source.status,
        is_demo: i64::from(source.is_demo),
        version: 1,
        created_at: now(),
        updated_at: now(),
    };
    let exhibition = apply(blank, Profile { slug: Some(slug), ..profile })?;
    let exhibition = if is_asked_for { store::insert(work.db(), exhibition).await? } else { insert_under_free_slug(work, exhibition).await? };
    work.audit(permit, "create", "exhibition", exhibition.id, json!({ "slug": exhibition.slug }), None).await?;
    Ok(exhibition)
}

/// Inserts an exhibition with a generated slug, or with the next free one if another exhibition has it. Waits for
/// whoever inserts the same slug at this moment.
async fn insert_under_free_slug(work: &Work, mut exhibition: Model) -> Outcome<Model> {
    let base = exhibition.slug.clone();
    for _ in 0..MOST_TRIES {
        exhibition.slug = first_free(&base, &store::slugs_like(work.db(), &base).await?);
        if store::insert_if_free(work.db(), &exhibition).await? {
            return Ok(exhibition);
        }
    }
    Err(Fault::conflict("slug_taken", say("Slug ini sudah dipakai.", "This slug is taken.")))
}

/// Changes what is said of an exhibition. Announced dates change by postponing only.
pub async fn edit(work: &Work, permit: &Permit<ManageExhibition>, exhibition: Model, profile: Profile) -> Outcome<Model> {
    if exhibition.status != ExhibitionStatus::Draft && profile.dates != dates_of(&exhibition) {
        let detail = say("Ubah tanggal lewat /postpone.", "Change the dates by /postpone.");
        return Err(Fault::conflict("dates_announced", detail));
    }
    let exhibition = store::update(work.db(), apply(exhibition, profile)?).await?;
    work.touch_catalogue();
    work.audit(permit, "edit", "exhibition", exhibition.id, json!({ "version": exhibition.version }), None).await?;
    Ok(exhibition)
}

fn apply(mut exhibition: Model, profile: Profile) -> Outcome<Model> {
    let mut faults = Vec::new();
    let before = (hours_of(&exhibition)?, dates_of(&exhibition));
    if let Some(slug) = profile.slug {
        check_handle(&slug, "/slug", &mut faults);
        exhibition.slug = slug;
    }
    profile.title.check("/title", 160, &mut faults);
    if let Some(description) = &profile.description {
        description.check("/description", 10_000, &mut faults);
    }
    check_text(&profile.city, "/city", 120, &mut faults);
    // What an older version took may stay as long as nobody touches it.
    let is_new = exhibition.province_code.is_empty();
    if is_new || profile.province_code != exhibition.province_code {
        check_province(&profile.province_code, "/province_code", &mut faults);
    }
    check_zone(&profile.time_zone, "/time_zone", &mut faults);
    profile.dates.check(&mut faults);
    if is_new || profile.dates != before.1 {
        profile.dates.check_whole(&mut faults);
    }
    let hours = normal_hours(profile.opening_hours, &mut faults);
    if (&hours, &profile.dates) != (&before.0, &before.1) {
        check_hours(&hours, &profile.dates, &mut faults);
    }
    if let Some(venue) = &profile.venue {
        check_text(&venue.name, "/venue/name", 200, &mut faults);
        if exhibition.venue != Some(json!(venue)) {
            check_halls(&venue.halls, &mut faults);
        }
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    exhibition.title = profile.title;
    exhibition.description = profile.description;
    exhibition.city = profile.city;
    exhibition.province_code = profile.province_code;
    exhibition.time_zone = profile.time_zone;
    exhibition.opening_hours = json!(hours);
    exhibition.venue = profile.venue.map(|venue| json!(venue));
    Ok(with_dates(exhibition, &profile.dates))
}

/// Validates names of halls: each can be read, and no two alike.
fn check_halls(halls: &[String], faults: &mut Vec<FieldFault>) {
    for (index, hall) in halls.iter().enumerate() {
        check_text(hall, &format!("/venue/halls/{index}"), 120, faults);
    }
    for index in read_twice(halls.iter().map(String::as_str)) {
        faults.push(field(format!("/venue/halls/{index}"), "twice", say("Nama aula ganda.", "The hall is named twice.")));
    }
}

/// The dates of an exhibition with their precision.
pub fn dates_of(exhibition: &Model) -> Dates {
    Dates { starts_on: exhibition.starts_on, ends_on: exhibition.ends_on, precision: exhibition.date_precision }
}

/// The opening hours as the public sees them: a row that can't be read is in the log, and takes no list of others down with it.
pub fn hours_shown(exhibition: &Model) -> Vec<OpeningHours> {
    let read = hours_of(exhibition).inspect_err(|fault| tracing::error!(%fault, exhibition = %exhibition.id, "opening hours"));
    read.unwrap_or_default()
}

/// The opening hours, as they are kept. What can't be read is never written over.
fn hours_of(exhibition: &Model) -> Outcome<Vec<OpeningHours>> {
    serde_json::from_value(exhibition.opening_hours.clone()).map_err(Fault::internal)
}

/// The dates for which it was announced before it was postponed.
pub fn previous_dates(exhibition: &Model) -> Option<Dates> {
    let precision = exhibition.previous_precision?;
    Some(Dates { starts_on: exhibition.previous_starts_on, ends_on: exhibition.previous_ends_on, precision })
}

/// The first day that opening hours and batches go by: the last one that is known, while the new one is not.
pub fn first_day(exhibition: &Model) -> Option<NaiveDate> {
    exhibition.starts_on.or(exhibition.previous_starts_on)
}

fn with_dates(exhibition: Model, dates: &Dates) -> Model {
    Model { starts_on: dates.starts_on, ends_on: dates.ends_on, date_precision: dates.precision, ..exhibition }
}

/// Moves an exhibition through its life cycle.
pub async fn step(
    work: &Work,
    permit: &Permit<ManageExhibition>,
    mut exhibition: Model,
    event: ExhibitionEvent,
    reason: Option<String>,
) -> Outcome<Model> {
    let from = exhibition.status;
    exhibition.status = from.transition(event)?;
    // Waits for who is handing in or adding to the line-up, and keeps others waiting; a stale version is noticed below.
    store::locked(work.db(), exhibition.id).await?;
    match event {
        ExhibitionEvent::Announce => exhibition.announced_at = Some(now()),
        ExhibitionEvent::Open | ExhibitionEvent::Start if exhibition.date_precision != DatePrecision::Day => {
            let detail = say("Tetapkan hari pertama dan terakhir dahulu.", "Set the first and the last day before.");
            return Err(Fault::conflict("dates_not_exact", detail));
        }
        ExhibitionEvent::Complete => {
            if exhibition.ends_on.is_some_and(|end| end > today(&exhibition.time_zone)) {
                return Err(Fault::conflict("not_over", say("Pameran belum berakhir.", "The exhibition is not over yet.")));
            }
            if exhibition.lineup_frozen_at.is_none() {
                store::freeze(work.db(), exhibition.id).await?;
                exhibition.lineup_frozen_at = Some(now());
            }
        }
        ExhibitionEvent::Close => {
            applications::store::start_review(work.db(), exhibition.id).await?;
        }
        ExhibitionEvent::Cancel if reason.as_ref().is_none_or(|reason| !is_visible(reason)) => {
            return Err(Fault::invalid_field("/reason", "required", say("Sebutkan alasannya.", "State the reason.")));
        }
        _ => {}
    }
    exhibition.status_reason = reason;
    let exhibition = store::update(work.db(), exhibition).await?;
    let news = match event {
        ExhibitionEvent::Postpone => Some(News::Postponed),
        ExhibitionEvent::Cancel => Some(News::Cancelled),
        _ => None,
    };
    if event == ExhibitionEvent::Announce
        && let Some(call) = call::store::find(work.db(), exhibition.id).await?
    {
        call::service::schedule(work, &call).await?;
    }
    if let Some(news) = news {
        let data = json!({ "exhibition_id": exhibition.id, "dates": dates_of(&exhibition), "reason": exhibition.status_reason });
        applications::store::tell_all(work.db(), exhibition.id, news, data, now()).await?;
    }
    work.touch_catalogue();
    let change = json!({ "from": from, "status": exhibition.status });
    work.audit(permit, event.name(), "exhibition", exhibition.id, change, exhibition.status_reason.as_deref()).await?;
    Ok(exhibition)
}

/// Freezes the line-up before the end: from now on it is a record of what was shown, at which price.
pub async fn freeze_lineup(work: &Work, permit: &Permit<ManageExhibition>, mut exhibition: Model) -> Outcome<Model> {
    if !matches!(exhibition.status, ExhibitionStatus::LineupPublished | ExhibitionStatus::Ongoing) {
        return Err(Fault::conflict("lineup_not_published", say("Terbitkan line-up dahulu.", "Publish the line-up first.")));
    }
    if exhibition.lineup_frozen_at.is_some() {
        return Ok(exhibition);
    }
    store::locked(work.db(), exhibition.id).await?;
    store::freeze(work.db(), exhibition.id).await?;
    exhibition.lineup_frozen_at = Some(now());
    let exhibition = store::update(work.db(), exhibition).await?;
    work.touch_catalogue();
    work.audit(permit, "freeze_lineup", "exhibition", exhibition.id, json!({}), None).await?;
    Ok(exhibition)
}

/// What is different in the next year.
pub struct Renewal {
    pub slug: String,
    pub title: Option<Localized>,
    pub dates: Dates,
}

/// A new draft after the model of an exhibition: venue, halls, booths, batches, call, rules, questions, rubric, phases
/// and set-up documents, moved by as many days as the exhibition is. Nobody's application, place, review or decision is
/// copied.
pub async fn renew(work: &Work, permit: &Permit<ManageExhibition>, model: &Model, renewal: Renewal) -> Outcome<Model> {
    let profile = Profile {
        slug: Some(renewal.slug),
        title: renewal.title.unwrap_or_else(|| model.title.clone()),
        description: model.description.clone(),
        city: model.city.clone(),
        province_code: model.province_code.clone(),
        venue: model.venue.clone().and_then(|venue| serde_json::from_value(venue).ok()),
        opening_hours: Vec::new(),
        dates: renewal.dates,
        time_zone: model.time_zone.clone(),
    };
    let mut new = create(work, permit, model.agency_id, profile, Source::default()).await?;
    let moved = new.starts_on.zip(model.starts_on).map(|(now, then)| now - then);
    if let Some(moved) = moved {
        new.opening_hours = model.opening_hours.clone();
        new.opening_hours = moved_hours(&new, moved)?;
        new = store::update(work.db(), new).await?;
    }
    plan::service::copy(work, model.id, &new, moved).await?;
    call::service::copy(work, model.id, &new, moved).await?;
    onsite::store::copy_documents(work.db(), model.id, new.id).await?;
    work.audit(permit, "clone_exhibition", "exhibition", new.id, json!({ "from": model.id }), None).await?;
    Ok(new)
}

/// The opening hours, as many days later, as far as they lie within the exhibition.
fn moved_hours(exhibition: &Model, moved: TimeDelta) -> Outcome<serde_json::Value> {
    let hours = hours_of(exhibition)?.into_iter().map(|hours| OpeningHours { day: hours.day + moved, ..hours });
    Ok(json!(hours.filter(|hours| exhibition.ends_on.is_none_or(|last| hours.day <= last)).collect::<Vec<_>>()))
}

/// New dates; what was open or published is announced again. Batches and opening hours move along, and a frozen line-up
/// follows the live products again.
pub async fn postpone(work: &Work, permit: &Permit<ManageExhibition>, exhibition: Model, dates: Dates, reason: Option<String>) -> Outcome<Model> {
    let mut faults = Vec::new();
    dates.check(&mut faults);
    dates.check_whole(&mut faults);
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    let then = first_day(&exhibition);
    let mut later = with_dates(remembering_dates(exhibition, &dates), &dates);
    let moved = first_day(&later).zip(then).map(|(now, then)| now - then);
    if let Some(moved) = moved {
        later.opening_hours = moved_hours(&later, moved)?;
    }
    let was_frozen = later.lineup_frozen_at.take().is_some();
    let later = step(work, permit, later, ExhibitionEvent::Postpone, reason).await?;
    if was_frozen {
        store::thaw(work.db(), later.id).await?;
    }
    if let Some(moved) = moved {
        plan::store::move_batches(work.db(), later.id, moved).await?;
    }
    Ok(later)
}

/// The exhibition with its dates as its previous ones, unless they stay. Days are worth more than a month that came after them:
/// people have them in their calendars.
fn remembering_dates(mut exhibition: Model, new: &Dates) -> Model {
    let before = dates_of(&exhibition);
    let is_exact = before.precision == DatePrecision::Day;
    if before.starts_on.is_some() && before != *new && (is_exact || exhibition.previous_precision.is_none()) {
        exhibition.previous_starts_on = before.starts_on;
        exhibition.previous_ends_on = before.ends_on;
        exhibition.previous_precision = Some(before.precision);
    }
    if is_exact {
        exhibition.calendar_starts_on = exhibition.calendar_starts_on.or(before.starts_on);
    }
    exhibition
}

/// Adds an SME as an exhibitor on its behalf; audited for both.
pub async fn add_exhibitor(work: &Work, permit: &Permit<ManageExhibition>, exhibition: &Model, sme: Uuid, note: Option<String>) -> Outcome<Uuid> {
    use ExhibitionStatus::{Archived, Cancelled, Completed};
    if matches!(exhibition.status, Completed | Archived | Cancelled) {
        return Err(Fault::conflict("exhibition_over", say("Pameran sudah selesai.", "The exhibition is over.")));
    }
    permit.not_ones_own(sme)?;
    let id = store::add_exhibitor(work.db(), exhibition.id, sme, note).await?;
    work.touch_catalogue();
    work.audit(permit, "add_exhibitor", "exhibition", exhibition.id, json!({ "sme_id": sme }), None).await?;
    Ok(id)
}

/// What is to be shown.
pub struct NewItem {
    pub variant_id: Uuid,
    pub units_planned: i64,
    pub exhibition_price: Option<MoneyInput>,
    pub is_sample: bool,
    pub position: i64,
}

/// Links a variant to the line-up; the database refuses it unless its product is published.
pub async fn add_item(work: &Work, permit: &Permit<EditLineup>, exhibition: &Model, sme: Uuid, new: NewItem) -> Outcome<item::Model> {
    let variant = catalogue::store::variant_by_id(work.db(), new.variant_id).await?.filter(|variant| variant.sme_id == sme);
    let variant = variant.ok_or_else(|| Fault::invalid_field("/variant_id", "unknown", say("Varian tidak dikenal.", "No such variant.")))?;
    let application = store::application(work.db(), exhibition.id, sme).await?;
    let application = application
        .ok_or_else(|| Fault::conflict("not_confirmed", say("IKM belum menjadi peserta pameran ini.", "The SME is not an exhibitor here.")))?;
    let mut faults = Vec::new();
    check_range(Some(new.units_planned), 1..=1_000_000, "/units_planned", &mut faults);
    let price = price(new.exhibition_price, &mut faults);
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    let item = item::Model {
        id: Uuid::now_v7(),
        exhibition_id: exhibition.id,
        sme_id: sme,
        application_id: application,
        product_id: variant.product_id,
        variant_id: variant.id,
        units_planned: new.units_planned,
        exhibition_price_minor: price,
        currency: "IDR".into(),
        is_sample: i64::from(new.is_sample),
        position: new.position,
        version: 1,
        created_at: now(),
    };
    let item = store::insert_item(work.db(), item).await?;
    work.touch_catalogue();
    let change = json!({ "item": item.id, "product_id": item.product_id, "units": item.units_planned });
    work.audit(permit, "add_lineup_item", "exhibition", exhibition.id, change, None).await?;
    Ok(item)
}

fn price(input: Option<MoneyInput>, faults: &mut Vec<FieldFault>) -> Option<i64> {
    input?.to_minor("/exhibition_price", false).map_err(|fault| faults.push(fault)).ok()
}

/// What changes of an item.
pub struct ItemChange {
    pub units_planned: Option<i64>,
    /// `Some(None)` clears it: the usual price holds.
    pub exhibition_price: Option<Option<MoneyInput>>,
    pub is_sample: Option<bool>,
    pub position: Option<i64>,
}

pub async fn edit_item(work: &Work, permit: &Permit<EditLineup>, mut item: item::Model, change: ItemChange) -> Outcome<item::Model> {
    let mut faults = Vec::new();
    check_range(change.units_planned, 1..=1_000_000, "/units_planned", &mut faults);
    if let Some(input) = change.exhibition_price {
        item.exhibition_price_minor = price(input, &mut faults);
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    item.units_planned = change.units_planned.unwrap_or(item.units_planned);
    item.is_sample = change.is_sample.map_or(item.is_sample, i64::from);
    item.position = change.position.unwrap_or(item.position);
    let item = store::update_item(work.db(), item).await?;
    work.touch_catalogue();
    work.audit(permit, "edit_lineup_item", "exhibition", item.exhibition_id, json!({ "item": item.id }), None).await?;
    Ok(item)
}

pub async fn remove_item(work: &Work, permit: &Permit<RemoveLineup>, item: item::Model) -> Outcome<()> {
    store::delete_item(work.db(), item.id).await?;
    work.touch_catalogue();
    work.audit(permit, "remove_lineup_item", "exhibition", item.exhibition_id, json!({ "item": item.id }), None).await
}
