//! Backup and restore: the whole database and every object that it names, from either engine to either engine.
//!
//! A backup folder holds any number of snapshots and each object once:
//!
//! ```text
//! snapshots/20261125T020000Z/manifest.json          written last: without it there is no snapshot
//! snapshots/20261125T020000Z/TABLE.ndjson.zst       one row per line, in the form that both engines share
//! snapshots/20261125T020000Z/objects.ndjson.zst     key, length and digest of each object
//! objects/img/…  objects/originals/…                named as in the bucket, whose objects never change
//! ```
//!
//! The database is read in one transaction. Objects that it names can't leave the bucket meanwhile: their removal is put
//! off while a backup is under way, so what is copied later still belongs to the same moment. A backup that was cut off
//! copies only what is missing when it is started again.

mod model;
mod service;
mod store;

pub use model::{Made, Manifest, Problems, Restored, Verified};
pub use service::{backup, restore, verify};
pub use store::is_under_way;
