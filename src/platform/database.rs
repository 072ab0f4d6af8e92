//! The database, in both dialects. Whatever differs between SQLite and PostgreSQL is hidden here.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use sea_orm::{
    AccessMode, ActiveModelTrait, ColumnTrait, ConnectOptions, ConnectionTrait, Database as SeaOrm, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, EntityTrait, FromQueryResult, IsolationLevel, QueryFilter, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait, Value,
    sqlx::{
        self, Connection as _, SqliteConnection,
        postgres::PgListener,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};

use uuid::Uuid;

pub use super::connection::{Connection, Transaction};
use crate::{
    config::Config,
    fault::{Fault, Outcome, STALE},
    platform::clock::now,
};

/// Any number of replicas may start at once; one migrates while the others wait on this lock.
const MIGRATION_LOCK: i64 = 0x4554_414c;

/// The lock under which the data of the first start is inserted.
const SEED_LOCK: i64 = MIGRATION_LOCK + 1;

#[derive(Clone)]
pub struct Database {
    /// For reads outside a transaction.
    pool: DatabaseConnection,
    /// The same pool, in the type that stores take.
    reader: Arc<Connection>,
    /// SQLite has one writer, so writes queue here instead of failing as busy; PostgreSQL: the pool.
    writer: DatabaseConnection,
    statements: Arc<AtomicU64>,
    url: String,
}

/// Keeps other replicas waiting for as long as it lives.
pub struct Alone(Option<(DatabaseTransaction, DatabaseConnection)>);

impl Alone {
    pub async fn end(self) {
        if let Some((lock, connection)) = self.0 {
            let _ = lock.rollback().await;
            let _ = connection.close().await;
        }
    }
}

/// What a replica tells the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The public catalogue has changed.
    Catalogue,
    /// A job is due.
    Jobs,
}

/// Notices of all replicas, this one included, as they commit (see migration m0018).
pub struct Notices(PgListener);

impl Notices {
    /// The next notice; an error means that some may have been lost.
    pub async fn next(&mut self) -> anyhow::Result<Notice> {
        loop {
            match self.0.try_recv().await?.context("the connection was lost")?.payload() {
                "catalogue" => return Ok(Notice::Catalogue),
                "jobs" => return Ok(Notice::Jobs),
                // A notice of a newer version.
                _ => {}
            }
        }
    }
}

impl Database {
    /// Connects, creating the SQLite file if there is none.
    pub async fn connect(config: &Config) -> anyhow::Result<Self> {
        let statements = Arc::new(AtomicU64::new(0));
        let url = match &config.database_url {
            Some(url) => url.clone(),
            None => format!("sqlite:{}?mode=rwc", config.data_dir.join("etalase.db").display()),
        };
        let pool = open(&url, config.database_connections, &statements).await?;
        let writer = if url.starts_with("sqlite:") { open(&url, 1, &statements).await? } else { pool.clone() };
        Ok(Self { reader: Arc::new(Connection::pool(pool.clone())), pool, writer, statements, url })
    }

    /// Connects for a command that reads or writes everything, however long its statements take.
    pub async fn connect_patiently(config: &Config) -> anyhow::Result<Self> {
        let database = Self::connect(config).await?;
        if database.backend() != DbBackend::Postgres {
            return Ok(database);
        }
        let pool = open_postgres(&database.url, 4, &database.statements, Patience::Endless).await?;
        Ok(Self { reader: Arc::new(Connection::pool(pool.clone())), writer: pool.clone(), pool, ..database })
    }

