//! What is written down about a backup.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Raised when an older program could not read what this one writes.
pub const FORMAT: u32 = 1;

/// One snapshot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// UTC; the moment that the snapshot shows is a little later.
    pub made_at: DateTime<Utc>,
    /// Version of the program.
    pub program: String,
    /// `sqlite` or `postgresql`, for people; either can be restored into either.
    pub engine: String,
    /// Steps of the schema, in order.
    pub steps: Vec<String>,
    pub tables: Vec<TableFile>,
    pub objects: ObjectsFile,
}

/// A table as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFile {
    pub name: String,
    /// In the order of the values of a row.
    pub columns: Vec<String>,
    pub rows: u64,
    /// SHA-256 of the lines, before compression.
    pub sha256: String,
}

/// The list of objects as it was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ObjectsFile {
    pub count: u64,
    pub bytes: u64,
    /// SHA-256 of the lines, before compression.
    pub sha256: String,
    /// Objects that the database names and the bucket did not have, or had with other content.
    pub problems: Vec<String>,
}

/// A backup that was made.
#[derive(Debug)]
pub struct Made {
    pub snapshot: String,
    pub manifest: Manifest,
    /// Objects that were not in the folder before.
    pub copied: u64,
    /// Snapshots that were removed as too old.
    pub removed: Vec<String>,
}

/// What a look through a snapshot found.
#[derive(Debug, Default)]
pub struct Verified {
    pub rows: u64,
    pub objects: u64,
    pub problems: Problems,
}

/// A system that was filled.
#[derive(Debug)]
pub struct Restored {
    pub snapshot: String,
    pub rows: u64,
    /// Objects that were not in the bucket before.
    pub objects: u64,
    pub problems: Problems,
    /// Secrets that can't be read with the key that is here, in plain words.
    pub renew: Vec<String>,
}

/// Problems in plain words, one per line.
pub type Problems = Vec<String>;
