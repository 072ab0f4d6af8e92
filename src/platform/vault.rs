//! Secrets that the service has to read again, such as those of second factors and webhooks, are kept encrypted
//! (XChaCha20-Poly1305) with a key that is not in the database: who gets hold of the database, or of a backup, has none of them.
//!
//! The key is the setting `secret_key`, or else the file `secret.key` in the data folder; both may hold several, the one to use first
//! and then those that older secrets may still be sealed with, in the file one on each line. With SQLite that file is made at the
//! first start; with PostgreSQL, whose replicas share one key and whose data folders may not outlive them, it is never made
//! silently. The database names the key that is in use, so that a replica with another one refuses to start.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use anyhow::{Context, bail, ensure};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chacha20poly1305::{
    Key as CipherKey, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::{Hmac, Mac};
use rand::RngCore;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, DeriveValueType};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{
    database::{Connection, Database, sql},
    files::sync_folder,
};
use crate::{
    config::Config,
    fault::{Fault, Outcome},
    values::hex,
};

/// The fact of the database that names the key in use.
const IN_USE: &str = "secret_key";
/// What every sealed value begins with; no secret of ours does.
const SEALED: &str = "v1:";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// A secret as it is kept: `v1:KEY:NONCE-AND-CIPHERTEXT`, or as it is where it comes from a version that did not encrypt.
#[derive(Debug, Clone, PartialEq, Eq, DeriveValueType)]
pub struct Sealed(String);

impl Sealed {
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with(SEALED)
    }

    /// The key that it was sealed with; `None` if it is not encrypted.
    pub fn key(&self) -> Option<&str> {
        Some(self.0.strip_prefix(SEALED)?.split_once(':')?.0)
    }
}

/// Why a secret can't be read: its key is not here, or it was sealed for something else, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

#[derive(Clone)]
struct Key {
    /// Eight hexadecimal digits that say which key it is, and nothing of it.
    name: String,
    bytes: [u8; KEY_BYTES],
}

impl Key {
    fn random() -> Self {
        let mut bytes = [0; KEY_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        Self::of(bytes)
    }

    fn of(bytes: [u8; KEY_BYTES]) -> Self {
        let digest = Sha256::new().chain_update(b"etalase secret key\0").chain_update(bytes).finalize();
        Self { name: hex(&digest[..4]), bytes }
    }

    /// 64 hexadecimal digits, as `openssl rand -hex 32` writes them.
    fn parse(text: &str) -> anyhow::Result<Self> {
        let text = text.trim();
        ensure!(text.len() == 2 * KEY_BYTES && text.is_ascii(), "a secret key has {} hexadecimal digits", 2 * KEY_BYTES);
        let mut bytes = [0; KEY_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair)?, 16).context("a secret key is written in hexadecimal digits")?;
        }
        Ok(Self::of(bytes))
    }

    /// A digest by this key, which it names.
    fn fingerprint(&self, parts: &[&[u8]]) -> anyhow::Result<String> {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.bytes)?;
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Ok(format!("{}:{}", self.name, hex(&mac.finalize().into_bytes())))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(CipherKey::from_slice(&self.bytes))
    }
}

/// The keys of the setting: the one to use first, then those that older secrets may still be sealed with.
pub fn check_setting(setting: &str) -> anyhow::Result<()> {
    keys_of(setting).map(|_| ())
}

fn keys_of(setting: &str) -> anyhow::Result<Vec<Key>> {
    setting.split(',').map(Key::parse).collect()
}

/// The keys that this process has.
pub struct Vault {
    /// The one to use first; those that have left the folder since stay behind it.
    keys: Mutex<Vec<Key>>,
    /// Where keys are looked up again when one is missing; `None` where they are a setting.
    folder: Option<PathBuf>,
    /// The key that the database named when this process began, which every replica has.
    agreed: OnceLock<String>,
}

