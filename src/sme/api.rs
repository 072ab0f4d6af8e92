//! SME profiles and their verification over HTTP.

use std::collections::BTreeMap;

use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
    types::MaybeUndefined,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    model::{Location, SmeEvent, SmeStatus},
    service,
    store::{self, entity::Model},
};
use crate::{
    app::App,
    audit::{self, AuditEntry},
    http::{
        Body, Caller, Member, Page, Reply, Tag, Write,
        reply::{Created, page_limit},
    },
    identity::policy::{self, EditSme, ReadAudit, ReadSme, ReviewSme},
    values::Localized,
};

pub struct SmeApi;

/// An SME as its members and its agency see it.
#[derive(Object)]
pub struct Sme {
    pub id: Uuid,
    /// Part of public addresses; an old one redirects.
    pub handle: String,
    pub brand_name: String,
    pub legal_name: String,
    pub story: Localized,
    /// Kemendagri code such as `36.71`.
    pub regency_code: String,
    /// IANA zone.
    pub time_zone: String,
    pub street: Option<String>,
    pub phone: Option<String>,
    pub whatsapp: Option<String>,
    pub email: Option<String>,
    pub website: Option<String>,
    /// Which of the contact fields the public may see; none at first.
    pub public_contacts: Vec<String>,
    pub founded_year: Option<i64>,
    pub location: Option<Location>,
    /// Address by network, such as `instagram`.
    pub socials: BTreeMap<String, String>,
    pub status: SmeStatus,
    pub status_reason: Option<String>,
    pub is_demo: bool,
    pub version: i64,
}

impl From<Model> for Sme {
    fn from(sme: Model) -> Self {
        Self {
            id: sme.id,
            handle: sme.handle,
            brand_name: sme.brand_name,
            legal_name: sme.legal_name,
            story: sme.story,
            regency_code: sme.regency_code,
            time_zone: sme.time_zone,
            street: sme.street,
            phone: sme.phone,
            whatsapp: sme.whatsapp,
            email: sme.email,
            website: sme.website,
            public_contacts: serde_json::from_value(sme.public_contacts).unwrap_or_default(),
            founded_year: sme.founded_year,
            location: Location::from_columns(sme.latitude_e6, sme.longitude_e6),
            socials: serde_json::from_value(sme.socials).unwrap_or_default(),
            status: sme.status,
            status_reason: sme.status_reason,
            is_demo: sme.is_demo == 1,
            version: sme.version,
        }
    }
}

/// A business to register.
#[derive(Object, Deserialize, Serialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewSme {
    /// The office that mentors the business.
    pub agency_id: Uuid,
    #[oai(validator(min_length = 1, max_length = 120))]
    pub brand_name: String,
    #[serde(default)]
    #[oai(validator(max_length = 200))]
    pub legal_name: Option<String>,
    /// Made from the name where absent.
    #[serde(default)]
    #[oai(validator(max_length = 80))]
    pub handle: Option<String>,
    pub story: Localized,
    #[oai(validator(max_length = 20))]
    pub regency_code: String,
}

/// A JSON Merge Patch (RFC 7396) of a profile.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub struct SmePatch {
    #[oai(validator(min_length = 1, max_length = 120))]
    pub brand_name: Option<String>,
    #[oai(validator(max_length = 200))]
    pub legal_name: Option<String>,
    #[oai(validator(max_length = 80))]
    pub handle: Option<String>,
    pub story: Option<Localized>,
    #[oai(validator(max_length = 20))]
    pub regency_code: Option<String>,
    #[oai(validator(max_length = 200))]
    pub street: MaybeUndefined<String>,
    #[oai(validator(max_length = 40))]
    pub phone: MaybeUndefined<String>,
    #[oai(validator(max_length = 40))]
    pub whatsapp: MaybeUndefined<String>,
    #[oai(validator(max_length = 254))]
    pub email: MaybeUndefined<String>,
    #[oai(validator(max_length = 300))]
    pub website: MaybeUndefined<String>,
    #[oai(validator(max_items = 20))]
    pub public_contacts: Option<Vec<String>>,
    #[oai(validator(minimum(value = "1800"), maximum(value = "2200")))]
    pub founded_year: MaybeUndefined<i64>,
    pub location: MaybeUndefined<Location>,
    /// Replaced whole. Networks: facebook, instagram, shopee, tiktok, tokopedia, youtube.
    pub socials: Option<BTreeMap<String, String>>,
}

