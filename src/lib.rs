//! # Etalase
//!
//! The shop window of a trade office and its mentored small businesses. A map for the reader:
//!
//! - [`app`] builds the running service, [`routes`] its routes, [`config`] says what can be set.
//! - [`identity`] knows people and decides who may do what ([`identity::policy`]).
//! - [`sme`], [`catalogue`], [`media`] and [`exhibitions`] are what the office and its SMEs work on;
//!   [`storefront`] is what the public sees of it; [`mentoring`] holds programmes and groups.
//! - [`buyers`] is what buyers keep.
//! - [`clients`] are third-party programs: their keys, and what they may do; [`webhooks`] tell them what happened.
//! - [`documents`] are an SME's legal papers, which exhibitions ask for.
//! - [`backup`] carries everything to safety and back.
//! - [`quotas`] says how much one may have; [`secrets`] which secrets are kept encrypted.
//! - [`work`] is the transaction that every change is made in, with its audit rows, jobs and remembered answer.
//! - [`audit`] remembers who changed what, [`demo`] tells the story of 2017, [`reference`] holds codes.
//! - [`http`] is what all operations share, [`platform`] the outside: database, bucket, jobs, clock.
//! - [`fault`], [`values`] and [`transitions`] are the words that everything is written in.
//!
//! Every capability has the same rooms: `model` (rules), `store` (SQL), `service` (use cases), `api` (HTTP).

pub mod app;
pub mod audit;
pub mod backup;
pub mod buyers;
pub mod catalogue;
pub mod clients;
pub mod config;
pub mod demo;
pub mod documents;
pub mod exhibitions;
pub mod fault;
pub mod http;
pub mod identity;
pub mod media;
pub mod mentoring;
pub mod operations;
pub mod platform;
pub mod quotas;
pub mod reference;
pub mod routes;
pub mod secrets;
pub mod sme;
pub mod storefront;
pub mod transitions;
pub mod values;
pub mod webhooks;
pub mod work;
pub mod worker;
