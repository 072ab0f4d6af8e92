//! The least rate at which an upload has to come in: a sender that trickles would hold its place for as long as one that
//! sends a hundred photos.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout};

use crate::fault::{Fault, MALFORMED, say};

/// Bytes a second: half of what a phone reaches in a village with the oldest network there is.
const LEAST_RATE: usize = 8 * 1024;
/// The rate is measured over this many seconds; before that it is not judged.
const WINDOW: usize = 15;
/// How often it is judged while nothing comes in.
const TICK: Duration = Duration::from_secs(1);

/// What came in while we waited for the sender; the time that we take ourselves does not count.
#[derive(Default)]
struct Pace {
    waited: Duration,
    /// By second, the present one among them, so that there is one more than the window has.
    received: [usize; WINDOW + 1],
}

impl Pace {
    fn wait(&mut self, time: Duration) {
        let before = self.waited.as_secs();
        self.waited += time;
        for second in (before + 1..=self.waited.as_secs()).take(self.received.len()) {
            self.received[second as usize % (WINDOW + 1)] = 0;
        }
    }

    fn receive(&mut self, bytes: usize) {
        self.received[self.waited.as_secs() as usize % (WINDOW + 1)] += bytes;
    }

    fn is_too_slow(&self) -> bool {
        self.waited.as_secs() >= WINDOW as u64 && self.received.iter().sum::<usize>() < WINDOW * LEAST_RATE
    }
}

/// Whether a body was ended because it came too slowly; whoever reads it gets an error of its own kind.
#[derive(Clone, Default)]
pub struct Verdict(Arc<AtomicBool>);

impl Verdict {
    /// What a sender that was too slow is told, or else `fault`.
    pub fn or(&self, fault: Fault) -> Fault {
        if !self.0.load(Ordering::Acquire) {
            return fault;
        }
        let detail = say(
            format!(
                "Unggahan datang lebih lambat dari {} KiB per detik selama {WINDOW} detik; kirim ulang dengan sambungan yang lebih baik.",
                LEAST_RATE / 1024
            ),
            format!("The upload came slower than {} KiB a second for {WINDOW} seconds; send it again over a better connection.", LEAST_RATE / 1024),
        );
        Fault::new(&MALFORMED).with("reason", "too_slow".into()).detail(detail)
    }
}

/// The same body, which ends with an error once it comes too slowly.
pub fn paced(body: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> (Verdict, impl Stream<Item = io::Result<Bytes>> + Send + 'static) {
    let verdict = Verdict::default();
    let begin = Some((Box::pin(body), Pace::default(), verdict.clone()));
    let paced = stream::unfold(begin, |state| async move {
        let (mut body, mut pace, verdict) = state?;
        loop {
            let begun = Instant::now();
            let next = timeout(TICK, body.next()).await;
            pace.wait(begun.elapsed());
            let chunk = match next {
                Ok(None) => return None,
                Ok(Some(Err(error))) => return Some((Err(error), None)),
                Ok(Some(Ok(chunk))) => Some(chunk),
                Err(_) => None,
            };
            pace.receive(chunk.as_ref().map_or(0, Bytes::len));
            if pace.is_too_slow() {
                verdict.0.store(true, Ordering::Release);
                return Some((Err(io::Error::new(io::ErrorKind::TimedOut, "the body came too slowly")), None));
            }
            if let Some(chunk) = chunk {
                return Some((Ok(chunk), Some((body, pace, verdict))));
            }
        }
    });
    (verdict, paced)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a sender of `bytes` every `millis` is ended within five minutes, and after how many seconds.
    fn ended(bytes: usize, millis: u64) -> Option<u64> {
        let mut pace = Pace::default();
        (0..300_000 / millis).find_map(|_| {
            pace.wait(Duration::from_millis(millis));
            pace.receive(bytes);
            pace.is_too_slow().then_some(pace.waited.as_secs())
        })
    }

    #[test]
    fn a_sender_that_keeps_the_least_rate_is_never_ended() {
        for millis in [10, 250, 999, 1000, 1001, 3000, 14_000] {
            assert_eq!(ended(LEAST_RATE * (millis as usize + 1) / 1000 + 1, millis), None, "{millis}");
        }
    }

    #[test]
    fn a_sender_that_trickles_is_ended_once_the_grace_is_over() {
        for (bytes, millis) in [(1, 1000), (0, 500), (1, 10), (7 * 1024, 1100), (1400, 14_900)] {
            assert!(ended(bytes, millis).is_some_and(|after| (15..=30).contains(&after)), "{bytes} bytes every {millis} ms");
        }
    }

    #[test]
    fn a_sender_that_stops_after_a_good_begin_is_ended() {
        let mut pace = Pace::default();
        pace.receive(10 << 20);
        pace.wait(Duration::from_secs(14));
        assert!(!pace.is_too_slow());
        pace.wait(Duration::from_secs(1));
        assert!(!pace.is_too_slow(), "the first second still counts");
        pace.wait(Duration::from_secs(2));
        assert!(pace.is_too_slow());
    }
}
