//! Sign-in, the own account and its sessions.

use chrono::{DateTime, Utc};
use poem::{Request, web::Data};
use poem_openapi::{Object, OpenApi, param::Path};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    AgencyRole, SmeRole, policy, second_factor,
    service::{self, Credentials, Device, NewUser},
    store,
};
use crate::{
    app::App,
    fault::Fault,
    http::{Body, Member, Page, Reply, Tag, Write, reply::NoContent},
    values::Language,
};

pub struct IdentityApi;

/// E-mail and password.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    #[oai(validator(max_length = 254))]
    email: String,
    #[oai(validator(max_length = 200))]
    password: String,
    /// Of the authenticator app, or a recovery code; asked for by the problem `code_required`.
    #[serde(default)]
    code: Option<String>,
}

/// An account to be made.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    email: String,
    display_name: String,
    /// 12 to 200 characters.
    password: String,
    #[serde(default)]
    locale: Option<Language>,
}

/// What to put into an authenticator app.
#[derive(Object)]
pub struct SecondFactorProposal {
    /// Base32, to type.
    pub secret: String,
    /// To show as a QR code.
    pub otpauth_url: String,
}

/// A code of the authenticator app.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Code {
    code: String,
}

/// Each counts once, in place of a code of the app. Shown this once.
#[derive(Object)]
pub struct RecoveryCodes {
    pub recovery_codes: Vec<String>,
}

/// A fresh session. The token is shown this once; only its hash is kept.
#[derive(Object)]
pub struct SignedIn {
    /// Send as `Authorization: Bearer …`.
    pub token: String,
    /// UTC.
    pub expires_at: DateTime<Utc>,
    pub user: Me,
}

/// A person and what they belong to.
#[derive(Object)]
pub struct Me {
    pub id: Uuid,
    pub email: String,
    pub display_name: String,
    pub locale: Language,
    pub is_operator: bool,
    /// Roles of this person wait for a second factor: see `POST /v1/me/second-factor`.
    pub second_factor_required: bool,
    pub smes: Vec<SmeMembership>,
    pub agencies: Vec<AgencyMembership>,
}

#[derive(Object)]
pub struct SmeMembership {
    pub sme_id: Uuid,
    pub role: SmeRole,
}

#[derive(Object)]
pub struct AgencyMembership {
    pub agency_id: Uuid,
    pub role: AgencyRole,
}

/// A device that is signed in.
#[derive(Object)]
pub struct Session {
    pub id: Uuid,
    pub user_agent: String,
    pub is_current: bool,
    pub created_at: DateTime<Utc>,
    /// To the hour.
    pub last_seen_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

impl From<&super::Actor> for Me {
    fn from(actor: &super::Actor) -> Self {
        Self {
            id: actor.user_id,
            email: actor.email.clone(),
            display_name: actor.display_name.clone(),
            locale: actor.locale,
            is_operator: actor.is_operator,
            second_factor_required: !actor.withheld.is_empty(),
            smes: actor.smes.iter().map(|(sme_id, role)| SmeMembership { sme_id: *sme_id, role: *role }).collect(),
            agencies: actor.agencies.iter().map(|(agency_id, role)| AgencyMembership { agency_id: *agency_id, role: *role }).collect(),
        }
    }
}

#[OpenApi(tag = "Tag::Identity")]
impl IdentityApi {
    /// Sign in
    ///
    /// Answers a bearer token. Too many failures answer 429 for a few minutes, per account and address.
    #[oai(path = "/v1/auth/sign-in", method = "post", operation_id = "sign_in")]
    async fn sign_in(&self, app: Data<&App>, request: &Request, body: Body<SignIn>) -> poem::Result<Reply<SignedIn>> {
        let input = body.read()?;
        let credentials = Credentials { email: &input.email, password: input.password, code: input.code.as_deref() };
        signed_in(&app, service::sign_in(&app, credentials, &device(&app, request)).await?).await
    }

    /// Make an account
    ///
    /// For owners whom nobody invited; an SME registered with it waits for the office. May be turned off (403).
    #[oai(path = "/v1/auth/register", method = "post", operation_id = "register")]
    async fn register(&self, app: Data<&App>, request: &Request, body: Body<Registration>) -> poem::Result<Reply<SignedIn>> {
        let input = body.read()?;
        let new = NewUser {
            email: input.email,
            display_name: input.display_name,
            password: input.password,
            locale: input.locale.unwrap_or(Language::Id),
            is_operator: false,
        };
        signed_in(&app, service::register(&app, new, &device(&app, request)).await?).await
    }