impl Vault {
    /// Reads the keys, making the first one if there is none.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        if let Some(setting) = &config.secret_key {
            return Ok(Self::with(keys_of(setting).context("secret_key")?, None));
        }
        let folder = config.data_dir.clone();
        if !key_file(&folder).exists() {
            ensure!(
                config.is_sqlite(),
                "secret_key is missing: with PostgreSQL, give every replica the same 64 hexadecimal digits (`openssl rand -hex 32`), as \
                 ETALASE_SECRET_KEY or in the file {}; keep them apart from the backups",
                key_file(&folder).display()
            );
            write_keys(&key_file(&folder), &[Key::random()])?;
        }
        Ok(Self::with(keys_in(&folder)?, Some(folder)))
    }

    fn with(keys: Vec<Key>, folder: Option<PathBuf>) -> Self {
        Self { keys: Mutex::new(keys), folder, agreed: OnceLock::new() }
    }

    /// Makes the database name a key of this vault: the first one if it names none yet. Fails if it names another.
    pub async fn agree(&self, database: &Database) -> anyhow::Result<()> {
        let first = self.first()?;
        let work = database.begin().await?;
        let insert = "insert into service_facts (name, value) values (?, ?) on conflict (name) do nothing";
        work.execute_raw(sql(&work, insert, [IN_USE.into(), first.name.clone().into()])).await?;
        let in_use = in_use(&work).await?.context("the fact has its row")?;
        work.commit().await?;
        if self.key(&in_use).is_some() {
            let _ = self.agreed.set(in_use.clone());
            return self.finish_change(&in_use);
        }
        let here = if self.folder.is_some() { "the file secret.key of the data folder" } else { "secret_key" };
        bail!(
            "{here} holds the key {}, but the secrets of this database are encrypted with the key {in_use}: give every replica the same \
             secret_key; where that key is lost, `etalase secrets forget` says what to renew and goes on with this one",
            first.name
        )
    }

    /// A process that changed the key may have died before it renamed the file.
    fn finish_change(&self, in_use: &str) -> anyhow::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        match read_keys(&next_file(folder))?.first() {
            Some(next) if next.name == in_use => Changed { folder: Some(folder.clone()) }.keep(),
            _ => Ok(()),
        }
    }

    fn all(&self) -> Vec<Key> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn first(&self) -> anyhow::Result<Key> {
        self.all().into_iter().next().context("a secret key")
    }

    fn key(&self, name: &str) -> Option<Key> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.iter().find(|key| key.name == name) {
            return Some(key.clone());
        }
        // It may have been rotated while this process runs. The one before still tells which requests were sent before.
        let here = keys_in(self.folder.as_deref()?).ok()?;
        keys.retain(|known| here.iter().all(|key| key.name != known.name));
        drop(keys.splice(0..0, here));
        keys.iter().find(|key| key.name == name).cloned()
    }

    /// Encrypts a secret of `owner`, such as `webhook endpoint 0199…`, with the key in use; it can't be read as another's.
    pub async fn seal(&self, connection: &Connection, owner: &str, secret: &str) -> Outcome<Sealed> {
        let missing = || Fault::internal(anyhow::anyhow!("the secret key in use is not here"));
        // Whoever changes the key waits for this transaction, and finds what it sealed.
        let name = in_use(connection).await.map_err(Fault::internal)?.ok_or_else(missing)?;
        seal_with(&self.key(&name).ok_or_else(missing)?, owner, secret)
    }

    /// Reads a secret of `owner`.
    pub fn open_secret(&self, owner: &str, sealed: &Sealed) -> Result<String, Unreadable> {
        if !sealed.is_encrypted() {
            return Ok(sealed.0.clone());
        }
        let name = sealed.key().ok_or(Unreadable)?;
        let key = self.key(name).ok_or(Unreadable)?;
        let text = sealed.0.rsplit_once(':').ok_or(Unreadable)?.1;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Unreadable)?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(Unreadable)?;
        let payload = Payload { msg: ciphertext, aad: owner.as_bytes() };
        let plain = key.cipher().decrypt(XNonce::from_slice(nonce), payload).map_err(|_| Unreadable)?;
        String::from_utf8(plain).map_err(|_| Unreadable)
    }

    /// A digest that tells two texts apart, and that nobody can guess at without the key: such as of a body with a password. It is
    /// by the key that every replica has, also while a setting changes from replica to replica.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> anyhow::Result<String> {
        match self.agreed.get().and_then(|name| self.key(name)) {
            Some(key) => key.fingerprint(parts),
            None => self.first()?.fingerprint(parts),
        }
    }

    /// Whether a fingerprint, by whichever key, is of these. By a key that is not here any more it is of nothing.
    pub fn is_fingerprint(&self, fingerprint: &str, parts: &[&[u8]]) -> anyhow::Result<bool> {
        let key = fingerprint.split_once(':').and_then(|(name, _)| self.key(name));
        Ok(key.map(|key| key.fingerprint(parts)).transpose()?.is_some_and(|own| own == fingerprint))
    }

    /// Writes every key that this process has seen to a file, for its owner alone, the one in use first: what was sealed since it
    /// began can be read with them, also if the key has changed meanwhile.
    pub async fn copy_keys(&self, database: &Database, to: &Path) -> anyhow::Result<()> {
        let in_use = in_use(database.reader()).await?.context("the database names no secret key")?;
        self.key(&in_use).with_context(|| format!("the secret key {in_use}, which the database names, is not here"))?;
        let mut keys = self.all();
        keys.sort_by_key(|key| key.name != in_use);
        write_keys(to, &keys)
    }

    /// Begins to use another key, within the transaction that encrypts everything again: a new one in place of the
    /// file's, or the first one of the setting. Nobody seals meanwhile.
    pub async fn change_key(&self, connection: &Connection) -> anyhow::Result<Changed> {
        let next = match &self.folder {
            // A key that is made here would be on this machine alone.
            Some(folder) if connection.get_database_backend() == DbBackend::Postgres => {
                let next = read_keys(&key_file(folder))?.into_iter().next().context("secret.key")?;
                ensure!(
                    in_use(connection).await?.as_ref() != Some(&next.name),
                    "replicas on PostgreSQL have files of their own: write the new key as the first line of every secret.key, restart the \
                     replicas one by one, and repeat"
                );
                self.use_key(connection, &next).await?;
                return Ok(Changed { folder: None });
            }
            Some(folder) => {
                // It is on the disk before anything is sealed with it, and found there if this process dies before the rename. One
                // that is there already was never used.
                write_keys(&next_file(folder), &[Key::random()])?;
                read_keys(&next_file(folder))?.into_iter().next().context("secret.key.next")?
            }
            None => self.first()?,
        };
        self.use_key(connection, &next).await?;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|key| key.name != next.name);
        keys.insert(0, next);
        Ok(Changed { folder: self.folder.clone() })
    }

    /// Goes on with the first key that is here, whatever the database's secrets are sealed with.
    pub async fn use_first(&self, connection: &Connection) -> anyhow::Result<()> {
        let first = self.first()?;
        self.use_key(connection, &first).await
    }

    async fn use_key(&self, connection: &Connection, key: &Key) -> anyhow::Result<()> {
        let text = "insert into service_facts (name, value) values (?, ?) on conflict (name) do update set value = excluded.value";
        connection.execute_raw(sql(connection, text, [IN_USE.into(), key.name.clone().into()])).await?;
        Ok(())
    }
}