    /// A transaction that sees one moment for as long as it lasts, and changes nothing.
    pub async fn snapshot(&self) -> Result<Transaction, DbErr> {
        if self.backend() == DbBackend::Sqlite {
            let work = Transaction::new(self.pool.begin().await?);
            // SQLite takes its snapshot at the first read.
            work.query_one_raw(sql(&work, "select count(*) from sqlite_master", [])).await?;
            return Ok(work);
        }
        let work = self.pool.begin_with_config(Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly)).await?;
        Ok(Transaction::new(work))
    }

    /// Brings the schema up to this binary's, under a lock, however long that takes.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        self.migrate_up_to(usize::MAX).await
    }

    /// Applies the first `most` steps only.
    pub async fn migrate_up_to(&self, most: usize) -> anyhow::Result<()> {
        if self.backend() == DbBackend::Sqlite {
            return apply(&self.writer, most).await;
        }
        let patient = open_postgres(&self.url, 2, &self.statements, Patience::Endless).await?;
        let lock = patient.begin().await?;
        let take = Statement::from_sql_and_values(DbBackend::Postgres, "select pg_advisory_xact_lock($1)", [MIGRATION_LOCK.into()]);
        lock.execute_raw(take).await?;
        apply(&patient, most).await?;
        lock.commit().await.context("migration lock")?;
        patient.close().await.context("migration")
    }

    /// Steps of the schema that are applied, in order, also those of a newer version.
    pub async fn applied_migrations(&self) -> anyhow::Result<Vec<String>> {
        Ok(migration::applied(&self.writer).await?)
    }

    /// Steps of this version that are not applied yet.
    pub async fn pending_migrations(&self) -> anyhow::Result<usize> {
        Ok(pending(&self.applied_migrations().await?))
    }

    /// Waits until no other replica is at work that only one may do, such as putting in what the first start needs.
    pub async fn alone(&self) -> anyhow::Result<Alone> {
        if self.backend() == DbBackend::Sqlite {
            return Ok(Alone(None));
        }
        let patient = open_postgres(&self.url, 1, &self.statements, Patience::Endless).await?;
        let lock = patient.begin().await?;
        let take = Statement::from_sql_and_values(DbBackend::Postgres, "select pg_advisory_xact_lock($1)", [SEED_LOCK.into()]);
        lock.execute_raw(take).await?;
        Ok(Alone(Some((lock, patient))))
    }

    /// Begins to listen; `None` where no other process can have anything to tell.
    pub async fn notices(&self) -> anyhow::Result<Option<Notices>> {
        if self.backend() != DbBackend::Postgres {
            return Ok(None);
        }
        let mut listener = PgListener::connect(&self.url).await?;
        listener.listen("etalase").await?;
        Ok(Some(Notices(listener)))
    }

    /// Connections for reading, open and idle; on PostgreSQL all of them.
    pub fn connections(&self) -> (u32, u32) {
        let (size, idle) = if self.backend() == DbBackend::Postgres {
            let pool = self.pool.get_postgres_connection_pool();
            (pool.size(), pool.num_idle())
        } else {
            let pool = self.pool.get_sqlite_connection_pool();
            (pool.size(), pool.num_idle())
        };
        (size, u32::try_from(idle).unwrap_or(size))
    }

    /// For reads outside a transaction.
    pub fn reader(&self) -> &Connection {
        &self.reader
    }

    /// Begins a write. SQLite takes its write lock at once, so that no later statement can fail as busy.
    pub async fn begin(&self) -> Result<Transaction, DbErr> {
        let options = TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..TransactionOptions::default() };
        Ok(Transaction::new(self.writer.begin_with_options(options).await?))
    }

    pub fn backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    /// Statements sent since the start, so that a test can count those of one request.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    pub async fn close(self) {
        let _ = self.writer.close().await;
        let _ = self.pool.close().await;
    }
}

/// How many steps of this version are not among those `applied`.
fn pending(applied: &[String]) -> usize {
    migration::STEPS.iter().filter(|step| !applied.iter().any(|name| name == step.name)).count()
}

/// Applies what is pending. A schema that is ahead is left alone: while an upgrade rolls on, replicas of the version before
/// may still start, which steps allow for by only adding (see tests/suite/upgrade.rs).
async fn apply(connection: &DatabaseConnection, most: usize) -> anyhow::Result<()> {
    let applied = migration::applied(connection).await?;
    migration::apply(connection, &applied, most.saturating_sub(applied.len())).await.context("migration")
}

/// How long one statement may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// A little less than a request.
    Request,
    /// For migrations and backups.
    Endless,
}

async fn open(url: &str, connections: u32, statements: &Arc<AtomicU64>) -> anyhow::Result<DatabaseConnection> {
    if !url.starts_with("sqlite:") {
        return open_postgres(url, connections, statements, Patience::Request).await;
    }
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).map_sqlx_sqlite_opts(|sqlite| {
        sqlite.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full).foreign_keys(true).busy_timeout(Duration::from_secs(10))
    });
    options.map_sqlx_sqlite_pool_opts(|pool| pool.after_release(|connection, _| Box::pin(is_outside_transactions(connection))));
    connect(options, statements).await
}

/// Whether a connection that comes back can be used again. When the disk is full SQLite ends the transaction by itself; sqlx,
/// whose own `rollback` then fails, still believes in it, and would open savepoints that nothing ever commits.
async fn is_outside_transactions(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // The ping is answered only after a rollback that is still on its way.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

async fn open_postgres(url: &str, connections: u32, statements: &Arc<AtomicU64>, patience: Patience) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).map_sqlx_postgres_opts(move |postgres| {
        let postgres = postgres.application_name("etalase");
        if patience == Patience::Endless {
            return postgres;
        }
        postgres.options([("statement_timeout", "25s"), ("lock_timeout", "10s"), ("idle_in_transaction_session_timeout", "60s")])
    });
    connect(options, statements).await
}

