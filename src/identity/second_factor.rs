//! The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for a lost phone.
//!
//! ```text
//! (none) ──begin──▶ waiting ──first code──▶ confirmed ──disable with a code──▶ (none)
//! ```

use rand::Rng;
use totp_rs::{Builder, Secret, Totp};
use uuid::Uuid;

use super::{model::Actor, service::token_hash, store};
use crate::{
    fault::{BAD_CODE, Fault, Outcome, say},
    platform::{
        clock::now,
        database::Connection,
        vault::{Unreadable, Vault},
    },
    secrets,
    work::Work,
};

/// How long a proposed secret waits for its first code.
const PROPOSED: chrono::Duration = chrono::Duration::minutes(15);
/// How many recovery codes a person gets.
const RECOVERY_CODES: usize = 10;

/// A secret to be put into an authenticator app.
pub struct Proposal {
    /// Base32.
    pub secret: String,
    /// `otpauth://…`, as in the QR code that apps scan.
    pub url: String,
}

fn totp(secret: Secret, account: &str) -> Outcome<Totp> {
    let builder = Builder::new().with_secret(secret).with_issuer(Some("Etalase")).with_account_name(account);
    builder.build().map_err(Fault::internal)
}

fn read(secret: &str) -> Outcome<Totp> {
    totp(Secret::try_from_base32(secret).map_err(Fault::internal)?, "")
}

/// Proposes a secret; it counts once a code of it is confirmed.
pub async fn begin(work: &Work, actor: &Actor) -> Outcome<Proposal> {
    let secret = Secret::generate();
    let text = secret.to_base32();
    // The label of the app's entry may not hold a colon; addresses that have one are quoted and rare.
    let url = totp(secret, &actor.email.replace(':', "_"))?.to_url().map_err(Fault::internal)?;
    let sealed = work.vault().seal(work.db(), &secrets::second_factor(actor.user_id), &text).await?;
    if !store::propose_totp(work.db(), actor.user_id, sealed).await? {
        let detail = say("Faktor kedua sudah aktif; matikan dahulu.", "A second factor is set up already; disable it first.");
        return Err(Fault::conflict("already_confirmed", detail));
    }
    Ok(Proposal { secret: text, url })
}

/// Confirms the proposed secret by its first code, and answers recovery codes, which are shown this once.
pub async fn confirm(work: &Work, actor: &Actor, code: &str) -> Outcome<Vec<String>> {
    let row = store::totp(work.db(), actor.user_id).await?.filter(|row| row.confirmed_at.is_none() && row.created_at > now() - PROPOSED);
    let row = row.ok_or_else(nothing_to_confirm)?;
    let secret = work.vault().open_secret(&secrets::second_factor(actor.user_id), &row.secret);
    // One that can't be read is proposed anew.
    let secret = secret.map_err(|Unreadable| nothing_to_confirm())?;
    if !spend(work.db(), actor.user_id, &secret, code).await? {
        return Err(Fault::invalid_field(
            "/code",
            "bad_code",
            say("Kode salah; periksa jam ponsel.", "The code is wrong; check the clock of the phone."),
        ));
    }
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
    let hashes: Vec<String> = codes.iter().map(|code| token_hash(code)).collect();
    store::confirm_totp(work.db(), actor.user_id, &hashes).await?;
    // This session has proved the factor now; others began without it, and whoever holds them may be somebody else.
    store::prove_session(work.db(), actor.session_id, true).await?;
    store::end_other_sessions(work.db(), actor.user_id, actor.session_id).await?;
    Ok(codes)
}

fn nothing_to_confirm() -> Fault {
    Fault::conflict("nothing_to_confirm", say("Mulai dengan POST /v1/me/second-factor.", "Begin with POST /v1/me/second-factor."))
}

/// Whether a person has a second factor that counts.
pub async fn is_set_up(connection: &Connection, user: Uuid) -> Outcome<bool> {
    Ok(store::totp(connection, user).await?.is_some_and(|row| row.confirmed_at.is_some()))
}

/// Whether `code`, bare as [`crate::values::input::Passcode`] leaves it, is what the second factor of `user` asks for. The outer
/// result is trouble of ours, the inner one the verdict, so that a spent code stays spent whatever comes after.
///
/// Where the key of the app's secret is lost, recovery codes still count.
pub async fn prove(vault: &Vault, connection: &Connection, user: Uuid, code: &str) -> Outcome<Outcome<()>> {
    let Some(row) = store::totp(connection, user).await?.filter(|row| row.confirmed_at.is_some()) else { return Ok(Ok(())) };
    let secret = vault.open_secret(&secrets::second_factor(user), &row.secret);
    let by_app = match &secret {
        Ok(secret) => spend(connection, user, secret, code).await?,
        Err(Unreadable) => false,
    };
    if by_app || store::spend_recovery_code(connection, user, &token_hash(&as_written(code))).await? {
        return Ok(Ok(()));
    }
    Ok(Err(match secret {
        Ok(_) => Fault::new(&BAD_CODE),
        Err(Unreadable) => Fault::new(&BAD_CODE).detail(say(
            "Kode aplikasi tidak dapat diperiksa lagi setelah pemulihan data. Pakai kode cadangan, lalu atur faktor kedua lagi; tanpa kode \
             cadangan, hubungi pengelola.",
            "Codes of the app can't be checked any more since data was restored. Use a recovery code, then set the second factor up again; \
             without one, ask the operator.",
        )),
    }))
}

/// A recovery code as it was written down: two halves.
fn as_written(code: &str) -> String {
    code.split_at_checked(5).map_or_else(|| code.to_owned(), |(first, second)| format!("{first}-{second}"))
}

/// Checks a code of the app against the time step it is from, one step of clock difference allowed, and spends it.
async fn spend(connection: &Connection, user: Uuid, secret: &str, code: &str) -> Outcome<bool> {
    let time = u64::try_from(now().timestamp()).map_err(Fault::internal)?;
    match read(secret)?.check(code, time) {
        Some(step) => store::spend_step(connection, user, i64::try_from(step).map_err(Fault::internal)?).await,
        None => Ok(false),
    }
}

/// Ten letters and digits, about 59 bits: enough for a code that counts once and is guessed only online.
fn recovery_code() -> String {
    let mut rng = rand::rng();
    let mut half = || (0..5).map(|_| char::from(rng.sample(rand::distr::Alphanumeric)).to_ascii_lowercase()).collect::<String>();
    format!("{}-{}", half(), half())
}
