//! Legal documents over HTTP.

use chrono::{DateTime, NaiveDate, Utc};
use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Path};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    model::{DocumentEvent, DocumentKind, DocumentStatus, hints, shown},
    service,
    store::{self, entity::Model},
};
use crate::{
    app::App,
    http::{
        Body, Member, Page, Reply, Tag, Write,
        reply::{Created, NoContent},
    },
    identity::policy::{self, EditDocuments, ReadDocuments, VerifyDocuments},
    sme::{self, api::Reason},
    values::Localized,
};

pub struct DocumentsApi;

/// A legal document.
#[derive(Object)]
pub struct LegalDocument {
    pub id: Uuid,
    pub kind: DocumentKind,
    /// Of a tax number only the end is shown.
    pub number: String,
    /// Counts for this product only.
    pub product_id: Option<Uuid>,
    pub issuer: Option<String>,
    pub issued_on: Option<NaiveDate>,
    /// The last day on which it is valid.
    pub expires_on: Option<NaiveDate>,
    pub status: DocumentStatus,
    /// Why it was rejected or revoked.
    pub note: Option<String>,
    /// UTC.
    pub decided_at: Option<DateTime<Utc>>,
    /// Where number, dates and profile contradict each other; to be looked at, never a refusal.
    pub hints: Vec<Localized>,
    pub version: i64,
}

impl LegalDocument {
    fn of(row: Model, regency_code: &str) -> Self {
        Self {
            hints: hints(row.kind, &row.number, row.expires_on, regency_code),
            number: shown(row.kind, &row.number),
            id: row.id,
            kind: row.kind,
            product_id: row.product_id,
            issuer: row.issuer,
            issued_on: row.issued_on,
            expires_on: row.expires_on,
            status: row.status,
            note: row.note,
            decided_at: row.decided_at,
            version: row.version,
        }
    }
}

/// A document to be registered.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewLegalDocument {
    pub kind: DocumentKind,
    #[oai(validator(min_length = 1, max_length = 60))]
    pub number: String,
    #[serde(default)]
    pub product_id: Option<Uuid>,
    #[serde(default)]
    #[oai(validator(max_length = 200))]
    pub issuer: Option<String>,
    #[serde(default)]
    pub issued_on: Option<NaiveDate>,
    #[serde(default)]
    pub expires_on: Option<NaiveDate>,
}

async fn decide(
    member: &Member,
    write: &Write,
    sme: Uuid,
    id: Uuid,
    event: DocumentEvent,
    body: &Body<Reason>,
) -> poem::Result<Reply<LegalDocument>> {
    let work = write.begin(member, body.bytes()).await?;
    let permit = policy::permit::<VerifyDocuments>(member, &sme::store::scope(work.db(), sme).await?)?;
    policy::not_ones_own(member, sme)?;
    let document = store::by_id(work.db(), sme, id).await?;
    let document = service::decide(&work, &permit, document, event, body.read()?.reason).await?;
    let (version, regency) = (document.version, sme::store::by_id(work.db(), sme).await?.regency_code);
    work.finish(Reply::new(&LegalDocument::of(document, &regency)).version(version)).await
}

#[OpenApi(tag = "Tag::Smes")]
impl DocumentsApi {
    /// Legal documents of an SME
    #[oai(path = "/v1/smes/:sme_id/documents", method = "get", operation_id = "list_documents")]
    async fn list(&self, app: Data<&App>, member: Member, sme_id: Path<Uuid>) -> poem::Result<Reply<Page<LegalDocument>>> {
        let reader = app.database.reader();
        policy::permit::<ReadDocuments>(&member, &sme::store::scope(reader, *sme_id).await?)?;
        let regency = sme::store::by_id(reader, *sme_id).await?.regency_code;
        let data = store::of_sme(reader, *sme_id).await?.into_iter().map(|row| LegalDocument::of(row, &regency));
        Ok(Reply::new(&Page::whole(data.collect(), 500)))
    }

    /// Register a legal document
    #[oai(path = "/v1/smes/:sme_id/documents", method = "post", operation_id = "add_document")]
    async fn add(&self, member: Member, write: Write, sme_id: Path<Uuid>, body: Body<NewLegalDocument>) -> poem::Result<Created<LegalDocument>> {
        let work = write.begin(&member, body.bytes()).await?;
        let permit = policy::permit::<EditDocuments>(&member, &sme::store::scope(work.db(), *sme_id).await?)?;
        let input = body.read()?;
        let new = service::NewDocument {
            product_id: input.product_id,
            kind: input.kind,
            number: input.number,
            issuer: input.issuer,
            issued_on: input.issued_on,
            expires_on: input.expires_on,
        };
        let document = service::add(&work, &permit, *sme_id, new).await?;
        let (version, regency) = (document.version, sme::store::by_id(work.db(), *sme_id).await?.regency_code);
        work.finish(Created::new(&LegalDocument::of(document, &regency)).version(version)).await
    }

    /// Take back a document that nobody has decided on
    #[oai(path = "/v1/smes/:sme_id/documents/:document_id", method = "delete", operation_id = "remove_document")]
    async fn remove(&self, member: Member, write: Write, sme_id: Path<Uuid>, document_id: Path<Uuid>) -> poem::Result<NoContent> {
        let work = write.begin(&member, &[]).await?;
        let permit = policy::permit::<EditDocuments>(&member, &sme::store::scope(work.db(), *sme_id).await?)?;
        let document = store::by_id(work.db(), *sme_id, *document_id).await?;
        service::remove(&work, &permit, document).await?;
        work.finish_empty().await
    }

    /// Verify a document
    #[oai(path = "/v1/smes/:sme_id/documents/:document_id/verify", method = "post", operation_id = "verify_document")]
    async fn verify(
        &self,
        member: Member,
        write: Write,
        sme_id: Path<Uuid>,
        document_id: Path<Uuid>,
        body: Body<Reason>,
    ) -> poem::Result<Reply<LegalDocument>> {
        decide(&member, &write, *sme_id, *document_id, DocumentEvent::Verify, &body).await
    }

    /// Reject a document
    #[oai(path = "/v1/smes/:sme_id/documents/:document_id/reject", method = "post", operation_id = "reject_document")]
    async fn reject(
        &self,
        member: Member,
        write: Write,
        sme_id: Path<Uuid>,
        document_id: Path<Uuid>,
        body: Body<Reason>,
    ) -> poem::Result<Reply<LegalDocument>> {
        decide(&member, &write, *sme_id, *document_id, DocumentEvent::Reject, &body).await
    }

    /// Revoke a verified document
    #[oai(path = "/v1/smes/:sme_id/documents/:document_id/revoke", method = "post", operation_id = "revoke_document")]
    async fn revoke(
        &self,
        member: Member,
        write: Write,
        sme_id: Path<Uuid>,
        document_id: Path<Uuid>,
        body: Body<Reason>,
    ) -> poem::Result<Reply<LegalDocument>> {
        decide(&member, &write, *sme_id, *document_id, DocumentEvent::Revoke, &body).await
    }
}
