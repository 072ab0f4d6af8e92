//! Search and facets over the public catalogue.
//!
//! Every process keeps an [`Index`] of what is listed in memory and takes up changes by the log that the database keeps of
//! them (`storefront_changes`, see migration m0019), so that an answer is never older than the catalogue version it is
//! cached under. Why not the engines' own full text search: SQLite and PostgreSQL rank, fold and correct differently, neither
//! counts facets by an index, and a page under a search could not be made stable.

pub mod bits;
pub mod entry;
pub mod facets;
pub mod index;
pub mod query;
mod store;
pub mod words;

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
};

use facets::Surroundings;
use index::{Document, Index};
use moka::sync::Cache;
use uuid::Uuid;

use super::store as listing;
use crate::{app::App, fault::Outcome, values::Language};

/// Cards kept at hand: about 64 MiB.
const CARDS_BYTES: u64 = 64 * 1024 * 1024;

/// The index of this process, kept up with the database.
pub struct Catalogue {
    index: RwLock<Index>,
    /// The catalogue version that the index is not behind of; 0 before it is filled.
    version: AtomicI64,
    around: RwLock<Arc<Surroundings>>,
    /// Held by who brings the index up to date.
    writer: tokio::sync::Mutex<()>,
    /// Rendered cards. A product that changes becomes another document, so that none is ever out of date.
    cards: Cache<(Document, Language), Arc<str>>,
}

impl Default for Catalogue {
    fn default() -> Self {
        let cards = Cache::builder().weigher(|_, card: &Arc<str>| u32::try_from(card.len()).unwrap_or(u32::MAX)).max_capacity(CARDS_BYTES).build();
        Self { index: RwLock::default(), version: AtomicI64::default(), around: RwLock::default(), writer: tokio::sync::Mutex::default(), cards }
    }
}

impl Catalogue {
    /// The cards of products in their order, by one statement where not all are at hand. What has left since the index was
    /// asked is left out.
    pub async fn cards(&self, app: &App, products: &[(Document, Uuid)], language: Language) -> Outcome<Vec<(Uuid, Arc<str>)>> {
        let mut cards: Vec<Option<Arc<str>>> = products.iter().map(|(document, _)| self.cards.get(&(*document, language))).collect();
        let missing: Vec<Uuid> = products.iter().zip(&cards).filter(|(_, card)| card.is_none()).map(|((_, id), _)| *id).collect();
        let mut read: HashMap<Uuid, Arc<str>> = listing::cards(app.database.reader(), &missing, language.tag()).await?;
        for ((document, id), card) in products.iter().zip(&mut cards) {
            if card.is_none() {
                *card = read.remove(id).inspect(|card| self.cards.insert((*document, language), Arc::clone(card)));
            }
        }
        Ok(products.iter().zip(cards).filter_map(|((_, id), card)| Some((*id, card?))).collect())
    }

    /// Asks the index as of the newest catalogue version that this process knows.
    pub async fn ask<T>(&self, app: &App, question: impl FnOnce(&Index) -> T) -> Outcome<T> {
        if self.version.load(Ordering::Acquire) < app.signals.catalogue_version() {
            self.catch_up(app).await?;
        }
        Ok(question(&self.index.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Categories and line-ups as of the newest version.
    pub async fn around(&self, app: &App) -> Outcome<Arc<Surroundings>> {
        let version = app.signals.catalogue_version();
        let known = Arc::clone(&self.around.read().unwrap_or_else(PoisonError::into_inner));
        if known.version >= version {
            return Ok(known);
        }
        let fresh = Arc::new(store::surroundings(app.database.reader(), version).await?);
        *self.around.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        Ok(fresh)
    }

    /// Takes up what has changed since; builds a new index if there is none yet or too much of it is dead.
    async fn catch_up(&self, app: &App) -> Outcome<()> {
        let _writer = self.writer.lock().await;
        let version = app.signals.catalogue_version();
        let known = self.version.load(Ordering::Acquire);
        if known >= version {
            return Ok(());
        }
        let is_worn = self.index.read().unwrap_or_else(PoisonError::into_inner).is_worn();
        if known == 0 || is_worn {
            let generation = self.index.read().unwrap_or_else(PoisonError::into_inner).generation + 1;
            let mut index = Index::of_generation(generation);
            let mut after = Uuid::nil();
            loop {
                let rows = store::listed(app.database.reader(), after).await?;
                let Some(last) = rows.last() else { break };
                after = last.product_id;
                index.fill(rows);
            }
            index.put_in_order();
            tracing::info!(products = index.len(), version, "the catalogue is indexed");
            *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
        } else {
            let mut after = (known, Uuid::max());
            loop {
                let rows = store::changed(app.database.reader(), after).await?;
                let Some(last) = rows.last() else { break };
                after = (last.version, last.product_id);
                let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
                for row in rows {
                    index.apply(row);
                }
            }
        }
        self.version.store(version, Ordering::Release);
        Ok(())
    }
}
