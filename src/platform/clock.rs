//! The present time, in the precision that both databases keep.

use chrono::{DateTime, SubsecRound, Utc};

/// Now (UTC), in microseconds.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
