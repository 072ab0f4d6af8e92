//! Signing in and out, and making people.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use rand::{Rng, RngCore};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    attempts::{self, Attempt, Limit},
    email::{canonical, check_email},
    model::{Actor, AgencyRole, ByKey, SmeRole, Withheld},
    passwords::{check_password, hash_password, verify},
    policy::{self, Permit},
    second_factor,
    store::{self, Target},
};
use crate::{
    app::App,
    clients::{self, model::Client},
    fault::{BAD_CREDENTIALS, CODE_REQUIRED, FORBIDDEN, Fault, Outcome, UNAUTHENTICATED, say},
    platform::{clock::now, database::hold_row},
    quotas,
    sme::{self, model::SmeStatus},
    values::{Language, check_text, hex, input::Passcode, text::is_forbidden},
    webhooks,
    work::Work,
};

/// A session ends after this time, used or not.
const SESSION: Duration = Duration::days(30);
/// Failures of an account from one network within 15 minutes: a stranger's guesses don't lock the owner out elsewhere.
const MOST_FAILURES: i64 = 10;
/// Failures from one network within 15 minutes, over all accounts.
const MOST_FAILURES_OF_NETWORK: i64 = 100;
/// Failures of one account within 15 minutes, over all networks: many addresses don't help to guess a password.
const MOST_FAILURES_OF_ACCOUNT: i64 = 200;
/// Wrong codes of one account within 15 minutes, over all networks; reaching this limit takes the password.
const MOST_CODES: i64 = 10;
/// A sensitive step asks for the password or the second factor again after this time.
pub const FRESH: Duration = Duration::minutes(10);

/// A token of 256 random bits, and the hash that is stored of it.
pub fn new_token() -> (String, String) {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    let token = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let hash = token_hash(&token);
    (token, hash)
}

pub fn token_hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// The actor who holds `token`. The look-up is by hash, so comparing takes no secret-dependent time.
pub async fn authenticate(app: &App, token: &str) -> Outcome<Actor> {
    let reader = app.database.reader();
    let owner = store::session_owner(reader, &token_hash(token)).await?.ok_or_else(|| Fault::new(&UNAUTHENTICATED))?;
    let (smes, mut agencies) = store::memberships(reader, owner.user_id).await?;
    let mut is_operator = owner.is_operator == 1;
    let mut withheld = Withheld::default();
    // A session is as strong as how it began: one that knew the password alone gains nothing when its person, or whoever stole
    // it, sets up a factor later.
    let lacks_factor = owner.proved_second_factor == 0;
    if lacks_factor && (app.config.staff_second_factor() || owner.has_second_factor > 0) {
        withheld = Withheld { agencies: std::mem::take(&mut agencies), is_operator: std::mem::take(&mut is_operator) };
    }
    if now() - owner.last_seen_at > Duration::hours(1) {
        let work = Work::begin(app, "session").await?;
        store::touch_session(work.db(), owner.session_id).await?;
        work.commit().await?;
    }
    Ok(Actor {
        user_id: owner.user_id,
        session_id: owner.session_id,
        email: owner.email,
        display_name: owner.display_name,
        locale: if owner.locale == "en" { Language::En } else { Language::Id },
        is_operator,
        smes,
        agencies,
        by_key: None,
        withheld,
        proved_at: owner.proved_at,
    })
}

/// A program that acts by a secret key: with the roles that its owner gives, in the name of who made it.
pub async fn by_key(app: &App, client: &Client) -> Outcome<Actor> {
    let user = store::user_by_id(app.database.reader(), client.answers).await?.filter(|user| user.status == "active");
    let user = user.ok_or_else(|| Fault::new(&UNAUTHENTICATED))?;
    let (smes, agencies) = match client.owner {
        Target::Sme(sme) => (vec![(sme, SmeRole::Staff)], Vec::new()),
        Target::Agency(agency) => (Vec::new(), vec![(agency, AgencyRole::Officer)]),
    };
    Ok(Actor {
        user_id: user.id,
        session_id: Uuid::nil(),
        email: user.email,
        display_name: user.display_name,
        locale: if user.locale == "en" { Language::En } else { Language::Id },
        is_operator: false,
        smes,
        agencies,
        by_key: Some(ByKey { client: client.id, scopes: client.scopes.clone() }),
        withheld: Withheld::default(),
        proved_at: None,
    })
}

