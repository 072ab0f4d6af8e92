//! On the day: set-up documents that exhibitors acknowledge, check-in by code, daily reports (rows F23, F25, F26).
//!
//! Everything here bears being sent twice: a device at the entrance may have been offline. Where there is no report, nobody
//! reported; a report of zero is a report.

pub mod api;
pub mod model;
pub mod service;
pub mod store;
