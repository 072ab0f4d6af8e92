//! Making, checking and restoring snapshots.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use rustix::fs::{FlockOperation, flock};
use sea_orm::DbBackend;
use serde::Serialize;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::{
    model::{FORMAT, Made, Manifest, ObjectsFile, Problems, Restored, TableFile, Verified},
    store::{self, Kind, Suspended, Table},
};
use crate::{
    config::Config,
    media::{self, model::StoredObject},
    platform::{
        bucket::{Bucket, BucketError},
        clock::now,
        database::{Database, Transaction},
        files::{create_durable, persist, sync_folder},
        vault::{Vault, take_keys},
    },
    secrets,
    values::hex,
};

/// Removals are put off for this long at a time; what is left of it when a backup ends or dies runs out by itself.
const HOLD: Duration = Duration::from_mins(2);
/// Objects on their way at a time.
const AT_ONCE: usize = 8;
/// Assets whose objects are looked up at a time.
const ASSETS_A_PAGE: u64 = 1000;
/// Rows that are inserted at a time.
const ROWS_AT_ONCE: usize = 500;
const MANIFEST: &str = "manifest.json";
const OBJECTS: &str = "objects";
const KEY: &str = "secret.key";
const OBJECTS_A_PAGE: usize = 1000;
/// Objects that are still to be copied.
const LISTED: &str = "listed";
/// How often a bucket that does not answer is asked; a night's backup is not lost to one hiccup.
const TRIES: u32 = 4;
/// zstd's own default: a fifth of the size at the speed of a disk.
const COMPRESSION: i32 = 3;

/// Makes a snapshot in `folder`. Copies only objects that are not there yet. Keeps the newest `keep` snapshots, or all. What the
/// secrets are encrypted with is part of it only `with_key`.
pub async fn backup(config: &Config, folder: &Path, keep: Option<usize>, with_key: bool) -> anyhow::Result<Made> {
    create_durable(folder).with_context(|| format!("backup folder {}", folder.display()))?;
    let lock = File::create(folder.join("lock"))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("another backup to {} is under way", folder.display());
    }
    let database = Database::connect_patiently(config).await?;
    let steps = database.applied_migrations().await?;
    ensure!(database.pending_migrations().await? == 0, "the schema is older than this program: run `etalase migrate up` first");
    // Before the snapshot, so that the keys are found with which it is sealed, whatever happens to them meanwhile.
    let vault = with_key.then(|| Vault::open(config)).transpose()?;
    if let Some(vault) = &vault {
        vault.agree(&database).await?;
    }
    let (bucket, _embedded) = Bucket::open(config).await?;
    hold(&database).await?;
    let holding = tokio::spawn(keep_hold(database.clone()));
    let made = snapshot(&database, &bucket, folder, steps).await;
    holding.abort();
    let mut made = made?;
    if let Some(vault) = &vault {
        vault.copy_keys(&database, &folder.join("snapshots").join(&made.snapshot).join(KEY)).await?;
    }
    if let Some(keep) = keep {
        made.removed = prune(folder, keep.max(1))?;
    }
    database.close().await;
    Ok(made)
}

async fn hold(database: &Database) -> anyhow::Result<()> {
    let work = database.begin().await?;
    store::hold(&work, HOLD).await?;
    Ok(work.commit().await?)
}

async fn keep_hold(database: Database) {
    loop {
        tokio::time::sleep(HOLD / 4).await;
        if let Err(error) = hold(&database).await {
            tracing::warn!(%error, "removals are no longer put off");
        }
    }
}

