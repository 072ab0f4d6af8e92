//! Builds the [`App`]: database, bucket, catalogue version and workers. Only `restore`, which fills an empty system, wires
//! database and bucket by itself.

use std::{
    collections::BTreeMap,
    fs::Permissions,
    iter::repeat_n,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use poem::Request;
use rand::RngCore;
use rustix::fs::{FlockOperation, flock};
use sea_orm::{ConnectionTrait, DbBackend};
use tokio::{sync::Semaphore, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    clients::{self, Clients},
    config::Config,
    fault::{Fault, Outcome},
    http::answers::{Answers, answers},
    media::{
        isolation::{LONGEST_JOB, Workers},
        places::Places,
    },
    platform::{
        bucket::{Bucket, EmbeddedServer},
        database::{Database, Notice, sql},
        jobs::{self, Lane},
        signals::Signals,
        tidy,
        vault::Vault,
    },
    secrets,
    storefront::search::Catalogue,
    webhooks,
    work::Core,
    worker,
};

/// A look takes milliseconds, so that a few more workers than there are for renditions are enough.
const LOOKS_BESIDE_JOBS: usize = 2;
/// Webhooks that are being sent at a time; most wait for servers of others.
const WEBHOOKS_AT_ONCE: usize = 8;
/// A part that does not answer a probe within this time is out of reach.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);
/// How old what `/readyz` says may be, beside the time that the look itself takes.
const HEALTH_POLL: Duration = Duration::from_secs(1);
/// A replica that missed a change reads the version again within this time.
const VERSION_POLL: Duration = Duration::from_secs(1);

/// The running service. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

pub struct Parts {
    pub core: Core,
    pub bucket: Bucket,
    /// Signs cursors; made at the first start and kept in the database, so replicas share it.
    pub cursor_secret: Vec<u8>,
    /// Public answers that are kept as they were sent.
    pub answers: Answers,
    /// Programs that use the API.
    pub clients: Clients,
    /// Everything public, to be searched.
    pub catalogue: Catalogue,
    pub uploads: Places,
    pub image_workers: Workers,
    /// Photos that may be looked at at a time, before they are taken.
    pub looks: Semaphore,
    /// Sends webhooks.
    pub webhooks: reqwest::Client,
    /// How many are being sent to each endpoint.
    pub webhooks_under_way: webhooks::UnderWay,
    health: Mutex<BTreeMap<&'static str, bool>>,
    /// Held by the process that serves for as long as it lives.
    lock: tokio::sync::Mutex<Option<std::fs::File>>,
    embedded: Option<EmbeddedServer>,
}

/// Tasks beside the requests.
pub struct Background {
    stopping: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Background {
    /// Lets all finish what they are at, for so long; a job that takes longer is taken up by another replica or the next start.
    pub async fn stop(mut self, patience: Duration) {
        self.stopping.cancel();
        let all = async {
            for task in &mut self.tasks {
                let _ = task.await;
            }
        };
        if timeout(patience, all).await.is_err() {
            for task in self.tasks {
                task.abort();
            }
        }
    }
}

impl std::ops::Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::ops::Deref for Parts {
    type Target = Core;
    fn deref(&self) -> &Core {
        &self.core
    }
}

impl App {
    /// The one that answers a request.
    pub fn of(request: &Request) -> Outcome<&Self> {
        request.data::<Self>().ok_or_else(|| Fault::internal(anyhow::anyhow!("no App in request")))
    }

    /// Connects everything and migrates.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        private_folder(&config.data_dir).with_context(|| format!("data folder {}", config.data_dir.display()))?;
        std::fs::create_dir_all(config.data_dir.join("spool")).context("spool folder")?;
        let database = Database::connect(&config).await?;
        database.migrate().await?;
        let vault = Vault::open(&config)?;
        vault.agree(&database).await?;
        let (bucket, embedded) = Bucket::open(&config).await?;
        if let Err(error) = bucket.ensure().await {
            tracing::error!(%error, "the bucket is out of reach; browsing goes on, uploads answer 503");
        }
        let cursor_secret = cursor_secret(&database).await?;
        let signals = Arc::new(Signals::of(&database).await?);
        let webhooks = webhooks::target::client(config.webhooks_to_private).context("webhooks")?;
        let image_workers = Workers::new(config.image_worker.clone(), LONGEST_JOB).context("image workers")?;
        let looks = Semaphore::new(config.image_workers + LOOKS_BESIDE_JOBS);
        let core = Core { config: Arc::new(config), database, vault: Arc::new(vault), signals };
        let app = Self(Arc::new(Parts {
            core,
            bucket,
            cursor_secret,
            answers: answers(),
            clients: Clients::default(),
            catalogue: Catalogue::default(),
            uploads: Places::default(),
            image_workers,
            looks,
            webhooks,
            webhooks_under_way: webhooks::UnderWay::default(),
            health: Mutex::default(),
            lock: tokio::sync::Mutex::default(),
            embedded,
        }));
        app.look_at_health().await;
        Ok(app)
    }

    /// Makes this the one process that serves from the data folder, and repairs what a dead one left.
    pub async fn recover(&self) -> anyhow::Result<()> {
        let lock = std::fs::File::create(self.config.data_dir.join("lock")).context("data folder")?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("another process serves from {}; replicas need folders of their own, and PostgreSQL", self.config.data_dir.display());
        }
        *self.lock.lock().await = Some(lock);
        if let Some(embedded) = &self.embedded {
            embedded.clean().context("embedded bucket")?;
        }
        for entry in std::fs::read_dir(self.config.data_dir.join("spool"))? {
            std::fs::remove_file(entry?.path()).context("left-over upload")?;
        }
        if self.database.backend() == DbBackend::Sqlite {
            jobs::release_leases(&self.database).await?;
        }
        Ok(())
    }

    /// Starts the workers, and what keeps up with other replicas.
    pub fn spawn_workers(&self) -> Background {
        let stopping = CancellationToken::new();
        let lanes = repeat_n(Lane::Ours, self.config.image_workers).chain(repeat_n(Lane::Webhooks, WEBHOOKS_AT_ONCE));
        let mut tasks: Vec<_> = lanes.map(|lane| tokio::spawn(worker::run(self.clone(), lane, stopping.clone()))).collect();
        for watcher in [
            tokio::spawn(poll_version(self.clone())),
            tokio::spawn(heed_notices(self.clone())),
            tokio::spawn(webhooks::service::fan_out_forever(self.clone())),
            tokio::spawn(webhooks::service::rescue_forever(self.clone())),
            tokio::spawn(webhooks::service::tidy_forever(self.clone())),
            tokio::spawn(tidy::tidy_forever(self.database.clone())),
            tokio::spawn(watch_health(self.clone())),
            tokio::spawn(secrets::encrypt_forever(self.clone())),
        ] {
            let stopping = stopping.clone();
            let abort = watcher.abort_handle();
            tasks.push(tokio::spawn(async move {
                stopping.cancelled().await;
                abort.abort();
            }));
        }
        tasks.push(tokio::spawn(clients::service::keep_usage(self.clone(), stopping.clone())));
        Background { stopping, tasks }
    }

    /// Photos that are being received.
    pub fn uploads_in_progress(&self) -> usize {
        self.uploads.in_use()
    }

    /// What the last look at each dependency saw, by name: however many ask, they cost nothing.
    pub fn health(&self) -> BTreeMap<&'static str, bool> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at each dependency now.
    pub async fn look_at_health(&self) {
        let reader = self.database.reader();
        let database = timeout(PROBE_PATIENCE, reader.execute_raw(sql(reader, "select 1", [])));
        let bucket = timeout(PROBE_PATIENCE, self.bucket.reachable());
        let (database, bucket) = tokio::join!(database, bucket);
        let bucket = bucket.map(|answer| answer.inspect_err(|error| tracing::warn!(%error, "bucket")));
        let seen = BTreeMap::from([("database", matches!(database, Ok(Ok(_)))), ("bucket", matches!(bucket, Ok(Ok(()))))]);
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}

/// Makes the data folder, or takes it for its owner alone: it holds hashes, secrets and people's data.
fn private_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let permissions = std::fs::metadata(folder)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Looks at the dependencies every second, for those who ask whether this replica is ready.
async fn watch_health(app: App) {
    loop {
        app.look_at_health().await;
        tokio::time::sleep(HEALTH_POLL).await;
    }
}

/// Another replica's change is seen within a second even where no notice of it arrives.
async fn poll_version(app: App) {
    loop {
        tokio::time::sleep(VERSION_POLL).await;
        app.signals.reread_catalogue_version(&app.database).await;
    }
}

/// Does at once what other replicas give notice of. Connects again for as long as it takes.
async fn heed_notices(app: App) {
    loop {
        match app.database.notices().await {
            Ok(None) => return,
            Ok(Some(mut notices)) => loop {
                match notices.next().await {
                    Ok(Notice::Catalogue) => app.signals.reread_catalogue_version(&app.database).await,
                    Ok(Notice::Jobs) => app.signals.wake_workers(),
                    Err(error) => {
                        tracing::warn!(%error, "notices of other replicas");
                        break;
                    }
                }
            },
            Err(error) => tracing::warn!(%error, "notices of other replicas"),
        }
        tokio::time::sleep(VERSION_POLL).await;
    }
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
