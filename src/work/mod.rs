//! The unit of work: one transaction that holds the change, its audit rows, its jobs, the catalogue
//! version and the record of an idempotent request. It all happens, or none of it.

pub mod replays;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use chrono::Duration;
use sea_orm::ConnectionTrait;
use serde_json::Value;
use uuid::Uuid;

use self::replays::{Remembered, Ticket};
use crate::{
    audit,
    config::Config,
    fault::Outcome,
    identity::policy::Permit,
    platform::{
        database::{Database, Transaction, sql},
        jobs::{self, JobKind},
        signals::Signals,
        vault::Vault,
    },
};

/// What all units of work of a process share. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    pub config: Arc<Config>,
    pub database: Database,
    /// Opens secrets that are kept encrypted.
    pub vault: Arc<Vault>,
    pub signals: Arc<Signals>,
}

/// A change in progress. Dropped without an end, it never happened.
pub struct Work {
    core: Core,
    transaction: Transaction,
    pub request_id: String,
    ticket: Option<Ticket>,
    touches_catalogue: AtomicBool,
    touches_clients: AtomicBool,
    has_jobs: AtomicBool,
}

impl Work {
    /// Begins; `request_id` names what asked for it in the audit trail.
    pub async fn begin(core: &Core, request_id: &str) -> Outcome<Self> {
        Ok(Self {
            core: core.clone(),
            transaction: core.database.begin().await?,
            request_id: request_id.to_owned(),
            ticket: None,
            touches_catalogue: AtomicBool::new(false),
            touches_clients: AtomicBool::new(false),
            has_jobs: AtomicBool::new(false),
        })
    }

    /// The same work, whose answer is to be remembered.
    #[must_use]
    pub fn under(self, ticket: Ticket) -> Self {
        Self { ticket: Some(ticket), ..self }
    }

    /// The transaction, for the capability's store.
    pub fn db(&self) -> &Transaction {
        &self.transaction
    }

    pub fn config(&self) -> &Config {
        &self.core.config
    }

    pub fn vault(&self) -> &Vault {
        &self.core.vault
    }

    /// Something public changes with this work.
    pub fn touch_catalogue(&self) {
        self.touches_catalogue.store(true, Ordering::Relaxed);
    }

    /// Keys or what they may do change with this work.
    pub fn touch_clients(&self) {
        self.touches_clients.store(true, Ordering::Relaxed);
    }

    /// Asks for background work once this commits.
    pub async fn enqueue(&self, kind: JobKind, subject: Uuid) -> Outcome<()> {
        self.enqueue_all(kind, &[subject]).await
    }

    /// The same on many subjects, in few statements.
    pub async fn enqueue_all(&self, kind: JobKind, subjects: &[Uuid]) -> Outcome<()> {
        if subjects.is_empty() {
            return Ok(());
        }
        self.has_jobs.store(true, Ordering::Relaxed);
        jobs::enqueue(&self.transaction, kind, subjects, Duration::zero(), &self.request_id).await
    }

    /// The same on one, due only after `wait`.
    pub async fn enqueue_later(&self, kind: JobKind, subject: Uuid, wait: Duration) -> Outcome<()> {
        jobs::enqueue(&self.transaction, kind, &[subject], wait, &self.request_id).await
    }

    /// Writes the audit row of what `permit` allowed.
    pub async fn audit<A>(&self, permit: &Permit<A>, action: &str, entity: &str, id: Uuid, change: Value, reason: Option<&str>) -> Outcome<()> {
        let entry = audit::Entry {
            // The clock is nobody.
            actor_user_id: Some(permit.by()).filter(|by| !by.is_nil()),
            on_behalf_of_sme_id: permit.on_behalf_of(),
            api_client_id: permit.by_client(),
            action,
            entity,
            entity_id: id,
            change,
            reason,
            request_id: &self.request_id,
        };
        audit::record(&self.transaction, entry).await
    }

    /// Commits, with the answer where it is to be remembered.
    pub async fn commit_remembering(self, answer: impl FnOnce() -> Remembered) -> Outcome<()> {
        if let Some(ticket) = &self.ticket {
            ticket.remember(&self.transaction, &answer()).await?;
        }
        self.commit().await
    }

    /// Commits without an answer.
    pub async fn commit(self) -> Outcome<()> {
        let Core { database, signals, .. } = &self.core;
        let touched = self.touches_catalogue.load(Ordering::Relaxed);
        if touched {
            let text = "update catalogue_version set version = version + 1";
            self.transaction.execute_raw(sql(&self.transaction, text, [])).await?;
        }
        self.transaction.commit().await?;
        if touched {
            signals.reread_catalogue_version(database).await;
        }
        if self.touches_clients.load(Ordering::Relaxed) {
            signals.clients_changed();
        }
        if self.has_jobs.load(Ordering::Relaxed) {
            signals.wake_workers();
        }
        Ok(())
    }
}