/// A key that was changed in a transaction; to be kept once that has committed.
#[must_use]
pub struct Changed {
    folder: Option<PathBuf>,
}

impl Changed {
    /// Lets the file say what the database says now.
    pub fn keep(self) -> anyhow::Result<()> {
        let Some(folder) = self.folder else { return Ok(()) };
        match fs::rename(next_file(&folder), key_file(&folder)) {
            // A process that began meanwhile was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            renamed => renamed.context("secret.key")?,
        }
        Ok(sync_folder(&folder)?)
    }
}

fn seal_with(key: &Key, owner: &str, secret: &str) -> Outcome<Sealed> {
    let mut nonce = [0; NONCE_BYTES];
    rand::rng().fill_bytes(&mut nonce);
    let payload = Payload { msg: secret.as_bytes(), aad: owner.as_bytes() };
    let ciphertext = key.cipher().encrypt(XNonce::from_slice(&nonce), payload);
    let ciphertext = ciphertext.map_err(|_| Fault::internal(anyhow::anyhow!("a secret that is too long")))?;
    let kept = BASE64_URL_SAFE_NO_PAD.encode([&nonce[..], &ciphertext].concat());
    Ok(Sealed(format!("{SEALED}{}:{kept}", key.name)))
}

/// The name of the key in use; on PostgreSQL it stays in use until the transaction ends.
async fn in_use(connection: &Connection) -> anyhow::Result<Option<String>> {
    let lock = if connection.get_database_backend() == DbBackend::Postgres { " for share" } else { "" };
    let text = format!("select value from service_facts where name = ?{lock}");
    let row = connection.query_one_raw(sql(connection, &text, [IN_USE.into()])).await?;
    Ok(row.map(|row| row.try_get("", "value")).transpose()?)
}

