//! Programs that use the API (row H2): publishable keys for web pages of others, secret keys for servers of others.
//!
//! A key is shown once and stored as a hash. A publishable key opens nothing that is not public; it says who reads, lets
//! the web pages read that it was made for, and is counted. A secret key acts for its SME or agency, within its scopes.

pub mod api;
pub mod gate;
pub mod model;
pub mod service;
mod store;

pub use service::Clients;
