//! Booths and who stands in them: a private draft, and the live plan that everybody sees.
//!
//! An exhibition has batches that never overlap; a booth has slots. Whoever edits works on the draft; publishing puts it in
//! place of the live plan in one transaction. Two indexes hold that no slot is given twice in a batch and nobody stands
//! twice; an application that loses its place loses its booth by a trigger.

pub mod api;
pub mod model;
pub mod picture;
pub mod service;
pub mod store;
