//! Programs that use the API: publishable keys for third-party web pages, secret keys for third-party servers.
//!
//! A key is shown once and stored as a hash. A publishable key opens nothing that is not public; it says who reads, lets
//! the web pages read that it was made for, and is counted. A secret key acts for its SME or agency, within its scopes.

pub mod api;
pub mod gate;
pub mod model;
pub mod service;
mod store;

pub use service::Clients;