    /// Begin with a second factor
    ///
    /// Answers a secret for an authenticator app (TOTP, RFC 6238). It counts once its first code is confirmed.
    #[oai(path = "/v1/me/second-factor", method = "post", operation_id = "begin_second_factor")]
    async fn begin_second_factor(&self, member: Member, write: Write) -> poem::Result<Reply<SecondFactorProposal>> {
        let work = write.begin(member.user_id, &[]).await?;
        let proposal = second_factor::begin(&work, &member).await?;
        // A secret must not be kept for a replay, here and below.
        work.commit().await?;
        Ok(Reply::new(&SecondFactorProposal { secret: proposal.secret, otpauth_url: proposal.url }))
    }

    /// Confirm the second factor
    ///
    /// By the app's first code. From then on signing in asks for one. Answers recovery codes for a lost phone.
    #[oai(path = "/v1/me/second-factor/confirm", method = "post", operation_id = "confirm_second_factor")]
    async fn confirm_second_factor(&self, member: Member, write: Write, body: Body<Code>) -> poem::Result<Reply<RecoveryCodes>> {
        let work = write.begin(member.user_id, body.bytes()).await?;
        let recovery_codes = second_factor::confirm(&work, &member, &body.read()?.code).await?;
        work.audit(&policy::own_account(&member), "confirm_second_factor", "user", member.user_id, json!({}), None).await?;
        work.commit().await?;
        Ok(Reply::new(&RecoveryCodes { recovery_codes }))
    }

    /// Disable the second factor
    #[oai(path = "/v1/me/second-factor/disable", method = "post", operation_id = "disable_second_factor")]
    async fn disable_second_factor(&self, member: Member, write: Write, body: Body<Code>) -> poem::Result<NoContent> {
        let work = write.begin(member.user_id, body.bytes()).await?;
        if let Err(refused) = second_factor::disable(&work, &member, &body.read()?.code).await? {
            work.commit().await?;
            return Err(refused.into());
        }
        work.audit(&policy::own_account(&member), "disable_second_factor", "user", member.user_id, json!({}), None).await?;
        work.finish_empty().await
    }

    /// Sign out
    ///
    /// Ends the session of the token that is sent.
    #[oai(path = "/v1/auth/sign-out", method = "post", operation_id = "sign_out")]
    async fn sign_out(&self, member: Member, write: Write) -> poem::Result<NoContent> {
        let work = write.begin(member.user_id, &[]).await?;
        store::revoke_session(work.db(), member.user_id, member.session_id).await?;
        work.finish_empty().await
    }

    /// Who am I
    #[oai(path = "/v1/me", method = "get", operation_id = "get_me")]
    async fn me(&self, member: Member) -> Reply<Me> {
        Reply::new(&Me::from(&member.0))
    }

    /// My sessions
    ///
    /// Devices that are signed in, newest first.
    #[oai(path = "/v1/me/sessions", method = "get", operation_id = "list_sessions")]
    async fn sessions(&self, app: Data<&App>, member: Member) -> poem::Result<Reply<Page<Session>>> {
        let rows = store::sessions(app.database.reader(), member.user_id).await?;
        let data = rows.into_iter().map(|row| Session {
            is_current: row.id == member.session_id,
            id: row.id,
            user_agent: row.user_agent,
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.expires_at,
        });
        Ok(Reply::new(&Page::whole(data.collect(), 100)))
    }

    /// End a session
    ///
    /// Signs one device out.
    #[oai(path = "/v1/me/sessions/:session_id", method = "delete", operation_id = "revoke_session")]
    async fn revoke(&self, member: Member, write: Write, session_id: Path<Uuid>) -> poem::Result<NoContent> {
        let work = write.begin(member.user_id, &[]).await?;
        if !store::revoke_session(work.db(), member.user_id, *session_id).await? {
            return Err(Fault::not_found().into());
        }
        work.finish_empty().await
    }
}

/// Answers a session that was opened, with whose it is.
pub async fn signed_in(app: &App, session: service::SignedIn) -> poem::Result<Reply<SignedIn>> {
    let actor = service::authenticate(app, &session.token).await?;
    Ok(Reply::new(&SignedIn { user: Me::from(&actor), token: session.token, expires_at: session.expires_at }))
}

/// Where a request comes from.
pub fn device(app: &App, request: &Request) -> Device {
    let user_agent = request.header("user-agent").unwrap_or("unknown").to_owned();
    Device { address: client_address(request, app.config.trusted_proxies), user_agent }
}

/// The client's address: the peer's, or what the trusted proxies wrote down.
fn client_address(request: &Request, trusted_proxies: usize) -> String {
    let peer = request.remote_addr().as_socket_addr().map(|address| address.ip().to_string()).unwrap_or_default();
    if trusted_proxies == 0 {
        return peer;
    }
    let forwarded = request.header("x-forwarded-for").unwrap_or_default();
    let hops: Vec<&str> = forwarded.split(',').map(str::trim).filter(|hop| !hop.is_empty()).collect();
    hops.len().checked_sub(trusted_proxies).and_then(|index| hops.get(index)).map_or(peer, |hop| (*hop).to_owned())
}