async fn connect(mut options: ConnectOptions, statements: &Arc<AtomicU64>) -> anyhow::Result<DatabaseConnection> {
    options.acquire_timeout(Duration::from_secs(5)).connect_timeout(Duration::from_secs(5)).sqlx_logging(false);
    let mut connection = SeaOrm::connect(options).await.context("database")?;
    let counter = Arc::clone(statements);
    connection.set_metric_callback(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    Ok(connection)
}

/// A statement with `?` placeholders in the dialect of `connection`.
pub fn sql(connection: &Connection, text: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    let backend = connection.get_database_backend();
    Statement::from_sql_and_values(backend, placeholders(backend, text), values)
}

/// PostgreSQL numbers its placeholders.
fn placeholders(backend: DbBackend, text: &str) -> String {
    if backend != DbBackend::Postgres {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut number = 0;
    for c in text.chars() {
        if c == '?' {
            number += 1;
            out.push_str(&format!("${number}"));
        } else {
            out.push(c);
        }
    }
    out
}

/// Rows of the shape `T`.
pub async fn select<T: FromQueryResult>(connection: &Connection, text: &str, values: impl IntoIterator<Item = Value>) -> Outcome<Vec<T>> {
    let rows = connection.query_all_raw(sql(connection, text, values)).await?;
    Ok(rows.iter().map(|row| T::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// The texts of the first column.
pub async fn names(connection: &Connection, text: &str, values: impl IntoIterator<Item = Value>) -> Outcome<HashSet<String>> {
    let rows = connection.query_all_raw(sql(connection, text, values)).await?;
    Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
}

/// Placeholders of a list, at least one.
pub fn marks(count: usize) -> String {
    vec!["?"; count.max(1)].join(", ")
}

/// Both engines take more placeholders than this in one statement.
const MOST_PLACEHOLDERS: usize = 20_000;

/// Inserts rows `into` a table with its columns, such as `t (a, b)`, in as few statements as the engines take.
pub async fn insert_many(connection: &Connection, into: &str, rows: Vec<Vec<Value>>) -> Outcome<()> {
    insert_many_or(connection, into, rows, "").await
}

/// Inserts rows like [`insert_many`], with what happens `on conflict`.
pub async fn insert_many_or(connection: &Connection, into: &str, rows: Vec<Vec<Value>>, on_conflict: &str) -> Outcome<()> {
    let columns = rows.first().map_or(1, Vec::len).max(1);
    for chunk in rows.chunks(MOST_PLACEHOLDERS / columns) {
        let row = format!("({})", marks(columns));
        let text = format!("insert into {into} values {} {on_conflict}", vec![row; chunk.len()].join(", "));
        connection.execute_raw(sql(connection, &text, chunk.iter().flatten().cloned())).await?;
    }
    Ok(())
}

/// Writes `changed` to the row of `id` while it still has the version that was read; 412 otherwise.
pub async fn update_if_version<A, C>(connection: &Connection, changed: A, id: (C, Uuid), version: (C, i64)) -> Outcome<()>
where
    A: ActiveModelTrait,
    A::Entity: EntityTrait<Column = C>,
    C: ColumnTrait,
{
    let update = A::Entity::update_many().set(changed).filter(id.0.eq(id.1)).filter(version.0.eq(version.1));
    let result = update.exec(connection).await?;
    if result.rows_affected == 1 { Ok(()) } else { Err(Fault::new(&STALE)) }
}

/// The time that leases go by: the database's own where several replicas share it, since their clocks may differ.
pub async fn shared_now(connection: &Connection) -> Result<DateTime<Utc>, DbErr> {
    if connection.get_database_backend() == DbBackend::Sqlite {
        return Ok(now());
    }
    let row = connection.query_one_raw(sql(connection, "select clock_timestamp() as at", [])).await?;
    row.map_or_else(|| Ok(now()), |row| row.try_get("", "at"))
}

/// Whether this transaction is the only one of all replicas that holds this lock, until it ends. SQLite's writers queue.
pub async fn only_here(work: &Transaction, lock: i64) -> Result<bool, DbErr> {
    if work.get_database_backend() == DbBackend::Sqlite {
        return Ok(true);
    }
    let row = work.query_one_raw(sql(work, "select pg_try_advisory_xact_lock(?) as taken", [lock.into()])).await?;
    row.map_or(Ok(false), |row| row.try_get("", "taken"))
}

/// Has everybody else who holds this row wait until this transaction ends; who only refers to it goes on. SQLite's writers
/// queue anyway.
pub async fn hold_row(work: &Connection, table: &'static str, id: Uuid) -> Result<(), DbErr> {
    if work.get_database_backend() == DbBackend::Postgres {
        let text = format!("select 1 as held from {table} where id = ? for no key update");
        work.query_one_raw(sql(work, &text, [id.into()])).await?;
    }
    Ok(())
}

/// The clause that lets several workers take different rows; SQLite's single writer needs none.
pub fn skip_locked(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres { "for update skip locked" } else { "" }
}