async fn snapshot(database: &Database, bucket: &Bucket, folder: &Path, steps: Vec<String>) -> anyhow::Result<Made> {
    let made_at = now();
    let name = made_at.format("%Y%m%dT%H%M%SZ").to_string();
    let place = folder.join("snapshots").join(&name);
    ensure!(!place.exists(), "there is a snapshot {name} already");
    create_durable(&place)?;
    let work = database.snapshot().await?;
    let mut tables = Vec::new();
    for table in store::tables(&work).await? {
        let mut lines = Lines::create(&place, &table.name)?;
        table.dump(&work, |row| lines.push(row)).await.with_context(|| format!("table {}", table.name))?;
        let (rows, sha256) = lines.finish()?;
        tables.push(TableFile { columns: table.columns(), name: table.name, rows, sha256 });
    }
    let objects = list_objects(&work, &place).await?;
    // Nothing of the database is held while objects are copied, which may take hours: an upgrade goes on meanwhile.
    work.rollback().await?;
    let (objects, copied) = copy_objects(bucket, folder, &place, objects).await?;
    let engine = if database.backend() == DbBackend::Postgres { "postgresql" } else { "sqlite" };
    let program = env!("CARGO_PKG_VERSION").to_owned();
    let manifest = Manifest { format: FORMAT, made_at, program, engine: engine.into(), steps, tables, objects };
    let mut file = NamedTempFile::new_in(&place)?;
    file.write_all(&serde_json::to_vec_pretty(&manifest)?)?;
    persist(file, &place.join(MANIFEST))?;
    Ok(Made { snapshot: name, manifest, copied, removed: Vec::new() })
}

/// Writes down what the bucket has to hold.
async fn list_objects(work: &Transaction, place: &Path) -> anyhow::Result<u64> {
    let mut lines = Lines::create(place, LISTED)?;
    let mut after = Uuid::nil();
    loop {
        let assets = media::service::stored_objects(work, after, ASSETS_A_PAGE).await?;
        let Some(last) = assets.last().map(|(asset, _)| *asset) else { break };
        after = last;
        for (_, object) in &assets {
            lines.push(object)?;
        }
    }
    Ok(lines.finish()?.0)
}

/// Copies what is listed, and writes down what of it is there.
async fn copy_objects(bucket: &Bucket, folder: &Path, place: &Path, listed: u64) -> anyhow::Result<(ObjectsFile, u64)> {
    let (mut list, mut lines) = (LinesIn::open(place, LISTED)?, Lines::create(place, OBJECTS)?);
    let (mut bytes, mut copied, mut problems) = (0, 0, Vec::new());
    let progress = progress("objects copied", listed);
    loop {
        let objects: Vec<StoredObject> = list.page(OBJECTS_A_PAGE)?;
        if objects.is_empty() {
            break;
        }
        let mut copies = stream::iter(objects).map(|object| copy(bucket, folder, object)).buffered(AT_ONCE);
        while let Some((object, copy)) = copies.next().await {
            match copy {
                Ok(is_new) => {
                    copied += u64::from(is_new);
                    bytes += object.bytes;
                    lines.push(&object)?;
                }
                // A snapshot with a gap that is known is better than none.
                Err(CopyError::Problem(problem)) => problems.push(problem),
                Err(CopyError::Fatal(error)) => return Err(error),
            }
            progress.inc(1);
        }
    }
    progress.finish();
    std::fs::remove_file(lines_path(place, LISTED))?;
    let (count, sha256) = lines.finish()?;
    Ok((ObjectsFile { count, bytes, sha256, problems }, copied))
}

enum CopyError {
    /// The bucket does not have it as the database knows it.
    Problem(String),
    Fatal(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for CopyError {
    fn from(error: E) -> Self {
        Self::Fatal(error.into())
    }
}

async fn copy(bucket: &Bucket, folder: &Path, object: StoredObject) -> (StoredObject, Result<bool, CopyError>) {
    let mut copied = copy_unless_there(bucket, folder, &object).await;
    for tried in 1..TRIES {
        if !matches!(copied, Err(CopyError::Fatal(_))) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1 << tried)).await;
        copied = copy_unless_there(bucket, folder, &object).await;
    }
    (object, copied)
}

/// Copies an object from the bucket; returns false if it is in the folder already.
async fn copy_unless_there(bucket: &Bucket, folder: &Path, object: &StoredObject) -> Result<bool, CopyError> {
    let path = object_path(folder, &object.key)?;
    if std::fs::metadata(&path).is_ok_and(|there| there.len() == object.bytes) {
        return Ok(false);
    }
    let parent = path.parent().context("a key has a folder")?;
    create_durable(parent)?;
    let mut body = match bucket.get_stream(&object.key).await {
        Ok(body) => std::pin::pin!(body),
        Err(BucketError::NotFound) => return Err(CopyError::Problem(format!("object {} is missing in the bucket", object.key))),
        Err(error) => return Err(error.into()),
    };
    let file = NamedTempFile::new_in(parent)?;
    let mut out = tokio::fs::File::from_std(file.reopen()?);
    let mut hash = Sha256::new();
    while let Some(chunk) = body.try_next().await? {
        hash.update(&chunk);
        out.write_all(&chunk).await?;
    }
    out.flush().await?;
    if !hex(&hash.finalize()).starts_with(&object.digest) {
        return Err(CopyError::Problem(format!("object {} has other content in the bucket than the database says", object.key)));
    }
    tokio::task::spawn_blocking(move || persist(file, &path)).await??;
    Ok(true)
}

