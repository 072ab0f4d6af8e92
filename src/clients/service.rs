//! Making, rotating and recognising keys, and counting what they are used for.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration as StdDuration,
};

use chrono::{DateTime, Duration, Utc};
use governor::{Quota, RateLimiter, clock::DefaultClock, middleware::StateInformationMiddleware, state::keyed::DashMapStateStore};
use moka::future::Cache;
use serde_json::{Value, json};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};
use uuid::Uuid;

use super::{
    model::{Client, ClientKind, RateTier, check_origins, scopes_of},
    store::{self, ClientRow},
};
use crate::{
    app::App,
    fault::{Fault, FieldFault, Outcome, field, say},
    identity::{
        model::KeyScope,
        policy::{self, ManageClients, Permit},
        service::{new_token, token_hash},
        store::Target,
    },
    platform::{clock::now, signals::Signals},
    quotas,
    values::check_text,
    work::Work,
};

/// How long a key that another replica revoked may still be accepted here.
const BELIEVED: StdDuration = StdDuration::from_secs(10);
/// Keys and origins that are looked up at a time. The next wait their turn, in the order in which they came.
const LOOKUPS_AT_ONCE: usize = 16;
/// Keys that were good before are read again beside those, so that nobody who guesses keeps them waiting.
const REREADS_AT_ONCE: usize = 16;
/// How long a request waits for its turn; then it is asked to come back later.
const LOOKUP_PATIENCE: StdDuration = StdDuration::from_secs(5);
/// How long it is remembered that a key was good.
const GOOD_BEFORE: StdDuration = StdDuration::from_hours(24);
/// Keys and origins remembered; whoever guesses pushes out other guesses.
const MOST_REMEMBERED: u64 = 20_000;
/// Most clients of an owner.
const MOST_CLIENTS: usize = 50;
/// How many hours the old key works after a rotation: at most, and by default.
const LONGEST_OVERLAP: i64 = 168;
const OVERLAP: i64 = 24;
/// How often usage is written down.
const FLUSH: StdDuration = StdDuration::from_secs(10);

/// A client, and where a request of it came from if that counts.
type Counted = (Uuid, String);
type Limiter = RateLimiter<Counted, DashMapStateStore<Counted>, DefaultClock, StateInformationMiddleware>;

/// What this process knows of clients.
pub struct Clients {
    /// Clients by the hash of a key; that a key is unknown is remembered too.
    known: Cache<String, Option<Arc<Client>>>,
    origins: Cache<String, bool>,
    /// Hashes of keys that were good.
    good_before: Cache<String, ()>,
    /// Looking up keys that nobody knows must not take the connections of those who are known.
    lookups: Semaphore,
    rereads: Semaphore,
    /// Each replica counts for itself.
    limiters: HashMap<RateTier, Limiter>,
    used: Mutex<HashMap<Uuid, Used>>,
    changes_heeded: AtomicU64,
}

/// Requests not written down yet.
#[derive(Default, Clone, Copy)]
struct Used {
    requests: i64,
    refused: i64,
}

impl Default for Clients {
    fn default() -> Self {
        let limiter = |tier: RateTier| (tier, RateLimiter::dashmap(Quota::per_minute(tier.a_minute())).with_middleware());
        Self {
            known: Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(BELIEVED).build(),
            origins: Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(BELIEVED).build(),
            good_before: Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(GOOD_BEFORE).build(),
            lookups: Semaphore::new(LOOKUPS_AT_ONCE),
            rereads: Semaphore::new(REREADS_AT_ONCE),
            limiters: RateTier::ALL.into_iter().map(limiter).collect(),
            used: Mutex::default(),
            changes_heeded: AtomicU64::default(),
        }
    }
}

/// Waits for a place among the look-ups.
async fn turn(places: &Semaphore) -> Outcome<SemaphorePermit<'_>> {
    timeout(LOOKUP_PATIENCE, places.acquire()).await.map_err(Fault::unavailable)?.map_err(Fault::internal)
}

/// How a request stands to the rate of its client.
pub enum Rate {
    /// This many more requests are taken at once.
    Within(u32),
    /// Refused: come back after this many seconds.
    Exceeded(u64),
}

