//! Agencies, members and invitations over HTTP.

use chrono::{DateTime, Utc};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, param::Path};
use sea_orm::ActiveEnum;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    AgencyRole, SmeRole,
    api::{SignedIn, device, signed_in},
    policy::{self, Action, CreateAgency, ManageMembers, ManageStaff, Permit, ReadAgency, ReadSme, Scope},
    service::{self, Acceptance},
    store::{self, AgencyRow, Target},
};
use crate::{
    app::App,
    clients,
    exhibitions::model::check_zone,
    fault::{Fault, Outcome},
    http::{
        Body, Member, Page, Reply, Tag, Work, Write,
        reply::{Created, NoContent},
    },
    quotas, sme,
    values::{
        check_text,
        input::{Passcode, Secret},
    },
    webhooks,
};

pub struct InvitationsApi;

/// A trade office.
#[derive(Object)]
pub struct Agency {
    pub id: Uuid,
    pub name: String,
    /// `city_office`, `province_office`, `ministry` or `association`.
    pub kind: String,
    /// Kemendagri code, for a city office.
    pub regency_code: Option<String>,
    /// IANA.
    pub time_zone: String,
}

impl From<AgencyRow> for Agency {
    fn from(row: AgencyRow) -> Self {
        Self { id: row.id, name: row.name, kind: row.kind, regency_code: row.regency_code, time_zone: row.time_zone }
    }
}

/// A trade office to be created.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewAgency {
    #[oai(validator(min_length = 1, max_length = 200))]
    pub name: String,
    /// `city_office`, `province_office`, `ministry` or `association`.
    pub kind: AgencyKind,
    #[serde(default)]
    #[oai(validator(max_length = 20))]
    pub regency_code: Option<String>,
    #[oai(validator(max_length = 60))]
    pub time_zone: String,
}

#[derive(poem_openapi::Enum, Deserialize, Clone, Copy)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum AgencyKind {
    CityOffice,
    ProvinceOffice,
    Ministry,
    Association,
}

impl AgencyKind {
    fn name(self) -> &'static str {
        match self {
            Self::CityOffice => "city_office",
            Self::ProvinceOffice => "province_office",
            Self::Ministry => "ministry",
            Self::Association => "association",
        }
    }
}

/// A person who belongs to an SME or an agency.
#[derive(Object)]
pub struct MemberOf {
    pub user_id: Uuid,
    pub display_name: String,
    pub email: String,
    pub role: String,
}

#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewSmeInvitation {
    #[oai(validator(max_length = 254))]
    pub email: String,
    pub role: SmeRole,
}

#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewStaffInvitation {
    #[oai(validator(max_length = 254))]
    pub email: String,
    pub role: AgencyRole,
}

/// An invitation that is open.
#[derive(Object)]
pub struct Invitation {
    pub id: Uuid,
    pub email: String,
    pub role: String,
    /// UTC.
    pub expires_at: DateTime<Utc>,
    /// Shown once, when it is made: pass it on to the person.
    #[oai(skip_serializing_if_is_none)]
    pub token: Option<String>,
}

#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct AcceptInvitation {
    #[oai(validator(max_length = 100))]
    pub token: String,
    /// For a new account.
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 120))]
    pub display_name: Option<String>,
    /// Of the account, or for a new one: 12 to 200 characters.
    pub password: Secret,
    /// For an account with a second factor.
    #[serde(default)]
    pub code: Option<Passcode>,
}

/// Invites somebody to `target`, for a member who may do `A` there.
async fn invite<A: Action>(
    member: &Member,
    write: &Write,
    target: Target,
    bytes: &[u8],
    input: impl FnOnce() -> Outcome<(String, String)>,
) -> poem::Result<Created<Invitation>> {
    let work = write.begin_confirmed(member, bytes).await?;
    let scope = match target {
        Target::Sme(id) => sme::store::scope(work.db(), id).await?,
        Target::Agency(id) => Scope::agency(id),
    };
    let permit = policy::permit::<A>(member, &scope)?;
    let (email, role) = input()?;
    quotas::invitation(&work, target).await?;
    let invited = service::invite(&work, &permit, target, &email, &role).await?;
    let again = Invitation { id: invited.id, email: invited.email, role, expires_at: invited.expires_at, token: None };
    let shown = Invitation { token: Some(invited.token), email: again.email.clone(), role: again.role.clone(), ..again };
    let location = format!("/v1/invitations/{}", shown.id);
    work.finish_secret(Created::new(&shown).location(location), &again).await
}

/// Ends what a person who leaves `target` had made for it: API keys, open invitations, webhooks.
async fn end_what_they_made<A>(work: &Work, permit: &Permit<A>, target: Target, user: Uuid) -> Outcome<()> {
    clients::service::revoke_those_of(work, permit, target, user).await?;
    store::close_invitations_of(work.db(), user, Some(target)).await?;
    webhooks::service::disable_those_of(work, user, Some(target)).await?;
    Ok(())
}