/// Where an object is kept in a backup folder. Keys are ours; one that would lead elsewhere is refused.
fn object_path(folder: &Path, key: &str) -> anyhow::Result<PathBuf> {
    ensure!(key.split('/').all(|part| !part.is_empty() && part != "." && part != ".."), "object key {key}");
    Ok(folder.join(OBJECTS).join(key))
}

/// The names of complete snapshots, oldest first.
fn snapshots(folder: &Path) -> anyhow::Result<Vec<String>> {
    let place = folder.join("snapshots");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&place).with_context(|| format!("backup folder {}", folder.display()))? {
        let entry = entry?;
        if entry.path().join(MANIFEST).is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes all but the newest `keep` snapshots, what broken-off ones left, and objects that none of those kept names.
fn prune(folder: &Path, keep: usize) -> anyhow::Result<Vec<String>> {
    let complete = snapshots(folder)?;
    let kept = complete[complete.len().saturating_sub(keep)..].to_vec();
    let mut named = BTreeSet::new();
    for name in &kept {
        each_line(&folder.join("snapshots").join(name), OBJECTS, |object: StoredObject| {
            named.insert(object.key);
            Ok(())
        })?;
    }
    for entry in std::fs::read_dir(folder.join("snapshots"))? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(|name| kept.iter().any(|kept| kept == name)) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    sync_folder(&folder.join("snapshots"))?;
    let root = folder.join(OBJECTS);
    let mut folders = vec![root.clone()];
    while let Some(place) = folders.pop().filter(|place| place.is_dir()) {
        for entry in std::fs::read_dir(&place)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.strip_prefix(&root).ok().and_then(Path::to_str).is_some_and(|key| named.contains(key)) {
                std::fs::remove_file(path)?;
            }
        }
    }
    Ok(complete.into_iter().filter(|name| !kept.contains(name)).collect())
}

/// The snapshot of that name, or the newest.
fn open(folder: &Path, name: Option<&str>) -> anyhow::Result<(String, PathBuf, Manifest)> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => snapshots(folder)?.pop().context("there is no complete snapshot")?,
    };
    let place = folder.join("snapshots").join(&name);
    let text = std::fs::read(place.join(MANIFEST)).with_context(|| format!("snapshot {name}"))?;
    let manifest: Manifest = serde_json::from_slice(&text).with_context(|| format!("manifest of {name}"))?;
    ensure!(manifest.format == FORMAT, "snapshot {name} was made by a newer program ({})", manifest.program);
    Ok((name, place, manifest))
}

/// Reads every row and every object of a snapshot again, as a restore into either engine would, and compares them with what was
/// written down.
pub fn verify(folder: &Path, name: Option<&str>) -> anyhow::Result<(String, Verified)> {
    let (name, place, manifest) = open(folder, name)?;
    let mut found = Verified { problems: manifest.objects.problems.clone(), ..Verified::default() };
    for table in &manifest.tables {
        let kinds = Kind::strictest(manifest.steps.len(), &table.name, &table.columns);
        let mut refused = None;
        let (rows, sha256) = each_line(&place, &table.name, |row: Vec<Json>| {
            refused = refused.take().or_else(|| check_row(table, &kinds, &row).err());
            Ok(())
        })
        .with_context(|| format!("table {}", table.name))?;
        found.problems.extend(refused.map(|error| format!("table {} can't be restored: {error:#}", table.name)));
        found.rows += rows;
        if (rows, &sha256) != (table.rows, &table.sha256) {
            found.problems.push(format!("table {} is not as it was written", table.name));
        }
    }
    let progress = progress("objects verified", manifest.objects.count);
    let (count, sha256) = each_line(&place, OBJECTS, |object: StoredObject| {
        if let Err(error) = check_object(folder, &object) {
            found.problems.push(format!("object {}: {error:#}", object.key));
        }
        found.objects += 1;
        progress.inc(1);
        Ok(())
    })?;
    progress.finish();
    if (count, &sha256) != (manifest.objects.count, &manifest.objects.sha256) {
        found.problems.push("the list of objects is not as it was written".into());
    }
    Ok((name, found))
}

