//! The call of an exhibition: when and how SMEs apply, what they are asked, which documents they need.
//!
//! Times are given and shown in the venue's zone. Rules are dated data: what the law asks from a day on is a rule from
//! that day on, and nobody has to release a new version.

pub mod api;
pub mod model;
pub mod service;
pub mod store;