async fn open_invitations(app: &App, target: Target) -> poem::Result<Reply<Page<Invitation>>> {
    let rows = store::invitations(app.database.reader(), target).await?.into_iter();
    let data = rows.map(|row| Invitation { id: row.id, email: row.email, role: row.role, expires_at: row.expires_at, token: None }).collect();
    Ok(Reply::new(&Page::whole(data, 200)))
}

async fn members_of(app: &App, target: Target) -> poem::Result<Reply<Page<MemberOf>>> {
    let rows = store::members(app.database.reader(), target).await?.into_iter();
    let data = rows.map(|row| MemberOf { user_id: row.user_id, display_name: row.display_name, email: row.email, role: row.role }).collect();
    Ok(Reply::new(&Page::whole(data, 500)))
}

#[OpenApi]
impl InvitationsApi {
    /// List agencies
    ///
    /// Everybody who is signed in may, to choose one when registering an SME.
    #[oai(path = "/v1/agencies", method = "get", operation_id = "list_agencies", tag = "Tag::Agencies")]
    async fn agencies(&self, app: Data<&App>, _member: Member) -> poem::Result<Reply<Page<Agency>>> {
        let data = store::agencies(app.database.reader()).await?.into_iter().map(Agency::from).collect();
        Ok(Reply::new(&Page::whole(data, 1000)))
    }

    /// Create an agency
    #[oai(path = "/v1/agencies", method = "post", operation_id = "create_agency", tag = "Tag::Agencies")]
    async fn create_agency(&self, member: Member, write: Write, body: Body<NewAgency>) -> poem::Result<Created<Agency>> {
        let permit = policy::permit_new::<CreateAgency>(&member, &Scope::default())?;
        let new = body.read()?;
        let mut faults = Vec::new();
        check_text(&new.name, "/name", 200, &mut faults);
        check_zone(&new.time_zone, "/time_zone", &mut faults);
        if !faults.is_empty() {
            return Err(Fault::invalid(faults).into());
        }
        let work = write.begin(&member, body.bytes()).await?;
        let agency =
            AgencyRow { id: Uuid::now_v7(), name: new.name, kind: new.kind.name().into(), regency_code: new.regency_code, time_zone: new.time_zone };
        store::insert_agency(work.db(), &agency).await?;
        work.audit(&permit, "create", "agency", agency.id, serde_json::json!({ "kind": agency.kind }), None).await?;
        let location = format!("/v1/agencies/{}", agency.id);
        work.finish(Created::new(&Agency::from(agency)).location(location)).await
    }

    /// Staff of an agency
    #[oai(path = "/v1/agencies/:agency_id/members", method = "get", operation_id = "list_staff", tag = "Tag::Agencies")]
    async fn staff(&self, app: Data<&App>, member: Member, agency_id: Path<Uuid>) -> poem::Result<Reply<Page<MemberOf>>> {
        policy::permit::<ReadAgency>(&member, &Scope::agency(*agency_id))?;
        members_of(&app, Target::Agency(*agency_id)).await
    }

    /// Remove a person from the staff
    ///
    /// API clients that the person made for the agency end as well.
    #[oai(path = "/v1/agencies/:agency_id/members/:user_id", method = "delete", operation_id = "remove_staff", tag = "Tag::Agencies")]
    async fn remove_staff(&self, member: Member, write: Write, agency_id: Path<Uuid>, user_id: Path<Uuid>) -> poem::Result<NoContent> {
        let work = write.begin_confirmed(&member, &[]).await?;
        let permit = policy::permit::<ManageStaff>(&member, &Scope::agency(*agency_id))?;
        if !store::remove_member(work.db(), Target::Agency(*agency_id), *user_id).await? {
            return Err(Fault::not_found().into());
        }
        end_what_they_made(&work, &permit, Target::Agency(*agency_id), *user_id).await?;
        work.audit(&permit, "remove_member", "agency", *agency_id, serde_json::json!({ "user_id": *user_id }), None).await?;
        work.finish_empty().await
    }

    /// Invite a person to the staff
    ///
    /// The answer holds the token to pass on.
    #[oai(path = "/v1/agencies/:agency_id/invitations", method = "post", operation_id = "invite_staff", tag = "Tag::Agencies")]
    async fn invite_staff(
        &self,
        member: Member,
        write: Write,
        agency_id: Path<Uuid>,
        body: Body<NewStaffInvitation>,
    ) -> poem::Result<Created<Invitation>> {
        let input = || body.read().map(|new| (new.email, new.role.to_value()));
        invite::<ManageStaff>(&member, &write, Target::Agency(*agency_id), body.bytes(), input).await
    }