fn check_row(table: &TableFile, kinds: &[Kind], row: &[Json]) -> anyhow::Result<()> {
    ensure!(row.len() == kinds.len(), "a row of {} values", row.len());
    for ((column, kind), value) in table.columns.iter().zip(kinds).zip(row) {
        kind.check(value).with_context(|| format!("column {column} of the row {}", row.first().unwrap_or(&Json::Null)))?;
    }
    Ok(())
}

fn check_object(folder: &Path, object: &StoredObject) -> anyhow::Result<()> {
    let mut file = File::open(object_path(folder, &object.key)?)?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash)?;
    ensure!(hex(&hash.finalize()).starts_with(&object.digest), "other content than was written");
    Ok(())
}

/// Fills an empty system, of either engine, with a snapshot. Objects go first, so that a restore that is cut off leaves the
/// database empty, and can be started again; the database is filled in one transaction.
pub async fn restore(config: &Config, folder: &Path, name: Option<&str>) -> anyhow::Result<Restored> {
    let (name, place, manifest) = open(folder, name)?;
    std::fs::create_dir_all(&config.data_dir).with_context(|| format!("data folder {}", config.data_dir.display()))?;
    take_keys(config, &place.join(KEY))?;
    let vault = Vault::open(config)?;
    let database = Database::connect_patiently(config).await?;
    let applied = database.applied_migrations().await?;
    if applied.is_empty() {
        database.migrate_up_to(manifest.steps.len()).await?;
    }
    let steps = database.applied_migrations().await?;
    ensure!(
        steps == manifest.steps,
        "snapshot {name} has a schema of {} steps, the database one of {}: give it an empty database, and a program at least as new as {}",
        manifest.steps.len(),
        steps.len(),
        manifest.program
    );
    ensure!(!store::is_in_use(database.reader()).await?, "the database is in use: restore fills an empty one only");
    let (bucket, _embedded) = Bucket::open(config).await?;
    bucket.ensure().await.context("bucket")?;
    let (objects, problems) = restore_objects(&bucket, folder, &place, &manifest).await?;
    let rows = restore_tables(&database, &place, &manifest).await?;
    database.migrate().await?;
    let renew = secrets::forget_restored(&database, &vault).await?;
    database.close().await;
    Ok(Restored { snapshot: name, rows, objects, problems, renew })
}

async fn restore_objects(bucket: &Bucket, folder: &Path, place: &Path, manifest: &Manifest) -> anyhow::Result<(u64, Problems)> {
    let mut there = BTreeSet::new();
    let mut token = None;
    loop {
        let (keys, next) = bucket.list("", token).await?;
        there.extend(keys);
        token = next;
        if token.is_none() {
            break;
        }
    }
    let (mut wanted, mut problems) = (Vec::new(), manifest.objects.problems.clone());
    let (count, sha256) = each_line(place, OBJECTS, |object: StoredObject| {
        if !there.contains(&object.key) {
            wanted.push(object);
        }
        Ok(())
    })?;
    ensure!((count, &sha256) == (manifest.objects.count, &manifest.objects.sha256), "the list of objects is not as it was written");
    let progress = progress("objects restored", wanted.len() as u64);
    let puts = stream::iter(&wanted).map(|object| async {
        if let Err(error) = check_object(folder, object) {
            return Ok(Some(format!("object {}: {error:#}", object.key)));
        }
        bucket.put(&object.key, &tokio::fs::read(object_path(folder, &object.key)?).await?, &object.content_type).await?;
        progress.inc(1);
        anyhow::Ok(None)
    });
    let found: Vec<Option<String>> = puts.buffer_unordered(AT_ONCE).try_collect().await?;
    progress.finish();
    let damaged: Problems = found.into_iter().flatten().collect();
    let put = wanted.len() - damaged.len();
    problems.extend(damaged);
    Ok((put as u64, problems))
}

