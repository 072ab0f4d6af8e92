//! How often somebody may try: counted before the try, so that a hundred tries at once are as many as one after the other.
//!
//! An attempt is a row for each subject (an account at a network, a network, an account), committed before anything is
//! verified. Of parallel attempts each sees itself and all that were committed before it, so no more than the limit get on. What
//! succeeds takes its rows away again; what fails leaves them for [`WINDOW`].

use chrono::Duration;
use uuid::Uuid;

use super::store;
use crate::{
    app::App,
    fault::{Fault, Outcome, THROTTLED, say},
    platform::{clock::now, database::Connection},
    values::hex,
};

/// Failures within this time count.
pub const WINDOW: Duration = Duration::minutes(15);

/// One subject and how often it may fail within the window.
pub struct Limit {
    subject: String,
    most: i64,
}

impl Limit {
    /// Subjects are kept as hashes: who tried what is nobody's business afterwards.
    pub fn new(kind: &str, whose: &str, most: i64) -> Self {
        use sha2::{Digest, Sha256};
        Self { subject: hex(&Sha256::digest(format!("{kind} {whose}").as_bytes())), most }
    }
}

/// An attempt that was counted. It stays counted unless it is forgiven.
#[must_use]
pub struct Attempt {
    rows: Vec<Uuid>,
}

impl Attempt {
    /// Takes it back: it succeeded, or it was no guess.
    pub async fn forgive(&self, connection: &Connection) -> Outcome<()> {
        store::remove_attempts(connection, &self.rows).await
    }
}

/// Counts an attempt, or refuses it (429) if one of the subjects has failed as often as it may. Opens a transaction of
/// its own: call it while none is open.
pub async fn begin(app: &App, limits: &[Limit]) -> Outcome<Attempt> {
    let work = app.database.begin().await?;
    let mut rows = Vec::new();
    for limit in limits {
        rows.push(store::insert_attempt(&work, &limit.subject).await?);
    }
    work.commit().await?;
    let attempt = Attempt { rows };
    for limit in limits {
        if store::attempts_since(app.database.reader(), &limit.subject, now() - WINDOW).await? > limit.most {
            // Refused before it tried anything, so it does not count either.
            let work = app.database.begin().await?;
            attempt.forgive(&work).await?;
            work.commit().await?;
            let detail = say("Coba lagi beberapa menit lagi.", "Try again in a few minutes.");
            return Err(Fault::new(&THROTTLED).retry_after(300).detail(detail));
        }
    }
    Ok(attempt)
}
