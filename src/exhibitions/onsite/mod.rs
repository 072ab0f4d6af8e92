//! On the day: set-up documents that exhibitors acknowledge, check-in by code, daily reports.
//!
//! Everything here may be sent twice: a device at the entrance may have been offline. Without a report, nothing is
//! known of a day; a report of zero is a report.

pub mod api;
pub mod model;
pub mod service;
pub mod store;