async fn restore_tables(database: &Database, place: &Path, manifest: &Manifest) -> anyhow::Result<u64> {
    let work = database.begin().await?;
    let suspended = Suspended::take_off(&work).await?;
    // Asked again now that nobody else can write: copying objects may have taken hours.
    ensure!(!store::is_in_use(&work).await?, "the database is in use: restore fills an empty one only");
    let targets = store::tables(&work).await?;
    for target in &targets {
        target.clear(&work).await?;
    }
    let progress = progress("rows restored", manifest.tables.iter().map(|table| table.rows).sum());
    let mut total = 0;
    for table in &manifest.tables {
        let target = targets.iter().find(|target| target.name == table.name);
        let target = target.with_context(|| format!("the database has no table {}", table.name))?;
        total += restore_table(&work, target, place, table, &progress).await.with_context(|| format!("table {}", table.name))?;
    }
    progress.finish();
    store::forget_caches(&work).await?;
    suspended.put_back(&work).await?;
    work.commit().await?;
    Ok(total)
}

async fn restore_table(work: &Transaction, target: &Table, place: &Path, table: &TableFile, progress: &ProgressBar) -> anyhow::Result<u64> {
    let mut lines = LinesIn::open(place, &table.name)?;
    loop {
        let rows: Vec<Vec<Json>> = lines.page(ROWS_AT_ONCE)?;
        if rows.is_empty() {
            break;
        }
        target.load(work, &table.columns, &rows).await?;
        progress.inc(rows.len() as u64);
    }
    let (rows, sha256) = lines.finish();
    ensure!((rows, &sha256) == (table.rows, &table.sha256), "it is not as it was written");
    Ok(rows)
}

/// JSON values, one per line, compressed, on their way to a file.
struct Lines {
    out: zstd::Encoder<'static, NamedTempFile>,
    path: PathBuf,
    hash: Sha256,
    count: u64,
}

fn lines_path(place: &Path, name: &str) -> PathBuf {
    place.join(format!("{name}.ndjson.zst"))
}

impl Lines {
    fn create(place: &Path, name: &str) -> anyhow::Result<Self> {
        let out = zstd::Encoder::new(NamedTempFile::new_in(place)?, COMPRESSION)?;
        Ok(Self { out, path: lines_path(place, name), hash: Sha256::new(), count: 0 })
    }

    fn push(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.hash.update(&line);
        self.count += 1;
        Ok(self.out.write_all(&line)?)
    }

    fn finish(self) -> anyhow::Result<(u64, String)> {
        persist(self.out.finish()?, &self.path)?;
        Ok((self.count, hex(&self.hash.finalize())))
    }
}

/// The same file, being read.
struct LinesIn {
    input: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    line: Vec<u8>,
    hash: Sha256,
    count: u64,
}

impl LinesIn {
    fn open(place: &Path, name: &str) -> anyhow::Result<Self> {
        let path = lines_path(place, name);
        let file = File::open(&path).with_context(|| path.display().to_string())?;
        Ok(Self { input: BufReader::new(zstd::Decoder::new(file)?), line: Vec::new(), hash: Sha256::new(), count: 0 })
    }

    fn next<T: serde::de::DeserializeOwned>(&mut self) -> anyhow::Result<Option<T>> {
        self.line.clear();
        if self.input.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.hash.update(&self.line);
        self.count += 1;
        Ok(Some(serde_json::from_slice(&self.line)?))
    }

    /// The next `most` values; fewer at the end, and no values after it.
    fn page<T: serde::de::DeserializeOwned>(&mut self, most: usize) -> anyhow::Result<Vec<T>> {
        let mut values = Vec::new();
        while values.len() < most
            && let Some(value) = self.next()?
        {
            values.push(value);
        }
        Ok(values)
    }

    fn finish(self) -> (u64, String) {
        (self.count, hex(&self.hash.finalize()))
    }
}

/// Gives every value of a file to `each`; returns how many there were, and their digest.
fn each_line<T: serde::de::DeserializeOwned>(
    place: &Path,
    name: &str,
    mut each: impl FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<(u64, String)> {
    let mut lines = LinesIn::open(place, name)?;
    while let Some(value) = lines.next()? {
        each(value)?;
    }
    Ok(lines.finish())
}

/// A bar on a terminal, nothing elsewhere: the command says at its end what it did.
fn progress(what: &'static str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {human_pos} {wide_bar} {elapsed}");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(what)
}