impl Clients {
    /// The client whose key this is.
    pub async fn recognise(&self, app: &App, key: &str) -> Outcome<Option<Arc<Client>>> {
        self.heed_changes(&app.signals);
        let hash = token_hash(key);
        let known = if let Some(known) = self.known.get(&hash).await {
            known
        } else {
            let was_good = self.good_before.get(&hash).await.is_some();
            let _turn = turn(if was_good { &self.rereads } else { &self.lookups }).await?;
            let read = read(app, &hash).await?.map(Arc::new);
            if read.is_some() {
                self.good_before.insert(hash.clone(), ()).await;
            }
            self.known.insert(hash, read.clone()).await;
            read
        };
        Ok(known.filter(|client| client.ends_at.is_none_or(|end| end > now())))
    }

    /// Whether web pages of this origin read with some key.
    pub async fn knows_origin(&self, app: &App, origin: &str) -> Outcome<bool> {
        self.heed_changes(&app.signals);
        if let Some(known) = self.origins.get(origin).await {
            return Ok(known);
        }
        let _turn = turn(&self.lookups).await?;
        let known = store::is_known_origin(app.database.reader(), origin).await?;
        self.origins.insert(origin.to_owned(), known).await;
        Ok(known)
    }

    /// Counts a request of a client. A publishable key is everybody's, so its rate is that of each visitor: nobody uses up
    /// that of the others.
    pub fn count(&self, client: &Client, address: impl FnOnce() -> String) -> Rate {
        let limiter = self.limiters.get(&client.tier);
        let counted = (client.id, if client.kind == ClientKind::Publishable { address() } else { String::new() });
        let rate = match limiter.map(|limiter| limiter.check_key(&counted)) {
            None => Rate::Within(client.tier.a_minute().get()),
            Some(Ok(state)) => Rate::Within(state.remaining_burst_capacity()),
            Some(Err(not_until)) => {
                let wait = not_until.wait_time_from(governor::clock::Clock::now(&DefaultClock::default()));
                Rate::Exceeded(wait.as_secs() + 1)
            }
        };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = used.entry(client.id).or_default();
        match rate {
            Rate::Within(_) => used.requests += 1,
            Rate::Exceeded(_) => used.refused += 1,
        }
        rate
    }

    /// Heeds a change of clients by this process at once; other replicas do within ten seconds.
    fn heed_changes(&self, signals: &Signals) {
        let changes = signals.changes_of_clients();
        if self.changes_heeded.swap(changes, Ordering::AcqRel) != changes {
            self.forget();
        }
    }

    /// Has everything read again.
    pub fn forget(&self) {
        self.known.invalidate_all();
        self.origins.invalidate_all();
    }

    /// Forgets those whose whole quota is available again.
    fn tidy(&self) {
        for limiter in self.limiters.values() {
            limiter.retain_recent();
        }
    }

    fn take_used(&self) -> HashMap<Uuid, Used> {
        std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_back(&self, taken: HashMap<Uuid, Used>) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        for (client, more) in taken {
            let used = used.entry(client).or_default();
            used.requests += more.requests;
            used.refused += more.refused;
        }
    }
}

async fn read(app: &App, hash: &str) -> Outcome<Option<Client>> {
    let reader = app.database.reader();
    let Some(holder) = store::holder(reader, hash).await? else { return Ok(None) };
    let row = store::client(reader, holder.client_id).await?;
    let origins = store::origins(reader, &[row.id]).await?.remove(&row.id).unwrap_or_default();
    let ends_at = [row.expires_at, holder.expires_at].into_iter().flatten().min();
    let scopes = scopes(&row)?;
    let owner = row.owner();
    Ok(Some(Client {
        id: row.id,
        owner,
        kind: row.kind,
        scopes,
        origins,
        tier: row.rate_tier,
        answers: holder.received_by.unwrap_or(row.created_by),
        ends_at,
    }))
}

/// The scopes that a row holds.
pub fn scopes(row: &ClientRow) -> Outcome<Vec<KeyScope>> {
    serde_json::from_value(row.scopes.clone()).map_err(Fault::internal)
}

/// Writes down what was used, every few seconds and at the end.
pub async fn keep_usage(app: App, stopping: tokio_util::sync::CancellationToken) {
    loop {
        let is_last = tokio::select! {
            () = tokio::time::sleep(FLUSH) => false,
            () = stopping.cancelled() => true,
        };
        app.clients.tidy();
        flush_usage(&app).await;
        if is_last {
            return;
        }
    }
}

