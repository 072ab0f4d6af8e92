//! Review of applications by a weighted rubric.
//!
//! A coordinator assigns reviewers; nobody reviews an SME that they belong to or mentor, which the database holds. One
//! phase is active at a time and says whether reviews are taken, when the scores of others are seen, and whether names
//! are hidden. A blind phase closes every other view of applications to those who only review.

pub mod api;
pub mod model;
pub mod service;
pub mod store;
