//! Registering, editing and verifying SMEs.

use std::collections::BTreeMap;

use sea_orm::ActiveEnum;
use serde_json::json;
use uuid::Uuid;

use super::{
    model::{Location, SmeEvent, SmeStatus, check_socials},
    store::{self, entity::Model},
};
use crate::{
    fault::{Fault, FieldFault, Outcome, field, say},
    identity::{
        email::check_email,
        policy::{EditSme, OwnAccount, Permit, ReviewSme},
    },
    platform::clock::now,
    quotas, storefront,
    transitions::Machine,
    values::{
        Localized, MOST_TRIES, check_handle, check_text,
        contact::{check_phone, check_web_address},
        first_free, handle_from,
        places::check_regency,
        text::is_visible,
    },
    work::Work,
};

/// What a person tells about a business when registering it.
pub struct Registration {
    pub agency_id: Uuid,
    pub brand_name: String,
    pub legal_name: Option<String>,
    pub handle: Option<String>,
    pub story: Localized,
    pub regency_code: String,
    pub is_demo: bool,
}

/// Registers a business; it waits for the agency, and the person owns it.
pub async fn register(work: &Work, permit: &Permit<OwnAccount>, new: Registration) -> Outcome<Model> {
    let mut faults = Vec::new();
    check_text(&new.brand_name, "/brand_name", 120, &mut faults);
    if let Some(name) = &new.legal_name {
        check_text(name, "/legal_name", 200, &mut faults);
    }
    check_regency(&new.regency_code, "/regency_code", &mut faults);
    check_story(&new.story, &mut faults);
    let is_asked_for = new.handle.is_some();
    let handle = new.handle.unwrap_or_else(|| handle_from(&new.brand_name, "ikm"));
    check_handle(&handle, "/handle", &mut faults);
    let zone = store::agency_zone(work.db(), new.agency_id).await?;
    if zone.is_none() {
        faults.push(field("/agency_id", "unknown", say("Dinas tidak dikenal.", "No such agency.")));
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    let sme = Model {
        id: Uuid::now_v7(),
        handle,
        legal_name: new.legal_name.unwrap_or_else(|| new.brand_name.clone()),
        brand_name: new.brand_name,
        story: new.story,
        regency_code: new.regency_code,
        time_zone: zone.unwrap_or_default(),
        street: None,
        phone: None,
        whatsapp: None,
        email: None,
        website: None,
        public_contacts: json!([]),
        founded_year: None,
        latitude_e6: None,
        longitude_e6: None,
        socials: json!({}),
        status: SmeStatus::Pending,
        status_reason: None,
        is_demo: i64::from(new.is_demo),
        version: 1,
        created_at: now(),
        updated_at: now(),
    };
    quotas::pending_sme(work, permit.by()).await?;
    let sme = if is_asked_for { insert(work, sme).await? } else { insert_under_free_handle(work, sme).await? };
    store::add_agency(work.db(), sme.id, new.agency_id).await?;
    store::add_membership(work.db(), sme.id, permit.by(), "owner").await?;
    work.audit(permit, "register", "sme", sme.id, json!({ "handle": sme.handle }), None).await?;
    Ok(sme)
}

async fn insert(work: &Work, sme: Model) -> Outcome<Model> {
    check_not_remembered(work, &sme).await?;
    store::insert(work.db(), sme).await
}

/// Refuses a handle under which another SME is still found: its redirect would lead its buyers to somebody else.
async fn check_not_remembered(work: &Work, sme: &Model) -> Outcome<()> {
    match store::remembered(work.db(), &sme.handle).await? {
        Some(other) if other != sme.id => Err(handle_taken()),
        _ => Ok(()),
    }
}

fn handle_taken() -> Fault {
    Fault::conflict("handle_taken", say("Handle ini sudah dipakai.", "This handle is taken."))
}

/// Inserts an SME with a generated handle, or with the next free one if another SME has or had it. Waits for whoever
/// inserts the same handle at this moment.
async fn insert_under_free_handle(work: &Work, mut sme: Model) -> Outcome<Model> {
    let base = sme.handle.clone();
    for _ in 0..MOST_TRIES {
        sme.handle = first_free(&base, &store::handles_like(work.db(), &base).await?);
        if store::insert_if_free(work.db(), &sme).await? {
            return Ok(sme);
        }
    }
    Err(handle_taken())
}

/// The fields of a profile that change; `None` leaves one as it is, `Some(None)` clears it.
#[derive(Default)]
pub struct ProfileChange {
    pub brand_name: Option<String>,
    pub legal_name: Option<String>,
    pub handle: Option<String>,
    pub story: Option<Localized>,
    pub regency_code: Option<String>,
    pub street: Option<Option<String>>,
    pub phone: Option<Option<String>>,
    pub whatsapp: Option<Option<String>>,
    pub email: Option<Option<String>>,
    pub website: Option<Option<String>>,
    pub public_contacts: Option<Vec<String>>,
    pub founded_year: Option<Option<i64>>,
    pub location: Option<Option<Location>>,
    pub socials: Option<BTreeMap<String, String>>,
}

const CONTACTS: &[&str] = &["street", "phone", "whatsapp", "email", "website", "location", "socials"];

/// Reads a contact: as it is kept, with a fault unless it is one.
type ReadContact = fn(&str, &str, &mut Vec<FieldFault>) -> String;
/// A contact of a profile: where a request names it, how it is read, what is to become of it, and where it is kept.
type Contact<'a> = (&'static str, ReadContact, Option<Option<String>>, &'a mut Option<String>);

fn check_street(text: &str, pointer: &str, faults: &mut Vec<FieldFault>) -> String {
    check_text(text, pointer, 200, faults);
    text.to_owned()
}

/// Names of contact fields, each once; adds a fault for what is none.
fn check_public_contacts(names: Vec<String>, faults: &mut Vec<FieldFault>) -> Vec<String> {
    let mut kept = Vec::new();
    for name in names {
        if !CONTACTS.contains(&name.as_str()) {
            let message = say(format!("Pilih dari: {}.", CONTACTS.join(", ")), format!("Choose from: {}.", CONTACTS.join(", ")));
            faults.push(field("/public_contacts", "unknown", message));
        } else if !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept
}

/// Changes a profile. A renamed handle redirects from then on.
pub async fn edit(work: &Work, permit: &Permit<EditSme>, mut sme: Model, change: ProfileChange) -> Outcome<Model> {
    let mut faults = Vec::new();
    let old_handle = sme.handle.clone();
    if let Some(name) = change.brand_name {
        check_text(&name, "/brand_name", 120, &mut faults);
        sme.brand_name = name;
    }
    if let Some(name) = change.legal_name {
        check_text(&name, "/legal_name", 200, &mut faults);
        sme.legal_name = name;
    }
    if let Some(handle) = change.handle {
        check_handle(&handle, "/handle", &mut faults);
        sme.handle = handle;
    }
    if let Some(story) = change.story {
        check_story(&story, &mut faults);
        sme.story = story;
    }
    if let Some(regency) = change.regency_code {
        check_regency(&regency, "/regency_code", &mut faults);
        sme.regency_code = regency;
    }
    let contacts: [Contact<'_>; 5] = [
        ("/street", check_street, change.street, &mut sme.street),
        ("/phone", check_phone, change.phone, &mut sme.phone),
        ("/whatsapp", check_phone, change.whatsapp, &mut sme.whatsapp),
        ("/email", check_email, change.email, &mut sme.email),
        ("/website", check_web_address, change.website, &mut sme.website),
    ];
    for (pointer, read, change, place) in contacts {
        if let Some(value) = change {
            *place = value.map(|text| read(&text, pointer, &mut faults));
        }
    }
    if let Some(public) = change.public_contacts {
        sme.public_contacts = json!(check_public_contacts(public, &mut faults));
    }
    if let Some(location) = change.location {
        if let Some(place) = &location {
            place.check(&mut faults);
        }
        (sme.latitude_e6, sme.longitude_e6) = location.map(|place| (place.latitude_e6, place.longitude_e6)).unzip();
    }
    if let Some(socials) = change.socials {
        sme.socials = json!(check_socials(socials, &mut faults));
    }
    if let Some(year) = change.founded_year {
        if year.is_some_and(|year| !(1800..=2200).contains(&year)) {
            faults.push(field("/founded_year", "out_of_range", say("Tahun tidak sah.", "Not a year.")));
        }
        sme.founded_year = year;
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    if sme.handle != old_handle {
        check_not_remembered(work, &sme).await?;
        store::remember_handle(work.db(), sme.id, &old_handle, &sme.handle).await?;
    }
    let sme = store::update(work.db(), sme).await?;
    storefront::service::refresh_sme(work, sme.id).await?;
    work.audit(permit, "edit", "sme", sme.id, json!({ "version": sme.version }), None).await?;
    Ok(sme)
}

/// The SME asks again after a rejection.
pub async fn submit(work: &Work, permit: &Permit<EditSme>, sme: Model) -> Outcome<Model> {
    quotas::pending_sme(work, permit.by()).await?;
    let sme = step(work, sme, SmeEvent::Submit, None).await?;
    work.audit(permit, "submit", "sme", sme.id, json!({ "status": sme.status }), None).await?;
    Ok(sme)
}

/// The agency decides; a refusal or suspension needs a reason.
pub async fn review(work: &Work, permit: &Permit<ReviewSme>, sme: Model, event: SmeEvent, reason: Option<String>) -> Outcome<Model> {
    if matches!(event, SmeEvent::Reject | SmeEvent::Suspend) && reason.as_ref().is_none_or(|reason| !is_visible(reason)) {
        return Err(Fault::invalid_field("/reason", "required", say("Sebutkan alasannya.", "State the reason.")));
    }
    let sme = step(work, sme, event, reason).await?;
    work.audit(permit, "review", "sme", sme.id, json!({ "status": sme.status }), sme.status_reason.as_deref()).await?;
    Ok(sme)
}

async fn step(work: &Work, mut sme: Model, event: SmeEvent, reason: Option<String>) -> Outcome<Model> {
    sme.status = sme.status.transition(event)?;
    sme.status_reason = reason;
    let sme = store::update(work.db(), sme).await?;
    storefront::service::refresh_sme(work, sme.id).await?;
    tracing::debug!(sme = %sme.id, status = sme.status.to_value(), "sme status");
    Ok(sme)
}

fn check_story(story: &Localized, faults: &mut Vec<FieldFault>) {
    story.check("/story", 5000, faults);
}
