//! Which secrets are kept encrypted ([`crate::platform::vault`]), and what is done with all of them: encrypting what an older
//! version kept in the clear, changing the key, and naming what can't be read any more.

use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::{
    app::App,
    audit,
    fault::Outcome,
    platform::{
        database::{Connection, Database, Transaction, marks, select, sql},
        vault::{Sealed, Unreadable, Vault},
    },
    webhooks,
};

/// While an upgrade rolls on, replicas of the version before read secrets only as that version kept them.
const ROLLING_UPGRADE: std::time::Duration = std::time::Duration::from_hours(1);
/// How often secrets in the clear are looked for, which only such a replica leaves.
const EVERY: std::time::Duration = std::time::Duration::from_hours(1);

/// What a second factor's secret is bound to.
pub fn second_factor(user: Uuid) -> String {
    format!("second factor of user {user}")
}

/// What the secrets of a webhook endpoint are bound to.
pub fn webhook(endpoint: Uuid) -> String {
    format!("webhook endpoint {endpoint}")
}

/// A column that holds secrets.
struct Place {
    table: &'static str,
    id: &'static str,
    column: &'static str,
    owner: fn(Uuid) -> String,
}

const PLACES: [Place; 3] = [
    Place { table: "user_totp", id: "user_id", column: "secret", owner: second_factor },
    Place { table: "webhook_endpoints", id: "id", column: "secret", owner: webhook },
    Place { table: "webhook_endpoints", id: "id", column: "old_secret", owner: webhook },
];

#[derive(FromQueryResult)]
struct Kept {
    id: Uuid,
    secret: Sealed,
}

impl Place {
    async fn all(&self, connection: &Connection) -> Outcome<Vec<Kept>> {
        let Self { table, id, column, .. } = self;
        select(connection, &format!("select {id} as id, {column} as secret from {table} where {column} is not null order by {id}"), []).await
    }

    /// Seals a secret with the key in use, if it can be read; returns whether it could.
    async fn seal_again(&self, connection: &Connection, vault: &Vault, kept: &Kept) -> Outcome<bool> {
        let owner = (self.owner)(kept.id);
        let Ok(secret) = vault.open_secret(&owner, &kept.secret) else { return Ok(false) };
        let sealed = vault.seal(connection, &owner, &secret).await?;
        self.put(connection, kept, sealed).await?;
        Ok(true)
    }

    async fn put(&self, connection: &Connection, kept: &Kept, sealed: Sealed) -> Outcome<()> {
        let Self { table, id, column, .. } = self;
        // Whoever has replaced the secret meanwhile has sealed it, too.
        let text = format!("update {table} set {column} = ? where {id} = ? and {column} = ?");
        let values = [sealed.into(), kept.id.into(), kept.secret.clone().into()];
        connection.execute_raw(sql(connection, &text, values)).await?;
        Ok(())
    }
}

/// Encrypts what is still in the clear; returns how many secrets that was.
pub async fn encrypt_stored(database: &Database, vault: &Vault) -> Outcome<usize> {
    let mut encrypted = 0;
    for place in &PLACES {
        let in_the_clear = place.all(database.reader()).await?.into_iter().filter(|kept| !kept.secret.is_encrypted());
        for kept in in_the_clear {
            let work = database.begin().await?;
            encrypted += usize::from(place.seal_again(&work, vault, &kept).await?);
            work.commit().await?;
        }
    }
    Ok(encrypted)
}

/// Repeats [`encrypt_stored`], beginning when no replica of an older version can be running any more.
pub async fn encrypt_forever(app: App) {
    if app.database.backend() == DbBackend::Postgres {
        tokio::time::sleep(ROLLING_UPGRADE).await;
    }
    loop {
        match encrypt_stored(&app.database, &app.vault).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "secrets of an older version were encrypted"),
            Err(fault) => tracing::warn!(%fault, "encrypting secrets"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// What a change of the key did.
pub struct Rotated {
    pub encrypted: usize,
    /// What could not be read, and stays as it is.
    pub lost: Vec<String>,
}

/// Encrypts everything with another key: all of it, or nothing.
pub async fn rotate(database: &Database, vault: &Vault) -> anyhow::Result<Rotated> {
    let work = database.begin().await?;
    let changed = vault.change_key(&work).await?;
    let mut encrypted = 0;
    for place in &PLACES {
        for kept in place.all(&work).await? {
            encrypted += usize::from(place.seal_again(&work, vault, &kept).await?);
        }
    }
    note(&work, "rotate", json!({ "encrypted": encrypted })).await?;
    work.commit().await?;
    changed.keep()?;
    Ok(Rotated { encrypted, lost: lost(database.reader(), vault).await? })
}

/// Goes on without the key that is lost: says what has to be renewed, and turns off the webhooks among it, since what they
/// would send could not be signed. A person whose second factor is among it signs in with a recovery code, or has it reset.
pub async fn forget(database: &Database, vault: &Vault) -> anyhow::Result<Vec<String>> {
    let work = database.begin().await?;
    let lost = go_on(&work, vault).await?;
    note(&work, "forget", json!({ "lost": lost.len() })).await?;
    work.commit().await?;
    Ok(lost)
}

/// The same for what was just restored: that the key is another one there is nothing that somebody did.
pub async fn forget_restored(database: &Database, vault: &Vault) -> anyhow::Result<Vec<String>> {
    let work = database.begin().await?;
    let lost = go_on(&work, vault).await?;
    work.commit().await?;
    Ok(lost)
}

async fn go_on(work: &Transaction, vault: &Vault) -> anyhow::Result<Vec<String>> {
    vault.use_first(work).await?;
    for endpoint in unreadable(work, vault, "webhook_endpoints").await? {
        webhooks::service::disable_unreadable(work, endpoint).await?;
    }
    Ok(lost(work, vault).await?)
}

/// The audit row of a command about the key, which belongs to nobody.
async fn note(work: &Transaction, action: &str, change: Json) -> Outcome<()> {
    audit::record(work, audit::Entry::of_command(action, "secret_key", Uuid::nil(), change)).await
}

/// Names what can't be read with the keys that are here.
pub async fn lost(connection: &Connection, vault: &Vault) -> Outcome<Vec<String>> {
    let mut lost = Vec::new();
    let users = unreadable(connection, vault, "user_totp").await?;
    if !users.is_empty() {
        #[derive(FromQueryResult)]
        struct Person {
            email: String,
        }
        let text = format!("select email from users where id in ({}) order by email", marks(users.len()));
        let people: Vec<Person> = select(connection, &text, users.into_iter().map(Into::into)).await?;
        lost.extend(people.into_iter().map(|person| format!("the second factor of {}", person.email)));
    }
    let endpoints = unreadable(connection, vault, "webhook_endpoints").await?;
    lost.extend(endpoints.into_iter().map(|id| format!("the secret of the webhook endpoint {id}")));
    Ok(lost)
}

/// The rows of a table with a secret that can't be read.
async fn unreadable(connection: &Connection, vault: &Vault, table: &str) -> Outcome<Vec<Uuid>> {
    let mut ids = Vec::new();
    for place in PLACES.iter().filter(|place| place.table == table) {
        let kept = place.all(connection).await?.into_iter();
        ids.extend(kept.filter(|kept| vault.open_secret(&(place.owner)(kept.id), &kept.secret) == Err(Unreadable)).map(|kept| kept.id));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
