//! Compares database and bucket, both ways, and repairs.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{model::MediaStatus, store};
use crate::{
    app::App,
    fault::Outcome,
    http::work::Work,
    platform::jobs::{self, JobKind},
};

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Objects that no row knows.
    pub orphans: Vec<String>,
    /// Photos of which an object is missing.
    pub incomplete: Vec<Uuid>,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.orphans.is_empty() && self.incomplete.is_empty()
    }
}

/// Reports; with `fix`, orphans are deleted, and photos with missing renditions are made again from their
/// original. One whose original is gone becomes `failed`.
pub async fn run(app: &App, fix: bool) -> Outcome<Report> {
    // The bucket is read first: what is uploaded meanwhile is then known to the database, not an orphan.
    let mut stored = BTreeSet::new();
    for prefix in ["img/", "originals/", "uploads/"] {
        let mut token = None;
        loop {
            let (keys, next) = app.bucket.list(prefix, token).await?;
            stored.extend(keys);
            token = next;
            if token.is_none() {
                break;
            }
        }
    }
    let reader = app.database.reader();
    let known: BTreeMap<String, Uuid> = store::known_keys(reader).await?.into_iter().collect();
    let mut report = Report::default();
    for key in &stored {
        let job = [("originals/", JobKind::DeleteMedia), ("originals/", JobKind::DiscardOriginal), ("uploads/", JobKind::ExpireUpload)];
        let mut pending = false;
        for (prefix, kind) in job {
            if let Some(id) = key.strip_prefix(prefix).and_then(|id| Uuid::parse_str(id).ok()) {
                pending |= jobs::exists(reader, kind, id).await?;
            }
        }
        if !known.contains_key(key) && !pending {
            report.orphans.push(key.clone());
        }
    }
    let missing: BTreeSet<Uuid> = known.iter().filter(|(key, _)| !stored.contains(*key)).map(|(_, asset)| *asset).collect();
    report.incomplete = missing.into_iter().collect();
    if fix {
        repair(app, &report).await?;
    }
    Ok(report)
}

async fn repair(app: &App, report: &Report) -> Outcome<()> {
    for key in &report.orphans {
        app.bucket.delete(key).await?;
    }
    for id in &report.incomplete {
        let work = Work::begin(app, "fsck").await?;
        if let Some(mut asset) = store::by_id(work.db(), *id).await?
            && asset.status == MediaStatus::Ready
        {
            asset.status = MediaStatus::Processing;
            store::update(work.db(), asset).await?;
            work.enqueue(JobKind::ProcessMedia, *id).await?;
        }
        work.commit().await?;
    }
    Ok(())
}
