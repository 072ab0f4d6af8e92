//! Compares database and bucket, both ways, and repairs.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{model::MediaStatus, store};
use crate::{
    app::App,
    fault::Outcome,
    platform::jobs::{self, JobKind},
    work::Work,
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
    // Then the jobs, and the rows last: a job that ends in between has written its rows.
    let reader = app.database.reader();
    let kinds = [JobKind::ProcessMedia, JobKind::DeleteMedia, JobKind::DiscardOriginal, JobKind::ExpireUpload];
    let changing = jobs::subjects(reader, &kinds).await?;
    let known: BTreeMap<String, Uuid> = store::known_keys(reader).await?.into_iter().collect();
    let mut report = Report::default();
    for key in &stored {
        if !known.contains_key(key) && !subject(key).is_some_and(|id| changing.contains(&id)) {
            report.orphans.push(key.clone());
        }
    }
    let mut incomplete = BTreeSet::new();
    for (key, asset) in known.iter().filter(|(key, asset)| !stored.contains(*key) && !changing.contains(asset)) {
        // It may have been stored since the bucket was read.
        if !app.bucket.exists(key).await? {
            incomplete.insert(*asset);
        }
    }
    report.incomplete = incomplete.into_iter().collect();
    if fix {
        repair(app, &report).await?;
    }
    Ok(report)
}

/// Whose object it is, by its name: `img/ID/…`, `originals/ID`, `uploads/ID`.
fn subject(key: &str) -> Option<Uuid> {
    Uuid::parse_str(key.split('/').nth(1)?).ok()
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
