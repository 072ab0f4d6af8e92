//! Results of an exhibition: sums that say how much of the truth they know.
//!
//! A total is never told without its coverage: the reports that are there, of those that are due. Other exhibitions of
//! the agency are compared by what was sold per reported day, because totals of different coverage don't compare.

pub mod api;
pub mod files;
pub mod model;
pub mod store;
