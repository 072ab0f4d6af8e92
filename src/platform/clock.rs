//! The one place that asks what time it is.

use chrono::{DateTime, SubsecRound, Utc};

/// Now, in microseconds, which is what both databases keep.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