/// Writes down what was used since the last time; all of it, or nothing if the database is away.
pub async fn flush_usage(app: &App) {
    let used = app.clients.take_used();
    if used.is_empty() {
        return;
    }
    let write = async {
        let work = Work::begin(app, "usage").await?;
        let mut in_order: Vec<_> = used.iter().collect();
        // Replicas that write at once lock rows in one order.
        in_order.sort_by_key(|(client, _)| **client);
        for (client, used) in in_order {
            if store::add_usage(work.db(), *client, used.requests, used.refused).await? {
                let permit = policy::system::<ManageClients>(Uuid::nil());
                work.audit(&permit, "use", "api_client", *client, json!({ "day": now().date_naive() }), None).await?;
            }
        }
        work.commit().await
    };
    if let Err(fault) = write.await {
        tracing::warn!(%fault, "usage of API clients");
        app.clients.put_back(used);
    }
}

/// What a client is made of, or is to become.
pub struct Wish {
    pub name: String,
    pub scopes: Vec<KeyScope>,
    pub origins: Vec<String>,
    pub tier: RateTier,
    pub expires_at: Option<DateTime<Utc>>,
}

/// Validates a wish; returns the origins as they are kept.
fn check(wish: &Wish, kind: ClientKind, owner: Target) -> Outcome<Vec<String>> {
    let mut faults: Vec<FieldFault> = Vec::new();
    check_text(&wish.name, "/name", 100, &mut faults);
    let origins = check_origins(&wish.origins, &mut faults);
    match kind {
        ClientKind::Publishable if wish.origins.is_empty() => {
            faults.push(field(
                "/origins",
                "required",
                say("Sebutkan asal halaman web yang memakainya.", "Name the origins of the web pages that use it."),
            ));
        }
        ClientKind::Publishable if !wish.scopes.is_empty() => {
            faults.push(field(
                "/scopes",
                "not_for_publishable",
                say("Kunci publik hanya membaca etalase.", "A publishable key reads the storefront only."),
            ));
        }
        ClientKind::Secret if wish.scopes.is_empty() => {
            faults.push(field("/scopes", "required", say("Sebutkan sedikitnya satu.", "Name at least one.")));
        }
        ClientKind::Secret if !wish.origins.is_empty() => {
            faults.push(field("/origins", "not_for_secret", say("Kunci rahasia tidak untuk halaman web.", "A secret key is not for web pages.")));
        }
        _ => {}
    }
    let allowed = scopes_of(owner);
    for (number, scope) in wish.scopes.iter().enumerate() {
        if !allowed.contains(scope) {
            faults.push(field(
                format!("/scopes/{number}"),
                "not_for_owner",
                say("Tidak tersedia untuk pemilik ini.", "Not available to this owner."),
            ));
        }
    }
    if wish.tier == RateTier::High && matches!(owner, Target::Sme(_)) {
        faults.push(field("/rate_tier", "not_for_owner", say("Diberikan oleh dinas.", "An agency gives it.")));
    }
    if wish.expires_at.is_some_and(|end| end <= now()) {
        faults.push(field("/expires_at", "in_the_past", say("Harus di masa depan.", "It has to be in the future.")));
    }
    if faults.is_empty() { Ok(origins) } else { Err(Fault::invalid(faults)) }
}

/// Makes a client with its first key, which is shown this once.
pub async fn create(work: &Work, permit: &Permit<ManageClients>, owner: Target, kind: ClientKind, wish: Wish) -> Outcome<(Uuid, String)> {
    let origins = check(&wish, kind, owner)?;
    quotas::hold(work, owner).await?;
    if store::clients(work.db(), owner).await?.len() >= MOST_CLIENTS {
        return Err(Fault::conflict("too_many_clients", say("Paling banyak 50 klien; cabut yang lama.", "At most 50 clients; revoke old ones.")));
    }
    let id = Uuid::now_v7();
    let scopes = serde_json::to_value(&wish.scopes).map_err(Fault::internal)?;
    let new =
        store::NewClient { id, owner, name: wish.name.trim(), kind, scopes, tier: wish.tier, created_by: permit.by(), expires_at: wish.expires_at };
    store::insert(work.db(), new).await?;
    store::set_origins(work.db(), id, &origins).await?;
    let key = add_key(work, id, kind, permit.by()).await?;
    work.touch_clients();
    work.audit(permit, "create", "api_client", id, json!({ "kind": kind, "scopes": wish.scopes, "origins": origins }), None).await?;
    Ok((id, key))
}

