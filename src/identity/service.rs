//! Signing in and out, and making people.

use std::sync::LazyLock;

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash::{SaltString, rand_core::OsRng},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use rand::{Rng, RngCore};
use sea_orm::ConnectionTrait;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    model::{Actor, AgencyRole, ByKey, SmeRole, Withheld, check_email, check_password},
    policy::Permit,
    second_factor,
    store::{self, Target},
};
use crate::{
    app::App,
    clients::model::Client,
    fault::{BAD_CREDENTIALS, CODE_REQUIRED, FORBIDDEN, Fault, Outcome, THROTTLED, UNAUTHENTICATED, say},
    http::work::{Work, hex},
    platform::clock::now,
    values::{Language, check_text},
};

/// A session ends after this time, used or not.
const SESSION: Duration = Duration::days(30);
/// Failures within this window count.
const WINDOW: Duration = Duration::minutes(15);
/// Per account and address together, so that a stranger's guesses don't lock the owner out elsewhere.
pub const MOST_FAILURES: i64 = 10;
/// Per address, over all accounts.
const MOST_FAILURES_OF_ADDRESS: i64 = 100;

/// OWASP's second recommended setting for Argon2id: 19 MiB, 2 passes, 1 lane.
static ARGON2: LazyLock<Argon2<'static>> = LazyLock::new(|| {
    let params = Params::new(19 * 1024, 2, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
});

/// Verified where the account is unknown, so that both cases take the same time.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now("nobody has this password").unwrap_or_default());

fn hash_now(password: &str) -> Outcome<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = ARGON2.hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| Fault::internal(anyhow::anyhow!("argon2: {error}")))?.to_string())
}

/// Hashes a password away from the request threads.
pub async fn hash_password(password: String) -> Outcome<String> {
    tokio::task::spawn_blocking(move || hash_now(&password)).await.map_err(Fault::internal)?
}

async fn verify(hash: String, password: String) -> Outcome<bool> {
    let check = move || {
        let hash = if hash.is_empty() { NOBODY.clone() } else { hash };
        PasswordHash::new(&hash).is_ok_and(|parsed| ARGON2.verify_password(password.as_bytes(), &parsed).is_ok())
    };
    tokio::task::spawn_blocking(check).await.map_err(Fault::internal)
}

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

/// Who holds `token`. The look-up is by hash, so comparing takes no secret-dependent time.
pub async fn authenticate(app: &App, token: &str) -> Outcome<Actor> {
    let reader = app.database.reader();
    let owner = store::session_owner(reader, &token_hash(token)).await?.ok_or_else(|| Fault::new(&UNAUTHENTICATED))?;
    let (smes, mut agencies) = store::memberships(reader, owner.user_id).await?;
    let mut is_operator = owner.is_operator == 1;
    let mut withheld = Withheld::default();
    if app.config.staff_second_factor() && owner.has_second_factor == 0 {
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
    })
}

/// A program that acts by a secret key: with the roles that its owner gives, in the name of who made it.
pub async fn by_key(app: &App, client: &Client) -> Outcome<Actor> {
    let user = store::user_by_id(app.database.reader(), client.created_by).await?.filter(|user| user.status == "active");
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
    })
}

/// A fresh session.
pub struct SignedIn {
    pub token: String,
    pub expires_at: DateTime<Utc>,
}

/// Where a request comes from, as far as sessions and throttling go.
pub struct Device {
    pub address: String,
    pub user_agent: String,
}

/// What a person proves to be somebody with.
pub struct Credentials<'a> {
    pub email: &'a str,
    pub password: String,
    /// Of the authenticator app, or a recovery code; for accounts with a second factor.
    pub code: Option<&'a str>,
}

/// Fails where one of the subjects has failed as often as it may.
pub async fn throttle(connection: &impl ConnectionTrait, limits: &[(&str, i64)]) -> Outcome<()> {
    for (subject, most) in limits {
        if store::failures_since(connection, subject, now() - WINDOW).await? >= *most {
            let detail = say("Coba lagi beberapa menit lagi.", "Try again in a few minutes.");
            return Err(Fault::new(&THROTTLED).retry_after(300).detail(detail));
        }
    }
    Ok(())
}

/// Checks e-mail, password and second factor, and opens a session. Ten failures of one account from one address,
/// or a hundred from one address, within 15 minutes answer 429.
pub async fn sign_in(app: &App, credentials: Credentials<'_>, device: &Device) -> Outcome<SignedIn> {
    let email = credentials.email.trim().to_lowercase();
    let (account, address) = (token_hash(&format!("{email} {}", device.address)), token_hash(&device.address));
    let reader = app.database.reader();
    throttle(reader, &[(&account, MOST_FAILURES), (&address, MOST_FAILURES_OF_ADDRESS)]).await?;
    let user = store::user_by_email(reader, &email).await?.filter(|user| user.status == "active");
    let hash = user.as_ref().map(|user| user.password_hash.clone()).unwrap_or_default();
    let matches = verify(hash, credentials.password).await?;
    let work = Work::begin(app, "sign-in").await?;
    let proven = match user.filter(|_| matches) {
        Some(user) => second_factor::prove(work.db(), user.id, credentials.code).await?.map(|()| user.id),
        None => Err(Fault::new(&BAD_CREDENTIALS)),
    };
    let user = match proven {
        Ok(user) => user,
        Err(fault) => {
            // A missing code is no guess.
            if fault.kind.code != CODE_REQUIRED.code {
                store::record_failure(work.db(), &account).await?;
                store::record_failure(work.db(), &address).await?;
            }
            work.commit().await?;
            return Err(fault);
        }
    };
    let session = open_session(&work, user, &device.user_agent).await?;
    work.commit().await?;
    Ok(session)
}

