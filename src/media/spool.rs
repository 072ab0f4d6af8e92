//! A body on its way in: streamed to a file of ours, counted and hashed as it arrives.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::{io::AsyncWriteExt, time::timeout};

use super::model::MOST_BYTES;
use crate::{
    app::App,
    fault::{Fault, MALFORMED, Outcome, TOO_LARGE, say},
    values::hex,
};

/// A sender that is silent for this long has gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

fn paused() -> Fault {
    Fault::new(&MALFORMED).detail(say("Unggahan terhenti; kirim ulang.", "The upload stopped; send it again."))
}

/// A received file and its digest. The file is gone when this is dropped.
pub struct Spooled {
    pub file: tempfile::NamedTempFile,
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// Writes `chunks` to disk; at no time is more than one of them in memory. `broken` says what an error means.
pub async fn receive<E>(app: &App, chunks: impl Stream<Item = Result<Bytes, E>>, broken: impl Fn(E) -> Fault) -> Outcome<Spooled> {
    let file = tempfile::NamedTempFile::new_in(app.config.data_dir.join("spool")).map_err(Fault::unavailable)?;
    let mut out = tokio::fs::File::from_std(file.reopen().map_err(Fault::unavailable)?);
    let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
    let mut chunks = std::pin::pin!(chunks);
    while let Some(chunk) = timeout(LONGEST_PAUSE, chunks.next()).await.map_err(|_| paused())? {
        let chunk = chunk.map_err(&broken)?;
        bytes += chunk.len() as u64;
        if bytes > MOST_BYTES {
            return Err(Fault::new(&TOO_LARGE).detail(say("Foto paling besar 20 MiB.", "Photos are at most 20 MiB.")));
        }
        hash.update(&chunk);
        out.write_all(&chunk).await.map_err(Fault::unavailable)?;
    }
    out.flush().await.map_err(Fault::unavailable)?;
    Ok(Spooled { file, bytes, sha256: hex(&hash.finalize()) })
}