/// How much of a key is kept to tell it by.
const SHOWN: usize = 8;

async fn add_key(work: &Work, client: Uuid, kind: ClientKind, received_by: Uuid) -> Outcome<String> {
    let key = format!("{}{}", kind.prefix(), new_token().0);
    let shown = &key[..kind.prefix().len() + SHOWN];
    store::insert_key(work.db(), client, shown, &token_hash(&key), received_by).await?;
    Ok(key)
}

/// Changes a client to what is wished.
pub async fn edit(work: &Work, permit: &Permit<ManageClients>, mut row: ClientRow, wish: Wish) -> Outcome<()> {
    let origins = check(&wish, row.kind, row.owner())?;
    let change = json!({ "scopes": wish.scopes, "origins": origins, "rate_tier": wish.tier });
    row.scopes = serde_json::to_value(&wish.scopes).map_err(Fault::internal)?;
    row.name = wish.name.trim().to_owned();
    (row.rate_tier, row.expires_at) = (wish.tier, wish.expires_at);
    store::update(work.db(), &row).await?;
    store::set_origins(work.db(), row.id, &origins).await?;
    work.touch_clients();
    work.audit(permit, "edit", "api_client", row.id, change, None).await
}

/// For how many hours what is rotated still works.
pub fn overlap(hours: Option<i64>) -> Outcome<i64> {
    let hours = hours.unwrap_or(OVERLAP);
    let is_fit = (0..=LONGEST_OVERLAP).contains(&hours);
    if is_fit { Ok(hours) } else { Err(Fault::invalid_field("/overlap_hours", "out_of_range", say("Dari 0 sampai 168.", "From 0 to 168."))) }
}

/// Makes a new key; the old one works for some more hours.
pub async fn rotate(work: &Work, permit: &Permit<ManageClients>, row: &ClientRow, overlap_hours: Option<i64>) -> Outcome<String> {
    let hours = overlap(overlap_hours)?;
    store::end_keys(work.db(), row.id, now() + Duration::hours(hours)).await?;
    let key = add_key(work, row.id, row.kind, permit.by()).await?;
    work.touch_clients();
    work.audit(permit, "rotate", "api_client", row.id, json!({ "overlap_hours": hours }), None).await?;
    Ok(key)
}

/// Ends the keys that somebody received who belongs to their owner no more, and the clients that have none left.
pub async fn revoke_those_of<A>(work: &Work, permit: &Permit<A>, owner: Target, user: Uuid) -> Outcome<()> {
    end_received(work, permit, user, Some(owner), &json!({ "with_member": user })).await?;
    Ok(())
}

/// Ends every key that a person received, wherever: the secret that they signed in with is no longer theirs alone. Returns how many
/// clients ended with it.
pub async fn revoke_all_of(work: &Work, user: Uuid) -> Outcome<usize> {
    let permit = policy::system::<ManageClients>(Uuid::nil());
    end_received(work, &permit, user, None, &json!({ "with_secrets_of": user })).await
}

async fn end_received<A>(work: &Work, permit: &Permit<A>, user: Uuid, owner: Option<Target>, why: &Value) -> Outcome<usize> {
    let mut revoked = 0;
    for (client, has_key) in store::end_keys_of(work.db(), user, owner).await? {
        if !has_key {
            store::revoke(work.db(), client).await?;
            revoked += 1;
        }
        work.audit(permit, if has_key { "end_keys" } else { "revoke" }, "api_client", client, why.clone(), None).await?;
    }
    work.touch_clients();
    Ok(revoked)
}

/// Ends a client and its keys.
pub async fn revoke(work: &Work, permit: &Permit<ManageClients>, row: &ClientRow) -> Outcome<()> {
    store::revoke(work.db(), row.id).await?;
    work.touch_clients();
    work.audit(permit, "revoke", "api_client", row.id, json!({}), None).await
}