async fn open_session(work: &Work, user: Uuid, user_agent: &str) -> Outcome<SignedIn> {
    let ((token, hash), expires_at) = (new_token(), now() + SESSION);
    let user_agent: String = user_agent.chars().take(200).collect();
    store::insert_session(work.db(), store::NewSession { user, token_hash: &hash, user_agent: &user_agent, expires_at }).await?;
    Ok(SignedIn { token, expires_at })
}

/// Accounts made from one address within 15 minutes: a Bimtek of 120 may share one connection.
const MOST_REGISTRATIONS: i64 = 200;

/// Makes an account for somebody whom nobody invited, and signs in. It belongs to nothing until it registers an
/// SME, which an office then verifies (row A4).
pub async fn register(app: &App, new: NewUser, device: &Device) -> Outcome<SignedIn> {
    if !app.config.registration {
        let detail = say("Akun dibuat lewat undangan dinas.", "Accounts are made by invitation of the office.");
        return Err(Fault::new(&FORBIDDEN).detail(detail));
    }
    let subject = token_hash(&format!("register {}", device.address));
    throttle(app.database.reader(), &[(&subject, MOST_REGISTRATIONS)]).await?;
    let user = prepare_user(new).await?;
    let work = Work::begin(app, "register").await?;
    let user = store::insert_user(work.db(), user).await?;
    store::record_failure(work.db(), &subject).await?;
    let session = open_session(&work, user, &device.user_agent).await?;
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
    check_password(&new.password, "/password", &mut faults);
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
    let user = prepare_user(new).await?;
    let work = Work::begin(app, "command-line").await?;
    let id = store::insert_user(work.db(), user).await?;
    work.commit().await?;
    Ok(id)
}

/// Twenty random letters and digits: about 119 bits.
pub fn random_password() -> String {
    let mut rng = rand::rng();
    (0..20).map(|_| char::from(rng.sample(rand::distr::Alphanumeric))).collect()
}

/// Sets and answers a new random password, and ends all sessions of the person.
pub async fn reset_password(app: &App, email: &str) -> Outcome<String> {
    let password = random_password();
    let hash = hash_password(password.clone()).await?;
    let work = Work::begin(app, "command-line").await?;
    let user = user_of(&work, email).await?;
    store::set_password(work.db(), user, &hash).await?;
    store::end_sessions(work.db(), user).await?;
    work.commit().await?;
    Ok(password)
}

async fn user_of(work: &Work, email: &str) -> Outcome<Uuid> {
    let user = store::user_by_email(work.db(), &email.trim().to_lowercase()).await?;
    Ok(user.ok_or_else(Fault::not_found)?.id)
}

/// Removes the second factor of a person and ends all their sessions.
pub async fn reset_second_factor(app: &App, email: &str) -> Outcome<()> {
    let work = Work::begin(app, "command-line").await?;
    let user = user_of(&work, email).await?;
    store::remove_totp(work.db(), user).await?;
    store::end_sessions(work.db(), user).await?;
    work.commit().await
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
    let (entity, entity_id) = match target {
        Target::Sme(id) => ("sme", id),
        Target::Agency(id) => ("agency", id),
    };
    work.audit(permit, "invite", entity, entity_id, json!({ "invitation": id, "role": role }), None).await?;
    Ok(Invited { id, token, email, expires_at })
}

/// Who accepts: a new person, or one who proves to be the person invited.
pub struct Acceptance {
    pub token: String,
    pub display_name: Option<String>,
    pub password: String,
    /// For an account with a second factor.
    pub code: Option<String>,
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
        let credentials = Credentials { email: &invitation.email, password: acceptance.password, code: acceptance.code.as_deref() };
        Person::Known(user.id, sign_in(app, credentials, device).await?)
    } else {
        let (email, display_name) = (invitation.email.clone(), acceptance.display_name.unwrap_or_default());
        let new = NewUser { email, display_name, password: acceptance.password, locale: Language::Id, is_operator: false };
        Person::New(prepare_user(new).await?)
    };
    let work = Work::begin(app, "invitation").await?;
    if !store::close_invitation(work.db(), invitation.id, true).await? {
        return Err(unknown());
    }
    let (user, session) = match person {
        Person::Known(user, session) => (user, session),
        Person::New(user) => {
            let user = store::insert_user(work.db(), user).await?;
            (user, open_session(&work, user, &device.user_agent).await?)
        }
    };
    let target = invitation.sme_id.map(Target::Sme).or(invitation.agency_id.map(Target::Agency)).ok_or_else(unknown)?;
    store::add_member(work.db(), target, user, &invitation.role).await?;
    work.commit().await?;
    Ok(session)
}