/// A fresh session.
pub struct SignedIn {
    pub token: String,
    pub expires_at: DateTime<Utc>,
}

/// Where a request comes from, as far as sessions and throttling go.
pub struct Device {
    /// The client's network: its IPv4 address, or the /64 of its IPv6 address.
    pub network: String,
    pub user_agent: String,
}

/// What a person proves to be somebody with.
pub struct Credentials<'a> {
    pub email: &'a str,
    pub password: String,
    /// A code of the authenticator app, or a recovery code; for accounts with a second factor.
    pub code: Option<Passcode>,
}

/// Checks e-mail, password and second factor, and opens a session. Too many failures within 15 minutes answer 429: of one
/// account from one network, of one network, of one account; and of one account's codes.
pub async fn sign_in(app: &App, credentials: Credentials<'_>, device: &Device) -> Outcome<SignedIn> {
    let Proven { user, by_factor, attempts } = prove(app, credentials, device).await?;
    let work = Work::begin(app, "sign-in").await?;
    // Proving takes a while, and what was proved may have been reset or suspended meanwhile: a session would outlive it.
    hold_row(work.db(), "users", user.id).await?;
    let current = store::user_by_id(work.db(), user.id).await?.filter(|current| current.status == "active");
    let is_current = current.is_some_and(|current| current.password_hash == user.password_hash);
    if !is_current || by_factor != second_factor::is_set_up(work.db(), user.id).await? {
        return Err(Fault::new(&BAD_CREDENTIALS));
    }
    for attempt in attempts {
        attempt.forgive(work.db()).await?;
    }
    let session = open_session(&work, user.id, device, by_factor).await?;
    work.commit().await?;
    Ok(session)
}

/// Who is proved by credentials, whether by a second factor, and what to forgive once all else is well.
struct Proven {
    user: store::user::Model,
    by_factor: bool,
    attempts: Vec<Attempt>,
}

/// Verifies a password. An attempt that could not be made, since too many wait for their turn, was no guess.
async fn verify_counted(app: &App, attempt: &Attempt, hash: String, password: String) -> Outcome<bool> {
    let verdict = verify(hash, password).await;
    if verdict.is_err() {
        let work = app.database.begin().await?;
        attempt.forgive(&work).await?;
        work.commit().await?;
    }
    verdict
}

async fn prove(app: &App, credentials: Credentials<'_>, device: &Device) -> Outcome<Proven> {
    let email = canonical(credentials.email).unwrap_or_default();
    let limits = [
        Limit::new("account at network", &format!("{email} {}", device.network), MOST_FAILURES),
        Limit::new("network", &device.network, MOST_FAILURES_OF_NETWORK),
        Limit::new("account", &email, MOST_FAILURES_OF_ACCOUNT),
    ];
    let attempt = attempts::begin(app, &limits).await?;
    let user = store::user_by_email(app.database.reader(), &email).await?.filter(|user| user.status == "active");
    let hash = user.as_ref().map(|user| user.password_hash.clone()).unwrap_or_default();
    let matches = verify_counted(app, &attempt, hash, credentials.password).await?;
    let Some(user) = user else { return Err(Fault::new(&BAD_CREDENTIALS)) };
    if !matches {
        note(app, user.id, "sign_in_failed").await?;
        return Err(Fault::new(&BAD_CREDENTIALS));
    }
    match prove_factor(app, user.id, credentials.code.as_deref()).await {
        Ok(None) => Ok(Proven { user, by_factor: false, attempts: vec![attempt] }),
        Ok(Some(code)) => Ok(Proven { user, by_factor: true, attempts: vec![attempt, code] }),
        Err(fault) => {
            // The password was right, and a missing code is no guess.
            let work = Work::begin(app, "sign-in").await?;
            attempt.forgive(work.db()).await?;
            work.commit().await?;
            if fault.kind.code != CODE_REQUIRED.code {
                note(app, user.id, "second_factor_failed").await?;
            }
            Err(fault)
        }
    }
}

/// Counts an attempt at a code of `user`.
pub async fn attempt_code(app: &App, user: Uuid) -> Outcome<Attempt> {
    attempts::begin(app, &[Limit::new("code", &user.to_string(), MOST_CODES)]).await
}

