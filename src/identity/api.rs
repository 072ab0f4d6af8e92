//! Sign-in, the own account and its sessions.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use chrono::{DateTime, Utc};
use poem::{Request, http::HeaderMap, web::Data};
use poem_openapi::{Object, OpenApi, param::Path};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    AgencyRole, SmeRole, policy, second_factor,
    service::{self, Credentials, Device, NewUser, Proof},
    store,
};
use crate::{
    app::App,
    fault::{BAD_CODE, Fault, say},
    http::{Body, Member, Page, Reply, Tag, Write, reply::NoContent},
    values::{
        Language,
        input::{Passcode, Secret},
    },
};

pub struct IdentityApi;

/// E-mail and password.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    #[oai(validator(max_length = 254))]
    email: String,
    password: Secret,
    /// Of the authenticator app, or a recovery code; asked for by the problem `code_required`.
    #[serde(default)]
    code: Option<Passcode>,
}

/// An account to be made.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    #[oai(validator(max_length = 254))]
    email: String,
    #[oai(validator(min_length = 1, max_length = 120))]
    display_name: String,
    /// 12 to 200 characters.
    password: Secret,
    #[serde(default)]
    locale: Option<Language>,
}

/// What to put into an authenticator app.
#[derive(Object)]
pub struct SecondFactorProposal {
    /// Base32, to type. Shown once: where a repeated request lacks it, begin again without the Idempotency-Key.
    pub secret: Option<String>,
    /// To show as a QR code. Shown once.
    pub otpauth_url: Option<String>,
}

/// What proves that the person of a session is there: one of both.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    #[serde(default)]
    pub password: Option<Secret>,
    /// Of the authenticator app, or a recovery code.
    #[serde(default)]
    pub code: Option<Passcode>,
}

/// A code of the authenticator app.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Code {
    code: Passcode,
}

/// Each counts once, in place of a code of the app. Shown this once.
#[derive(Object)]
pub struct RecoveryCodes {
    /// Where a repeated request lacks them, disable the second factor and set it up anew to get others.
    pub recovery_codes: Option<Vec<String>>,
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
        let credentials = Credentials { email: &input.email, password: input.password.into(), code: input.code };
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
            password: input.password.into(),
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
        let work = write.begin_confirmed(&member, &[]).await?;
        let proposal = second_factor::begin(&work, &member).await?;
        let shown = SecondFactorProposal { secret: Some(proposal.secret), otpauth_url: Some(proposal.url) };
        work.finish_secret(Reply::new(&shown), &SecondFactorProposal { secret: None, otpauth_url: None }).await
    }

    /// Confirm the second factor
    ///
    /// By the app's first code. From then on signing in asks for one, this session has proved it, and all others end. Answers
    /// recovery codes for a lost phone, this once.
    #[oai(path = "/v1/me/second-factor/confirm", method = "post", operation_id = "confirm_second_factor")]
    async fn confirm_second_factor(&self, app: Data<&App>, member: Member, write: Write, body: Body<Code>) -> poem::Result<Reply<RecoveryCodes>> {
        let code = body.read()?.code;
        let attempt = service::attempt_code(&app, member.user_id).await?;
        let work = write.begin(&member, body.bytes()).await?;
        let recovery_codes = second_factor::confirm(&work, &member, &code).await?;
        attempt.forgive(work.db()).await?;
        work.audit(&policy::own_account(&member), "confirm_second_factor", "user", member.user_id, json!({}), None).await?;
        let shown = RecoveryCodes { recovery_codes: Some(recovery_codes) };
        work.finish_secret(Reply::new(&shown), &RecoveryCodes { recovery_codes: None }).await
    }

    /// Disable the second factor
    ///
    /// By a code of it. All other sessions end, and API keys, open invitations and webhooks that the factor stood behind.
    #[oai(path = "/v1/me/second-factor/disable", method = "post", operation_id = "disable_second_factor")]
    async fn disable_second_factor(&self, app: Data<&App>, member: Member, write: Write, body: Body<Code>) -> poem::Result<NoContent> {
        let code = body.read()?.code;
        let wrong = say("Kode salah atau sudah dipakai.", "The code is wrong or was used already.");
        let proven = service::prove_factor(&app, member.user_id, Some(&code)).await;
        let attempt =
            proven.map_err(|fault| if fault.kind.code == BAD_CODE.code { Fault::invalid_field("/code", "bad_code", wrong) } else { fault })?;
        let work = write.begin(&member, body.bytes()).await?;
        // Without a factor nothing was proved by its code.
        let not_set_up = || Fault::conflict("not_set_up", say("Faktor kedua belum diatur.", "No second factor is set up."));
        attempt.ok_or_else(not_set_up)?.forgive(work.db()).await?;
        store::remove_totp(work.db(), member.user_id).await?;
        service::end_what_was_made(&work, member.user_id, Some(member.session_id), "disable_second_factor").await?;
        work.finish_empty().await
    }

    /// Prove that it is you
    ///
    /// By the password, or by a code of the second factor. Sensitive steps (second factor, API keys, webhooks, invitations,
    /// members) answer `confirmation_required` where the session's last proof, or its beginning, is more than ten minutes old.
    #[oai(path = "/v1/me/confirm", method = "post", operation_id = "confirm_presence")]
    async fn confirm_presence(&self, app: Data<&App>, request: &Request, member: Member, body: Body<Presence>) -> poem::Result<NoContent> {
        let input = body.read()?;
        let proof = match (input.password, input.code) {
            (Some(password), None) => Proof::Password(password.into()),
            (None, Some(code)) => Proof::Code(code),
            _ => {
                let message = say("Isi salah satu: password atau code.", "Give either password or code.");
                return Err(Fault::invalid_field("", "one_of", message).into());
            }
        };
        service::confirm_presence(&app, &member, proof, &device(&app, request)).await?;
        Ok(NoContent)
    }

    /// Sign out
    ///
    /// Ends the session of the token that is sent.
    #[oai(path = "/v1/auth/sign-out", method = "post", operation_id = "sign_out")]
    async fn sign_out(&self, member: Member, write: Write) -> poem::Result<NoContent> {
        let work = write.begin(&member, &[]).await?;
        store::revoke_session(work.db(), member.user_id, member.session_id).await?;
        let change = json!({ "session": member.session_id });
        work.audit(&policy::own_account(&member), "sign_out", "user", member.user_id, change, None).await?;
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
        let work = write.begin(&member, &[]).await?;
        if !store::revoke_session(work.db(), member.user_id, *session_id).await? {
            return Err(Fault::not_found().into());
        }
        let change = json!({ "session": *session_id });
        work.audit(&policy::own_account(&member), "end_session", "user", member.user_id, change, None).await?;
        work.finish_empty().await
    }
}