    /// Open invitations to the staff
    #[oai(path = "/v1/agencies/:agency_id/invitations", method = "get", operation_id = "list_staff_invitations", tag = "Tag::Agencies")]
    async fn staff_invitations(&self, app: Data<&App>, member: Member, agency_id: Path<Uuid>) -> poem::Result<Reply<Page<Invitation>>> {
        policy::permit::<ManageStaff>(&member, &Scope::agency(*agency_id))?;
        open_invitations(&app, Target::Agency(*agency_id)).await
    }

    /// Members of an SME
    #[oai(path = "/v1/smes/:sme_id/members", method = "get", operation_id = "list_members", tag = "Tag::Smes")]
    async fn members(&self, app: Data<&App>, member: Member, sme_id: Path<Uuid>) -> poem::Result<Reply<Page<MemberOf>>> {
        policy::permit::<ReadSme>(&member, &sme::store::scope(app.database.reader(), *sme_id).await?)?;
        members_of(&app, Target::Sme(*sme_id)).await
    }

    /// Remove a member of an SME
    ///
    /// The last owner stays. API clients that the person made for the SME end as well.
    #[oai(path = "/v1/smes/:sme_id/members/:user_id", method = "delete", operation_id = "remove_member", tag = "Tag::Smes")]
    async fn remove_member(&self, member: Member, write: Write, sme_id: Path<Uuid>, user_id: Path<Uuid>) -> poem::Result<NoContent> {
        let work = write.begin_confirmed(&member, &[]).await?;
        let permit = policy::permit::<ManageMembers>(&member, &sme::store::scope(work.db(), *sme_id).await?)?;
        if !store::remove_member(work.db(), Target::Sme(*sme_id), *user_id).await? {
            return Err(Fault::not_found().into());
        }
        end_what_they_made(&work, &permit, Target::Sme(*sme_id), *user_id).await?;
        work.audit(&permit, "remove_member", "sme", *sme_id, serde_json::json!({ "user_id": *user_id }), None).await?;
        work.finish_empty().await
    }

    /// Invite a person to an SME
    ///
    /// The answer holds the token to pass on.
    #[oai(path = "/v1/smes/:sme_id/invitations", method = "post", operation_id = "invite_member", tag = "Tag::Smes")]
    async fn invite_member(
        &self,
        member: Member,
        write: Write,
        sme_id: Path<Uuid>,
        body: Body<NewSmeInvitation>,
    ) -> poem::Result<Created<Invitation>> {
        let input = || body.read().map(|new| (new.email, new.role.to_value()));
        invite::<ManageMembers>(&member, &write, Target::Sme(*sme_id), body.bytes(), input).await
    }

    /// Open invitations to an SME
    #[oai(path = "/v1/smes/:sme_id/invitations", method = "get", operation_id = "list_member_invitations", tag = "Tag::Smes")]
    async fn member_invitations(&self, app: Data<&App>, member: Member, sme_id: Path<Uuid>) -> poem::Result<Reply<Page<Invitation>>> {
        policy::permit::<ManageMembers>(&member, &sme::store::scope(app.database.reader(), *sme_id).await?)?;
        open_invitations(&app, Target::Sme(*sme_id)).await
    }

    /// Revoke an invitation
    #[oai(path = "/v1/invitations/:invitation_id", method = "delete", operation_id = "revoke_invitation", tag = "Tag::Identity")]
    async fn revoke(&self, member: Member, write: Write, invitation_id: Path<Uuid>) -> poem::Result<NoContent> {
        let work = write.begin(&member, &[]).await?;
        let row = store::invitation(work.db(), *invitation_id).await?.ok_or_else(Fault::not_found)?;
        match (row.sme_id, row.agency_id) {
            (Some(sme), _) => policy::permit::<ManageMembers>(&member, &sme::store::scope(work.db(), sme).await?).map(|_| ())?,
            (_, agency) => policy::permit::<ManageStaff>(&member, &Scope::agency(agency.unwrap_or_default())).map(|_| ())?,
        }
        store::close_invitation(work.db(), row.id, false).await?;
        let change = serde_json::json!({ "email": "withdrawn" });
        work.audit(&policy::own_account(&member), "revoke", "invitation", row.id, change, None).await?;
        work.finish_empty().await
    }

    /// Accept an invitation
    ///
    /// Makes an account where the e-mail has none, and signs in. An account that exists proves itself by its password.
    #[oai(path = "/v1/auth/accept-invitation", method = "post", operation_id = "accept_invitation", tag = "Tag::Identity")]
    async fn accept(&self, app: Data<&App>, request: &Request, body: Body<AcceptInvitation>) -> poem::Result<Reply<SignedIn>> {
        let input = body.read()?;
        let acceptance = Acceptance { token: input.token, display_name: input.display_name, password: input.password.into(), code: input.code };
        signed_in(&app, service::accept_invitation(&app, acceptance, &device(&app, request)).await?).await
    }
}