/// Proves the second factor of `user`; returns the attempt that it took, or `None` if the account has no second factor.
pub async fn prove_factor(app: &App, user: Uuid, code: Option<&str>) -> Outcome<Option<Attempt>> {
    if !second_factor::is_set_up(app.database.reader(), user).await? {
        return Ok(None);
    }
    let Some(code) = code else { return Err(Fault::new(&CODE_REQUIRED)) };
    let attempt = attempt_code(app, user).await?;
    let work = Work::begin(app, "second-factor").await?;
    let verdict = second_factor::prove(&app.vault, work.db(), user, code).await?;
    // A spent code stays spent whatever comes after.
    work.commit().await?;
    verdict.map(|()| Some(attempt))
}

/// Writes down what happened to somebody's account outside their own sessions.
async fn note(app: &App, user: Uuid, action: &str) -> Outcome<()> {
    let work = Work::begin(app, "sign-in").await?;
    work.audit(&policy::system::<policy::OwnAccount>(user), action, "user", user, json!({}), None).await?;
    work.commit().await
}

/// What somebody proves to be there with, in the middle of a session.
pub enum Proof {
    Password(String),
    Code(Passcode),
}

/// Asks again who is there, for a sensitive step: by password, or by the second factor where there is one. Counted as
/// attempts to sign in are.
pub async fn confirm_presence(app: &App, actor: &Actor, proof: Proof, device: &Device) -> Outcome<()> {
    let wrong = |pointer, say| Fault::invalid_field(pointer, "wrong", say);
    let (attempt, by_factor) = match proof {
        Proof::Password(password) => {
            let limits = [
                Limit::new("account at network", &format!("{} {}", actor.email, device.network), MOST_FAILURES),
                Limit::new("network", &device.network, MOST_FAILURES_OF_NETWORK),
                Limit::new("account", &actor.email, MOST_FAILURES_OF_ACCOUNT),
            ];
            let attempt = attempts::begin(app, &limits).await?;
            let user = store::user_by_id(app.database.reader(), actor.user_id).await?.ok_or_else(Fault::not_found)?;
            if !verify_counted(app, &attempt, user.password_hash, password).await? {
                note(app, actor.user_id, "confirmation_failed").await?;
                return Err(wrong("/password", say("Kata sandi salah.", "The password is wrong.")));
            }
            (attempt, false)
        }
        Proof::Code(code) => {
            let attempt = prove_factor(app, actor.user_id, Some(&code)).await?;
            let attempt = attempt.ok_or_else(|| wrong("/code", say("Faktor kedua belum diatur.", "No second factor is set up.")))?;
            (attempt, true)
        }
    };
    let work = Work::begin(app, "confirm").await?;
    attempt.forgive(work.db()).await?;
    store::prove_session(work.db(), actor.session_id, by_factor).await?;
    work.audit(&policy::own_account(actor), "confirm_presence", "user", actor.user_id, json!({ "by_factor": by_factor }), None).await?;
    work.commit().await
}

async fn open_session(work: &Work, user: Uuid, device: &Device, by_factor: bool) -> Outcome<SignedIn> {
    let ((token, hash), expires_at) = (new_token(), now() + SESSION);
    let user_agent: String = device.user_agent.chars().filter(|c| !is_forbidden(*c)).take(200).collect();
    let new = store::NewSession { user, token_hash: &hash, user_agent: &user_agent, expires_at, proved_second_factor: by_factor };
    let session = store::insert_session(work.db(), new).await?;
    let change = json!({ "session": session, "by_factor": by_factor });
    work.audit(&policy::system::<policy::OwnAccount>(user), "sign_in", "user", user, change, None).await?;
    Ok(SignedIn { token, expires_at })
}

/// Accounts made from one network within 15 minutes: a Bimtek of 120 may share one connection.
const MOST_REGISTRATIONS: i64 = 200;

