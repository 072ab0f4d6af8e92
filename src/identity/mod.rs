//! Users, sign-in, sessions, roles, and the one place that decides who may do what.
//!
//! A session is a random token of which only the SHA-256 is stored. Roles are global definitions; a
//! membership carries the scope (an SME or an agency). [`policy`] turns an actor and a target into a
//! permit, without which no use case can be called.

pub mod api;
pub mod attempts;
pub mod email;
pub mod invitations;
pub mod model;
pub mod passwords;
pub mod policy;
pub mod second_factor;
pub mod service;
pub mod store;

pub use model::{Actor, AgencyRole, SmeRole};
