//! What the public sees: a read model of one row per published product, kept in the writing transaction,
//! and public pages of SMEs and exhibitions.
//!
//! A public answer is cached under the catalogue version it was made from. Every change of something public
//! moves that version with its commit, so that a cached answer is never older than the version it names.

pub mod answer;
pub mod api;
pub mod browse;
pub mod feeds;
pub mod model;
pub mod offer;
mod parts;
pub mod search;
pub mod service;
pub mod store;
pub mod syndication;
