//! Fair selection: a ranking that can be repeated and explained, with places kept for those who need a turn.
//!
//! [`model::select`] is a pure function of stored inputs, parameters and a seed. A run stores all three with its result,
//! so that anybody can repeat it. A run decides nothing: applying it prepares decisions, which a coordinator may still
//! change before they are released.

pub mod api;
pub mod model;
pub mod service;
pub mod store;
