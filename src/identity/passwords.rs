//! Passwords: the rule for new ones, and hashing behind a small queue.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash::{SaltString, rand_core::OsRng},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use crate::fault::{Fault, FieldFault, Outcome, UNAVAILABLE, field, say};

/// OWASP's second recommended setting for Argon2id: 19 MiB, 2 passes, 1 lane.
static ARGON2: LazyLock<Argon2<'static>> = LazyLock::new(|| {
    let params = Params::new(19 * 1024, 2, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
});

/// Verified if the account is unknown, so that both cases take the same time.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now("nobody has this password").unwrap_or_default());

/// One for each processor: more would only take 19 MiB each and wait for each other.
static PLACES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(available_parallelism().map_or(2, Into::into)));
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// At some 30 ms each, whoever is last in a queue of this length is served within [`PATIENCE`].
const MOST_WAITING: usize = 128;
const PATIENCE: Duration = Duration::from_secs(8);

/// Counts itself out of the queue, even if the request is given up meanwhile.
struct InQueue;

impl Drop for InQueue {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place to hash at. Whoever comes when the queue is full is asked to come back later, before any work is done.
async fn place() -> Outcome<SemaphorePermit<'static>> {
    let busy = || {
        let detail = say("Banyak orang sedang masuk; coba lagi sebentar lagi.", "Many people are signing in; try again in a moment.");
        Fault::new(&UNAVAILABLE).retry_after(5).detail(detail)
    };
    let queue = InQueue;
    if WAITING.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
        return Err(busy());
    }
    let place = timeout(PATIENCE, PLACES.acquire()).await.map_err(|_| busy())?.map_err(Fault::internal)?;
    drop(queue);
    Ok(place)
}

fn hash_now(password: &str) -> Outcome<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = ARGON2.hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| Fault::internal(anyhow::anyhow!("argon2: {error}")))?.to_string())
}

/// Does what takes a processor for a while away from the request threads, when it is its turn.
async fn in_turn<T: Send + 'static>(heavy: impl FnOnce() -> T + Send + 'static) -> Outcome<T> {
    let place = place().await?;
    // The place is given back when the work is done, not when somebody stops waiting for it.
    let in_place = move || {
        let _place = place;
        heavy()
    };
    tokio::task::spawn_blocking(in_place).await.map_err(Fault::internal)
}

/// Hashes a password.
pub async fn hash_password(password: String) -> Outcome<String> {
    in_turn(move || hash_now(&password)).await?
}

/// Whether `password` has this hash. An empty hash takes as long, and is never the right one.
pub async fn verify(hash: String, password: String) -> Outcome<bool> {
    let check = move || {
        let hash = if hash.is_empty() { NOBODY.clone() } else { hash };
        PasswordHash::new(&hash).is_ok_and(|parsed| ARGON2.verify_password(password.as_bytes(), &parsed).is_ok())
    };
    in_turn(check).await
}

/// Shortest password that is taken; NIST SP 800-63B asks for length, not for kinds of characters.
pub const SHORTEST: usize = 12;
/// How many guesses a password has to withstand, as a power of ten: what is common, expected or a pattern falls earlier.
const LEAST_GUESSES_LOG10: f64 = 8.0;
/// As many characters of a password, and of what is known of its person, are looked at. Estimating takes longer with every one of
/// them, a second for 64 that are chosen for it, and what follows only adds guesses: a password whose beginning withstands
/// enough of them withstands enough as a whole.
const LOOKED_AT: usize = 32;

/// Adds a fault to a new password that is too short, so long that hashing it is an attack, or one that others try first:
/// common ones, the person's own name or address, repetitions and rows of keys (NIST SP 800-63B, 3.1.1.2). Looking takes as long as
/// hashing, so that it waits in the same queue.
pub async fn check_password(password: &str, known: &[&str], pointer: &str, faults: &mut Vec<FieldFault>) -> Outcome<()> {
    if !has_fit_length(password) {
        faults.push(field(pointer, "password_length", say("Panjang 12–200 karakter.", "12 to 200 characters.")));
        return Ok(());
    }
    let (beginning, known) = (looked_at(password), known.iter().copied().map(looked_at).collect::<Vec<_>>());
    if in_turn(move || is_easy_to_guess(&beginning, &known)).await? {
        let message = say("Terlalu mudah ditebak; rangkai beberapa kata yang tak biasa.", "Too easy to guess; put a few unusual words together.");
        faults.push(field(pointer, "password_common", message));
    }
    Ok(())
}

fn has_fit_length(password: &str) -> bool {
    (SHORTEST..=crate::values::input::LONGEST_SECRET).contains(&password.chars().count())
}

fn looked_at(text: &str) -> String {
    text.chars().take(LOOKED_AT).collect()
}

fn is_easy_to_guess(beginning: &str, known: &[String]) -> bool {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    zxcvbn::zxcvbn(beginning, &known).guesses_log10() < LEAST_GUESSES_LOG10
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    async fn codes(password: &str) -> Vec<&'static str> {
        let mut faults = Vec::new();
        check_password(password, &["siti@example.org", "Siti Aminah"], "/password", &mut faults).await.expect("a place");
        faults.iter().map(|fault| fault.code).collect()
    }

    #[tokio::test]
    async fn what_is_tried_first_is_refused_and_a_few_words_are_taken() {
        for password in ["123456789012", "aaaaaaaaaaaa", "            ", "passwordpassword", "qwertyuiop[]", "Siti Aminah 1", "abcabcabcabc"] {
            assert_eq!(codes(password).await, ["password_common"], "{password:?}");
        }
        for password in ["correct horse battery", "a-password-for-the-tour", "kopi-é-rahasia-ñ-2026", "dodol durian di teras"] {
            assert!(codes(password).await.is_empty(), "{password:?}");
        }
        assert_eq!(codes("pendek").await, ["password_length"]);
    }

    #[tokio::test]
    async fn a_password_made_to_take_long_keeps_no_request_thread_at_work() {
        let costly: String = "4@8({[<369&#!1|0$5+7%2".chars().cycle().take(64).collect();
        let mut faults = Vec::new();
        let looking = check_password(&costly, &[], "/password", &mut faults);
        assert!(looking.now_or_never().is_none(), "it waits for another thread");
        let begun = std::time::Instant::now();
        codes(&costly).await;
        assert!(begun.elapsed() < PATIENCE, "the next in the queue has its turn: {:?}", begun.elapsed());
    }
}
