//! Builds the [`App`]: database, bucket, catalogue version and workers. Nothing else builds them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use moka::future::Cache;
use rand::RngCore;
use sea_orm::{ConnectionTrait, DbBackend};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
};

use crate::{
    config::Config,
    media::isolation::{LONGEST_JOB, Workers},
    platform::{
        bucket::{Bucket, EmbeddedServer},
        database::{Database, sql},
        jobs,
    },
    worker,
};

/// Uploads in progress at a time; each may hold a connection for minutes on a phone's network.
const UPLOADS_AT_ONCE: usize = 32;
/// Cached public answers: about 64 MiB.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// A replica that missed a change reads the version again within this time.
const VERSION_POLL: Duration = Duration::from_secs(1);

/// The running service. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

pub struct Parts {
    pub config: Config,
    pub database: Database,
    pub bucket: Bucket,
    /// Signs cursors; made at the first start and kept in the database, so replicas share it.
    pub cursor_secret: Vec<u8>,
    pub cache: Cache<String, CachedAnswer>,
    pub uploads: Semaphore,
    pub image_workers: Workers,
    /// Wakes a worker when a job was committed here.
    pub jobs_due: Notify,
    catalogue_version: AtomicI64,
    _embedded: Option<EmbeddedServer>,
}

/// A public answer, ready to send.
#[derive(Clone)]
pub struct CachedAnswer {
    pub json: Arc<str>,
    pub next: Option<Arc<str>>,
}

impl std::ops::Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Connects everything and migrates.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&config.data_dir).with_context(|| format!("data folder {}", config.data_dir.display()))?;
        std::fs::create_dir_all(config.data_dir.join("spool")).context("spool folder")?;
        let database = Database::connect(&config).await?;
        database.migrate().await?;
        let embedded = match &config.bucket_endpoint {
            None => Some(EmbeddedServer::start(&config.data_dir.join("bucket")).await.context("embedded bucket")?),
            Some(_) => None,
        };
        let bucket = Bucket::new(&config, embedded.as_ref())?;
        if let Err(error) = bucket.ensure().await {
            tracing::error!(%error, "the bucket is out of reach; browsing goes on, uploads answer 503");
        }
        let cursor_secret = cursor_secret(&database).await?;
        let version = catalogue_version(&database).await?;
        let cache = Cache::builder()
            .weigher(|key: &String, answer: &CachedAnswer| u32::try_from(key.len() + answer.json.len()).unwrap_or(u32::MAX))
            .max_capacity(CACHE_BYTES)
            .time_to_live(Duration::from_mins(5))
            .build();
        let image_workers = Workers::new(config.image_worker.clone(), LONGEST_JOB).context("image workers")?;
        let app = Self(Arc::new(Parts {
            config,
            database,
            bucket,
            cursor_secret,
            cache,
            uploads: Semaphore::new(UPLOADS_AT_ONCE),
            image_workers,
            jobs_due: Notify::new(),
            catalogue_version: AtomicI64::new(version),
            _embedded: embedded,
        }));
        Ok(app)
    }

    /// Repairs what a dead process left. Only for the process that serves: the others may run beside it.
    pub async fn recover(&self) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(self.config.data_dir.join("spool"))? {
            std::fs::remove_file(entry?.path()).context("left-over upload")?;
        }
        if self.database.backend() == DbBackend::Sqlite {
            jobs::release_leases(&self.database).await?;
        }
        Ok(())
    }

    /// Starts the image workers and the watcher of the catalogue version.
    pub fn spawn_workers(&self) -> Vec<JoinHandle<()>> {
        let mut tasks: Vec<_> = (0..self.config.image_workers).map(|_| tokio::spawn(worker::run(self.clone()))).collect();
        let app = self.clone();
        tasks.push(tokio::spawn(async move {
            loop {
                tokio::time::sleep(VERSION_POLL).await;
                app.reread_catalogue_version().await;
            }
        }));
        tasks
    }

    /// The version of everything public; part of each cache key and public ETag.
    pub fn catalogue_version(&self) -> i64 {
        self.catalogue_version.load(Ordering::Acquire)
    }

    /// Takes up the version that the database holds now.
    pub async fn reread_catalogue_version(&self) {
        match catalogue_version(&self.database).await {
            Ok(version) => {
                self.catalogue_version.fetch_max(version, Ordering::AcqRel);
            }
            Err(error) => tracing::warn!(%error, "catalogue version"),
        }
    }

    /// What `/readyz` reports: each dependency by name.
    pub async fn health(&self) -> BTreeMap<&'static str, bool> {
        let database = self.database.reader().execute_raw(sql(self.database.reader(), "select 1", [])).await.is_ok();
        BTreeMap::from([
            ("database", database),
            ("bucket", self.bucket.reachable().await.inspect_err(|error| tracing::warn!(%error, "bucket")).is_ok()),
        ])
    }
}

async fn catalogue_version(database: &Database) -> anyhow::Result<i64> {
    let reader = database.reader();
    let row = reader.query_one_raw(sql(reader, "select version from catalogue_version", [])).await?;
    Ok(row.context("catalogue_version has its row")?.try_get("", "version")?)
}

async fn cursor_secret(database: &Database) -> anyhow::Result<Vec<u8>> {
    let mut fresh = [0_u8; 32];
    rand::rng().fill_bytes(&mut fresh);
    let work = database.begin().await?;
    let insert = "insert into service_facts (name, value) values ('cursor_secret', ?) on conflict (name) do nothing";
    work.execute_raw(sql(&work, insert, [BASE64_STANDARD.encode(fresh).into()])).await?;
    let row = work.query_one_raw(sql(&work, "select value from service_facts where name = 'cursor_secret'", [])).await?;
    let value: String = row.context("cursor secret")?.try_get("", "value")?;
    work.commit().await?;
    Ok(BASE64_STANDARD.decode(value)?)
}
