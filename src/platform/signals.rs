//! What a commit tells the rest of this process: there is work in the background, the public catalogue has changed, clients or
//! what they may do have changed.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use anyhow::Context;
use sea_orm::ConnectionTrait;
use tokio::{sync::Notify, time::timeout};

use super::{
    database::{Database, sql},
    jobs::Lane,
};

/// A database that does not answer a look at the version within this time is asked again.
const VERSION_PATIENCE: Duration = Duration::from_secs(5);

pub struct Signals {
    /// Wake a worker of each lane when a job was committed here.
    jobs_due: Notify,
    webhooks_due: Notify,
    catalogue_version: AtomicI64,
    clients: AtomicU64,
}

impl Signals {
    /// Begins with the version that the catalogue has now.
    pub async fn of(database: &Database) -> anyhow::Result<Self> {
        let catalogue_version = AtomicI64::new(catalogue_version(database).await?);
        Ok(Self { jobs_due: Notify::new(), webhooks_due: Notify::new(), catalogue_version, clients: AtomicU64::new(0) })
    }

    /// What wakes a worker of this lane.
    pub fn due(&self, lane: Lane) -> &Notify {
        match lane {
            Lane::Ours => &self.jobs_due,
            Lane::Webhooks => &self.webhooks_due,
        }
    }

    /// Has a worker of each lane look for jobs.
    pub fn wake_workers(&self) {
        self.jobs_due.notify_one();
        self.webhooks_due.notify_one();
    }

    /// The version of everything public; part of each cache key and public ETag.
    pub fn catalogue_version(&self) -> i64 {
        self.catalogue_version.load(Ordering::Acquire)
    }

    /// Takes up the version that the database holds now.
    pub async fn reread_catalogue_version(&self, database: &Database) {
        match timeout(VERSION_PATIENCE, catalogue_version(database)).await {
            Ok(Ok(version)) => {
                self.catalogue_version.fetch_max(version, Ordering::AcqRel);
            }
            Ok(Err(error)) => tracing::warn!(%error, "catalogue version"),
            Err(_) => tracing::warn!("catalogue version: the database does not answer"),
        }
    }

    /// How often clients have changed here: what was remembered of them before the last time is out of date.
    pub fn changes_of_clients(&self) -> u64 {
        self.clients.load(Ordering::Acquire)
    }

    pub fn clients_changed(&self) {
        self.clients.fetch_add(1, Ordering::AcqRel);
    }
}

async fn catalogue_version(database: &Database) -> anyhow::Result<i64> {
    let reader = database.reader();
    let row = reader.query_one_raw(sql(reader, "select version from catalogue_version", [])).await?;
    Ok(row.context("catalogue_version has its row")?.try_get("", "version")?)
}