/// Makes an account for somebody whom nobody invited, and signs in. It belongs to nothing until it registers an
/// SME, which an office then verifies.
pub async fn register(app: &App, new: NewUser, device: &Device) -> Outcome<SignedIn> {
    if !app.config.registration {
        let detail = say("Akun dibuat lewat undangan dinas.", "Accounts are made by invitation of the office.");
        return Err(Fault::new(&FORBIDDEN).detail(detail));
    }
    // Never forgiven: what is counted here is accounts, not failures.
    let _counted = attempts::begin(app, &[Limit::new("register", &device.network, MOST_REGISTRATIONS)]).await?;
    let user = prepare_user(new).await?;
    let work = Work::begin(app, "register").await?;
    let user = store::insert_user(work.db(), user).await?;
    let session = open_session(&work, user, device, false).await?;
    work.commit().await?;
    Ok(session)
}

/// A person to be made.
pub struct NewUser {
    pub email: String,
    pub display_name: String,
    pub password: String,
    pub locale: Language,
    pub is_operator: bool,
}

/// Checks a person and hashes the password, to be inserted. Apart from inserting, because hashing takes too long to
/// hold SQLite's one write lock meanwhile.
pub async fn prepare_user(new: NewUser) -> Outcome<store::user::Model> {
    let mut faults = Vec::new();
    let email = check_email(&new.email, "/email", &mut faults);
    check_text(&new.display_name, "/display_name", 120, &mut faults);
    check_password(&new.password, &[&email, &new.display_name], "/password", &mut faults).await?;
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    Ok(store::user::Model {
        id: Uuid::now_v7(),
        email,
        display_name: new.display_name,
        locale: new.locale.tag().into(),
        password_hash: hash_password(new.password).await?,
        is_operator: i64::from(new.is_operator),
        status: "active".into(),
        created_at: now(),
    })
}

/// A person made from the command line.
pub async fn create_account(app: &App, new: NewUser) -> Outcome<Uuid> {
    let change = json!({ "is_operator": new.is_operator });
    let user = prepare_user(new).await?;
    let work = Work::begin(app, "command-line").await?;
    let id = store::insert_user(work.db(), user).await?;
    work.audit(&policy::system::<policy::OwnAccount>(Uuid::nil()), "create", "user", id, change, None).await?;
    work.commit().await?;
    Ok(id)
}

/// Twenty random letters and digits: about 119 bits.
pub fn random_password() -> String {
    let mut rng = rand::rng();
    (0..20).map(|_| char::from(rng.sample(rand::distr::Alphanumeric))).collect()
}

/// Sets and returns a new random password, and ends everything that was made with the old one.
pub async fn reset_password(app: &App, email: &str) -> Outcome<String> {
    let password = random_password();
    let hash = hash_password(password.clone()).await?;
    let work = Work::begin(app, "command-line").await?;
    let user = user_of(&work, email).await?;
    store::set_password(work.db(), user, &hash).await?;
    end_what_was_made(&work, user, None, "reset_password").await?;
    work.commit().await?;
    Ok(password)
}

async fn user_of(work: &Work, email: &str) -> Outcome<Uuid> {
    let user = store::user_by_email(work.db(), &canonical(email).unwrap_or_default()).await?;
    Ok(user.ok_or_else(Fault::not_found)?.id)
}

/// Removes the second factor of a person and ends everything that was made with it.
pub async fn reset_second_factor(app: &App, email: &str) -> Outcome<()> {
    let work = Work::begin(app, "command-line").await?;
    let user = user_of(&work, email).await?;
    store::remove_totp(work.db(), user).await?;
    end_what_was_made(&work, user, None, "reset_second_factor").await?;
    work.commit().await
}

/// Suspends or reinstates a person. A suspended person has no session, key, invitation or webhook left.
pub async fn set_suspended(app: &App, email: &str, suspended: bool) -> Outcome<()> {
    let work = Work::begin(app, "command-line").await?;
    let user = user_of(&work, email).await?;
    store::set_status(work.db(), user, if suspended { "disabled" } else { "active" }).await?;
    if suspended {
        end_what_was_made(&work, user, None, "suspend").await?;
    } else {
        work.audit(&policy::system::<policy::OwnAccount>(Uuid::nil()), "reinstate", "user", user, json!({}), None).await?;
    }
    work.commit().await
}

