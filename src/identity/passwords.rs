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

/// Hashes a password away from the request threads.
pub async fn hash_password(password: String) -> Outcome<String> {
    let place = place().await?;
    // The place is given back when the work is done, not when somebody stops waiting for it.
    let hash = move || {
        let _place = place;
        hash_now(&password)
    };
    tokio::task::spawn_blocking(hash).await.map_err(Fault::internal)?
}

/// Whether `password` has this hash. An empty hash takes as long, and is never the right one.
pub async fn verify(hash: String, password: String) -> Outcome<bool> {
    let place = place().await?;
    let check = move || {
        let _place = place;
        let hash = if hash.is_empty() { NOBODY.clone() } else { hash };
        PasswordHash::new(&hash).is_ok_and(|parsed| ARGON2.verify_password(password.as_bytes(), &parsed).is_ok())
    };
    tokio::task::spawn_blocking(check).await.map_err(Fault::internal)
}

/// Shortest password that is taken; NIST SP 800-63B asks for length, not for kinds of characters.
pub const SHORTEST: usize = 12;
/// How many guesses a password has to withstand, as a power of ten: what is common, expected or a pattern falls earlier.
const LEAST_GUESSES_LOG10: f64 = 8.0;

/// Adds a fault to a new password that is too short, so long that hashing it is an attack, or one that others try first:
/// common ones, the person's own name or address, repetitions and rows of keys (NIST SP 800-63B, 3.1.1.2).
pub fn check_password(password: &str, known: &[&str], pointer: &str, faults: &mut Vec<FieldFault>) {
    let length = password.chars().count();
    if !(SHORTEST..=crate::values::input::LONGEST_SECRET).contains(&length) {
        faults.push(field(pointer, "password_length", say("Panjang 12–200 karakter.", "12 to 200 characters.")));
        return;
    }
    // Estimating looks at the beginning alone, since it takes longer with every character.
    let beginning: String = password.chars().take(64).collect();
    if zxcvbn::zxcvbn(&beginning, known).guesses_log10() < LEAST_GUESSES_LOG10 {
        let message = say("Terlalu mudah ditebak; rangkai beberapa kata yang tak biasa.", "Too easy to guess; put a few unusual words together.");
        faults.push(field(pointer, "password_common", message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(password: &str) -> Vec<&'static str> {
        let mut faults = Vec::new();
        check_password(password, &["siti@example.org", "Siti Aminah"], "/password", &mut faults);
        faults.iter().map(|fault| fault.code).collect()
    }

    #[test]
    fn what_is_tried_first_is_refused_and_a_few_words_are_taken() {
        for password in ["123456789012", "aaaaaaaaaaaa", "            ", "passwordpassword", "qwertyuiop[]", "Siti Aminah 1", "abcabcabcabc"] {
            assert_eq!(codes(password), ["password_common"], "{password:?}");
        }
        for password in ["correct horse battery", "a-password-for-the-tour", "kopi-é-rahasia-ñ-2026", "dodol durian di teras"] {
            assert!(codes(password).is_empty(), "{password:?}");
        }
        assert_eq!(codes("pendek"), ["password_length"]);
    }
}