/// Why.
#[derive(Object, Deserialize, Default)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    #[serde(default)]
    #[oai(validator(max_length = 1000))]
    pub reason: Option<String>,
}

#[OpenApi(tag = "Tag::Smes")]
impl SmeApi {
    /// List SMEs
    ///
    /// One's own, and those that one's agencies mentor.
    #[oai(path = "/v1/smes", method = "get", operation_id = "list_smes")]
    async fn list(&self, app: Data<&App>, member: Member, limit: Query<Option<u32>>, cursor: Query<Option<Uuid>>) -> poem::Result<Reply<Page<Sme>>> {
        let limit = page_limit(limit.0);
        let own = member.smes.iter().map(|(sme, _)| *sme).collect();
        let agencies = member.agencies.iter().map(|(agency, _)| *agency).collect();
        let rows = store::visible(app.database.reader(), own, agencies, member.is_operator, cursor.0, u64::from(limit) + 1).await?;
        Ok(Reply::new(&Page::cut(rows, limit, |sme| sme.id)))
    }

    /// Register an SME
    ///
    /// The signed-in person becomes its owner; the agency verifies it.
    #[oai(path = "/v1/smes", method = "post", operation_id = "register_sme")]
    async fn register(&self, member: Member, write: Write, body: Body<NewSme>) -> poem::Result<Created<Sme>> {
        let permit = policy::own_account(&member);
        let new = body.read()?;
        let work = write.begin(&member, body.bytes()).await?;
        let registration = service::Registration {
            agency_id: new.agency_id,
            brand_name: new.brand_name,
            legal_name: new.legal_name,
            handle: new.handle,
            story: new.story,
            regency_code: new.regency_code,
            is_demo: false,
        };
        let sme = service::register(&work, &permit, registration).await?;
        let (version, location) = (sme.version, format!("/v1/smes/{}", sme.id));
        work.finish(Created::new(&Sme::from(sme)).version(version).location(location)).await
    }

    /// Read an SME
    #[oai(path = "/v1/smes/:sme_id", method = "get", operation_id = "get_sme")]
    async fn get(&self, app: Data<&App>, caller: Caller, sme_id: Path<Uuid>) -> poem::Result<Reply<Sme>> {
        let reader = app.database.reader();
        policy::permit::<ReadSme>(&caller, &store::scope(reader, *sme_id).await?)?;
        let sme = store::by_id(reader, *sme_id).await?;
        let version = sme.version;
        Ok(Reply::new(&Sme::from(sme)).version(version))
    }

    /// Edit an SME
    ///
    /// A JSON Merge Patch with If-Match. What is public shows at once.
    #[oai(path = "/v1/smes/:sme_id", method = "patch", operation_id = "edit_sme")]
    async fn edit(&self, member: Member, write: Write, sme_id: Path<Uuid>, body: Body<SmePatch>) -> poem::Result<Reply<Sme>> {
        let work = write.begin(&member, body.bytes()).await?;
        let permit = policy::permit::<EditSme>(&member, &store::scope(work.db(), *sme_id).await?)?;
        let sme = store::by_id(work.db(), *sme_id).await?;
        let patch = body.read()?;
        write.if_match(sme.version)?;
        let change = service::ProfileChange {
            brand_name: patch.brand_name,
            legal_name: patch.legal_name,
            handle: patch.handle,
            story: patch.story,
            regency_code: patch.regency_code,
            street: patch.street.into(),
            phone: patch.phone.into(),
            whatsapp: patch.whatsapp.into(),
            email: patch.email.into(),
            website: patch.website.into(),
            public_contacts: patch.public_contacts,
            founded_year: patch.founded_year.into(),
            location: patch.location.into(),
            socials: patch.socials,
        };
        let sme = service::edit(&work, &permit, sme, change).await?;
        finish(work, sme).await
    }

