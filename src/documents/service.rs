//! Use cases of legal documents.

use chrono::NaiveDate;
use serde_json::json;
use uuid::Uuid;

use super::{
    model::{DocumentEvent, DocumentKind, DocumentStatus},
    store::{self, entity::Model},
};
use crate::{
    catalogue,
    fault::{Fault, Outcome, field, say},
    identity::policy::{EditDocuments, Permit, VerifyDocuments},
    platform::clock::now,
    quotas, storefront,
    transitions::Machine,
    values::{check_text, text::is_visible},
    work::Work,
};

/// A document to be registered.
pub struct NewDocument {
    pub product_id: Option<Uuid>,
    pub kind: DocumentKind,
    pub number: String,
    pub issuer: Option<String>,
    pub issued_on: Option<NaiveDate>,
    pub expires_on: Option<NaiveDate>,
}

pub async fn add(work: &Work, permit: &Permit<EditDocuments>, sme: Uuid, new: NewDocument) -> Outcome<Model> {
    let mut faults = Vec::new();
    check_text(&new.number, "/number", 100, &mut faults);
    if let Some(issuer) = &new.issuer {
        check_text(issuer, "/issuer", 200, &mut faults);
    }
    if new.issued_on.zip(new.expires_on).is_some_and(|(from, to)| from > to) {
        faults.push(field("/expires_on", "before_start", say("Sebelum tanggal terbit.", "Before the day of issue.")));
    }
    if let Some(product) = new.product_id
        && !catalogue::store::owner(work.db(), product).await.is_ok_and(|owner| owner == sme)
    {
        faults.push(field("/product_id", "unknown", say("Produk tidak dikenal.", "No such product.")));
    }
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    quotas::document(work, sme).await?;
    let document = Model {
        id: Uuid::now_v7(),
        sme_id: sme,
        product_id: new.product_id,
        kind: new.kind,
        number: new.number.trim().to_owned(),
        issuer: new.issuer,
        issued_on: new.issued_on,
        expires_on: new.expires_on,
        status: DocumentStatus::Uploaded,
        note: None,
        decided_by: None,
        decided_at: None,
        version: 1,
        created_at: now(),
    };
    let document = store::insert(work.db(), document).await?;
    work.audit(permit, "add_document", "sme", sme, json!({ "document": document.id, "kind": document.kind }), None).await?;
    Ok(document)
}

/// An officer's decision on a document; all but a verification need a reason.
pub async fn decide(
    work: &Work,
    permit: &Permit<VerifyDocuments>,
    mut document: Model,
    event: DocumentEvent,
    reason: Option<String>,
) -> Outcome<Model> {
    document.status = document.status.transition(event)?;
    let reason = reason.filter(|reason| is_visible(reason));
    if event != DocumentEvent::Verify && reason.is_none() {
        return Err(Fault::invalid_field("/reason", "required", say("Tulis alasannya.", "Give the reason.")));
    }
    document.note = reason;
    document.decided_by = Some(permit.by());
    document.decided_at = Some(now());
    let document = store::update(work.db(), document).await?;
    if document.kind == DocumentKind::Halal {
        storefront::service::refresh_sme(work, document.sme_id).await?;
    }
    let change = json!({ "document": document.id, "kind": document.kind });
    work.audit(permit, event.name(), "sme", document.sme_id, change, document.note.as_deref()).await?;
    Ok(document)
}

/// Takes back a document that nobody has decided on.
pub async fn remove(work: &Work, permit: &Permit<EditDocuments>, document: Model) -> Outcome<()> {
    if document.status != DocumentStatus::Uploaded {
        return Err(Fault::conflict("already_decided", say("Dokumen sudah diperiksa.", "The document was decided on.")));
    }
    store::delete(work.db(), document.id).await?;
    work.audit(permit, "remove_document", "sme", document.sme_id, json!({ "document": document.id, "kind": document.kind }), None).await
}