/// The answer to a session that was opened: its token, and whose it is.
pub async fn signed_in(app: &App, session: service::SignedIn) -> poem::Result<Reply<SignedIn>> {
    let actor = service::authenticate(app, &session.token).await?;
    Ok(Reply::new(&SignedIn { user: Me::from(&actor), token: session.token, expires_at: session.expires_at }))
}

/// Where a request comes from.
pub fn device(app: &App, request: &Request) -> Device {
    let user_agent = request.header("user-agent").unwrap_or("unknown").to_owned();
    Device { network: network(client_address(request, app.config.trusted_proxies)), user_agent }
}

/// What limits are counted by: an IPv4 address, or the /64 of an IPv6 address, since that is what one host is given.
pub fn network(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        None => "unknown".into(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// The client's address: the peer's, or what the nearest trusted proxies wrote down. Each adds to the end, some as a line of
/// their own, so the lines are one list that is read from its end; what a client sent itself stands before and is not believed.
fn client_address(request: &Request, trusted_proxies: usize) -> Option<IpAddr> {
    let peer = request.remote_addr().as_socket_addr().map(SocketAddr::ip);
    if trusted_proxies == 0 {
        return peer;
    }
    forwarded_for(request.headers(), trusted_proxies).or(peer)
}

/// The list is divided as bytes, since a client may put there what is no text, in the line that a proxy goes on with.
fn forwarded_for(headers: &HeaderMap, trusted_proxies: usize) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter();
    let hops = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let hops: Vec<&[u8]> = hops.map(<[u8]>::trim_ascii).filter(|hop| !hop.is_empty()).collect();
    let hop = hops.get(hops.len().checked_sub(trusted_proxies)?)?;
    parse_hop(std::str::from_utf8(hop).ok()?)
}

/// An address as proxies write it: bare, with a port, or an IPv6 address in brackets.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    #[test]
    fn hosts_are_told_apart_by_what_one_of_them_is_given() {
        for (hop, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:8080", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
            ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
            ("unknown", "unknown"),
        ] {
            assert_eq!(network(parse_hop(hop)), expected, "{hop}");
        }
    }

    #[test]
    fn what_a_client_wrote_before_the_hops_of_proxies_changes_nothing() {
        let proxy: IpAddr = "203.0.113.7".parse().expect("an address");
        let hop = |lines: &[&[u8]], trusted: usize| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_bytes(line).expect("a line"));
            }
            forwarded_for(&headers, trusted)
        };
        assert_eq!(hop(&[b"203.0.113.7"], 1), Some(proxy));
        assert_eq!(hop(&[b"\xff, 203.0.113.7"], 1), Some(proxy));
        assert_eq!(hop(&[b"\xff\xfe", b"\x80,, 203.0.113.7 , 10.0.0.1"], 2), Some(proxy));
        assert_eq!(hop(&[b"198.51.100.1, 203.0.113.7"], 1), Some(proxy));
        assert_eq!(hop(&[b"203.0.113.7, \xff"], 1), None);
        assert_eq!(hop(&[b"203.0.113.7"], 2), None);
        assert_eq!(hop(&[], 1), None);
    }
}