    /// Ask for verification again
    ///
    /// After a rejection, once the reason is dealt with.
    #[oai(path = "/v1/smes/:sme_id/submit", method = "post", operation_id = "submit_sme")]
    async fn submit(&self, member: Member, write: Write, sme_id: Path<Uuid>) -> poem::Result<Reply<Sme>> {
        let work = write.begin(&member, &[]).await?;
        let permit = policy::permit::<EditSme>(&member, &store::scope(work.db(), *sme_id).await?)?;
        let sme = store::by_id(work.db(), *sme_id).await?;
        let sme = service::submit(&work, &permit, sme).await?;
        finish(work, sme).await
    }

    /// Verify an SME
    ///
    /// Also lifts a suspension; its published products are public again at once.
    #[oai(path = "/v1/smes/:sme_id/verify", method = "post", operation_id = "verify_sme")]
    async fn verify(&self, member: Member, write: Write, sme_id: Path<Uuid>, body: Body<Reason>) -> poem::Result<Reply<Sme>> {
        review(&member, &write, *sme_id, SmeEvent::Verify, &body).await
    }

    /// Reject an SME
    ///
    /// With a reason that the SME reads.
    #[oai(path = "/v1/smes/:sme_id/reject", method = "post", operation_id = "reject_sme")]
    async fn reject(&self, member: Member, write: Write, sme_id: Path<Uuid>, body: Body<Reason>) -> poem::Result<Reply<Sme>> {
        review(&member, &write, *sme_id, SmeEvent::Reject, &body).await
    }

    /// Suspend an SME
    ///
    /// All its products leave the public side with the same commit.
    #[oai(path = "/v1/smes/:sme_id/suspend", method = "post", operation_id = "suspend_sme")]
    async fn suspend(&self, member: Member, write: Write, sme_id: Path<Uuid>, body: Body<Reason>) -> poem::Result<Reply<Sme>> {
        review(&member, &write, *sme_id, SmeEvent::Suspend, &body).await
    }

    /// Audit trail of an SME
    ///
    /// The newest 100 entries, newest first.
    #[oai(path = "/v1/smes/:sme_id/audit", method = "get", operation_id = "list_sme_audit", tag = "Tag::Audit")]
    async fn audit(&self, app: Data<&App>, member: Member, sme_id: Path<Uuid>) -> poem::Result<Reply<Page<AuditEntry>>> {
        let reader = app.database.reader();
        policy::permit::<ReadAudit>(&member, &store::scope(reader, *sme_id).await?)?;
        let data = audit::of_entity(reader, "sme", *sme_id).await?;
        Ok(Reply::new(&Page::whole(data, 100)))
    }
}

async fn review(member: &Member, write: &Write, sme: Uuid, event: SmeEvent, body: &Body<Reason>) -> poem::Result<Reply<Sme>> {
    let work = write.begin(member, body.bytes()).await?;
    let permit = policy::permit::<ReviewSme>(member, &store::scope(work.db(), sme).await?)?;
    policy::not_ones_own(member, sme)?;
    let sme = store::by_id(work.db(), sme).await?;
    let sme = service::review(&work, &permit, sme, event, body.read()?.reason).await?;
    finish(work, sme).await
}

async fn finish(work: crate::http::Work, sme: Model) -> poem::Result<Reply<Sme>> {
    let version = sme.version;
    work.finish(Reply::new(&Sme::from(sme)).version(version)).await
}