/// Ends what was made with a secret, by whomever: sessions but for the one at hand, keys, open invitations and webhooks, each
/// kind on record.
pub async fn end_what_was_made(work: &Work, user: Uuid, but: Option<Uuid>, why: &str) -> Outcome<()> {
    store::end_other_sessions(work.db(), user, but.unwrap_or_default()).await?;
    let keys = clients::service::revoke_all_of(work, user).await?;
    let invitations = store::close_invitations_of(work.db(), user, None).await?;
    let webhooks = webhooks::service::disable_those_of(work, user, None).await?;
    let change = json!({ "sessions": if but.is_some() { "others" } else { "all" }, "api_clients": keys, "invitations": invitations, "webhook_endpoints": webhooks });
    work.audit(&policy::system::<policy::OwnAccount>(Uuid::nil()), why, "user", user, change, None).await
}

/// An invitation is open for this long.
const OPEN: Duration = Duration::days(14);

/// An invitation as it is made; the token is shown this once.
pub struct Invited {
    pub id: Uuid,
    pub token: String,
    pub email: String,
    pub expires_at: DateTime<Utc>,
}

/// Invites a person by e-mail; whoever holds the token may accept it, once.
pub async fn invite<A>(work: &Work, permit: &Permit<A>, target: Target, email: &str, role: &str) -> Outcome<Invited> {
    let mut faults = Vec::new();
    let email = check_email(email, "/email", &mut faults);
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    let ((token, token_hash), expires_at) = (new_token(), now() + OPEN);
    let new = store::NewInvitation { target, email: &email, role, token_hash: &token_hash, invited_by: permit.by(), expires_at };
    let id = store::insert_invitation(work.db(), new).await?;
    let (entity, entity_id) = target.named();
    work.audit(permit, "invite", entity, entity_id, json!({ "invitation": id, "role": role }), None).await?;
    Ok(Invited { id, token, email, expires_at })
}

/// Who accepts: a new person, or one who proves to be the person invited.
pub struct Acceptance {
    pub token: String,
    pub display_name: Option<String>,
    pub password: String,
    /// For an account with a second factor.
    pub code: Option<Passcode>,
}

/// Who an invitation turns out to be for.
enum Person {
    Known(Uuid, SignedIn),
    New(store::user::Model),
}

/// Accepts an invitation and signs in. A person who has an account keeps it and its password.
pub async fn accept_invitation(app: &App, acceptance: Acceptance, device: &Device) -> Outcome<SignedIn> {
    let hash = token_hash(&acceptance.token);
    let unknown = || Fault::invalid_field("/token", "unknown", say("Undangan tidak berlaku lagi.", "The invitation is not valid any more."));
    let invitation = store::invitation_by_token(app.database.reader(), &hash).await?.ok_or_else(unknown)?;
    let known = store::user_by_email(app.database.reader(), &invitation.email).await?;
    // An account proves itself by signing in, with all the limits that has.
    let person = if let Some(user) = known {
        let credentials = Credentials { email: &invitation.email, password: acceptance.password, code: acceptance.code };
        Person::Known(user.id, sign_in(app, credentials, device).await?)
    } else {
        let (email, display_name) = (invitation.email.clone(), acceptance.display_name.unwrap_or_default());
        let new = NewUser { email, display_name, password: acceptance.password, locale: Language::Id, is_operator: false };
        Person::New(prepare_user(new).await?)
    };
    let work = Work::begin(app, "invitation").await?;
    // Whoever invited may have left since, or may no longer invite.
    if !store::may_still_invite(work.db(), invitation.id).await? || !store::close_invitation(work.db(), invitation.id, true).await? {
        return Err(unknown());
    }
    let (user, session) = match person {
        Person::Known(user, session) => (user, session),
        Person::New(user) => {
            let user = store::insert_user(work.db(), user).await?;
            (user, open_session(&work, user, device, false).await?)
        }
    };
    let target = invitation.sme_id.map(Target::Sme).or(invitation.agency_id.map(Target::Agency)).ok_or_else(unknown)?;
    if let Target::Sme(sme) = target
        && invitation.role == "owner"
        && sme::store::by_id(work.db(), sme).await?.status == SmeStatus::Pending
    {
        quotas::pending_sme(&work, user).await?;
    }
    store::add_member(work.db(), target, user, &invitation.role).await?;
    let (entity, id) = target.named();
    let change = json!({ "invitation": invitation.id, "role": invitation.role });
    work.audit(&policy::system::<policy::OwnAccount>(user), "accept_invitation", entity, id, change, None).await?;
    work.commit().await?;
    Ok(session)
}