/// Takes over the keys that were copied. Those that are here already stay instead; what that means is said.
pub fn take_keys(config: &Config, from: &Path) -> anyhow::Result<()> {
    let copied = read_keys(from)?;
    let here = match &config.secret_key {
        Some(setting) => keys_of(setting).context("secret_key")?,
        None => read_keys(&key_file(&config.data_dir))?,
    };
    if here.is_empty() && !copied.is_empty() {
        return write_keys(&key_file(&config.data_dir), &copied);
    }
    let is_here = |key: &&Key| here.iter().any(|own| own.name == key.name);
    let missing: Vec<&Key> = copied.iter().filter(|key| !is_here(key)).collect();
    if !missing.is_empty() {
        tracing::warn!(
            here = names(&here),
            of_the_snapshot = names(missing),
            "there is another secret key here than the snapshot brings along, and it stays: what it does not open has to be renewed. To open \
             that, too, put the keys of the snapshot's secret.key behind those that are here, and restore again"
        );
    }
    Ok(())
}

fn names<'a>(keys: impl IntoIterator<Item = &'a Key>) -> String {
    keys.into_iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Makes the database name no key, so that the next start agrees on the key that is there then.
pub async fn name_no_key(connection: &Connection) -> Result<(), DbErr> {
    connection.execute_raw(sql(connection, "delete from service_facts where name = ?", [IN_USE.into()])).await?;
    Ok(())
}

fn key_file(folder: &Path) -> PathBuf {
    folder.join("secret.key")
}

/// A key that is about to be used, or is in use already where the process that changed it died.
fn next_file(folder: &Path) -> PathBuf {
    folder.join("secret.key.next")
}

/// The keys of a file, one on each line; none if it is not there.
fn read_keys(file: &Path) -> anyhow::Result<Vec<Key>> {
    match fs::read_to_string(file) {
        // A file that holds nothing was cut off: it must not be taken for one that is not there.
        Ok(text) if text.trim().is_empty() => bail!("{} is empty", file.display()),
        Ok(text) => text.trim().lines().map(Key::parse).collect::<anyhow::Result<_>>().with_context(|| file.display().to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}

fn keys_in(folder: &Path) -> anyhow::Result<Vec<Key>> {
    Ok([read_keys(&key_file(folder))?, read_keys(&next_file(folder))?].concat())
}

/// Writes keys for their owner alone. What is there already stays.
fn write_keys(file: &Path, keys: &[Key]) -> anyhow::Result<()> {
    let folder = file.parent().context("a file has a folder")?;
    // Made 0600, whatever the umask.
    let mut part = NamedTempFile::new_in(folder)?;
    for key in keys {
        writeln!(part, "{}", hex(&key.bytes))?;
    }
    part.as_file().sync_all()?;
    match part.persist_noclobber(file) {
        Ok(_) => Ok(sync_folder(folder)?),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error).with_context(|| file.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(keys: &[&Key]) -> Vault {
        Vault::with(keys.iter().copied().cloned().collect(), None)
    }

    #[test]
    fn a_secret_is_read_with_its_key_for_its_owner_and_unharmed_only() {
        let (key, other) = (Key::random(), Key::random());
        let sealed = seal_with(&key, "webhook endpoint 1", "whsec_secret").expect("sealed");
        assert!(sealed.is_encrypted() && !sealed.0.contains("secret"));
        assert_eq!(vault(&[&other, &key]).open_secret("webhook endpoint 1", &sealed).as_deref(), Ok("whsec_secret"));
        assert_eq!(vault(&[&key]).open_secret("webhook endpoint 2", &sealed), Err(Unreadable), "another's");
        assert_eq!(vault(&[&other]).open_secret("webhook endpoint 1", &sealed), Err(Unreadable), "without its key");
        for (place, _) in sealed.0.char_indices().skip(SEALED.len()) {
            let mut harmed = sealed.0.clone().into_bytes();
            harmed[place] = if harmed[place] == b'A' { b'B' } else { b'A' };
            let harmed = Sealed(String::from_utf8(harmed).expect("ASCII"));
            assert_eq!(vault(&[&key]).open_secret("webhook endpoint 1", &harmed), Err(Unreadable), "{harmed:?}");
        }
    }

    #[test]
    fn the_same_secret_is_never_kept_as_the_same_text() {
        let key = Key::random();
        let sealed: std::collections::HashSet<String> = (0..100).map(|_| seal_with(&key, "x", "y").expect("sealed").0).collect();
        assert_eq!(sealed.len(), 100);
    }

    #[test]
    fn what_an_older_version_kept_in_the_clear_is_read_as_it_is() {
        let kept = Sealed("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        assert!(!kept.is_encrypted());
        assert_eq!(vault(&[&Key::random()]).open_secret("any", &kept).as_deref(), Ok(kept.0.as_str()));
    }

    #[test]
    fn a_fingerprint_is_told_by_the_key_that_it_names_and_by_no_other() {
        let (old, new) = (Key::random(), Key::random());
        let (before, after) = (vault(&[&old]), vault(&[&new, &old]));
        let parts: [&[u8]; 2] = [b"ab", b"c"];
        let others: [&[u8]; 2] = [b"a", b"bc"];
        let fingerprint = before.fingerprint(&parts).expect("a digest");
        assert!(after.is_fingerprint(&fingerprint, &parts).expect("a digest"), "after a rotation");
        assert!(!after.is_fingerprint(&fingerprint, &others).expect("a digest"));
        assert!(!vault(&[&new]).is_fingerprint(&fingerprint, &parts).expect("a digest"), "its key has gone");
        assert_ne!(after.fingerprint(&parts).expect("a digest"), fingerprint);
        after.agreed.set(old.name.clone()).expect("nothing was agreed on");
        assert_eq!(after.fingerprint(&parts).expect("a digest"), fingerprint, "by the key that every replica has");
    }

    #[test]
    fn a_file_holds_several_keys_and_one_that_is_damaged_holds_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, keys) = (key_file(folder.path()), [Key::random(), Key::random()]);
        assert!(read_keys(&file).expect("nothing").is_empty());
        write_keys(&file, &keys).expect("written");
        assert_eq!(names(&read_keys(&file).expect("keys")), names(&keys));
        for damaged in ["", "\n", &format!("{}\n\n{}", "ab".repeat(32), "cd".repeat(32)), &"ab".repeat(31)] {
            fs::write(&file, damaged).expect("written");
            assert!(read_keys(&file).is_err(), "{damaged:?}");
        }
        fs::write(&file, format!("{}\r\n {}\r\n", "ab".repeat(32), "CD".repeat(32))).expect("written");
        assert_eq!(read_keys(&file).expect("keys").len(), 2);
    }

    #[test]
    fn a_key_has_64_hexadecimal_digits() {
        assert!(check_setting(&format!("{}, {}\n", "ab".repeat(32), "01".repeat(32))).is_ok());
        for wrong in ["", "ab", &"xy".repeat(32), &"é".repeat(32), &format!("{},", "ab".repeat(32))] {
            assert!(check_setting(wrong).is_err(), "{wrong}");
        }
    }
}
