//! The database, in both dialects. Whatever differs between SQLite and PostgreSQL is hidden here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use migration::{Migrator, MigratorTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectOptions, ConnectionTrait, Database as SeaOrm, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, FromQueryResult, QueryFilter, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};

use uuid::Uuid;

use crate::{
    config::Config,
    fault::{Fault, Outcome, STALE},
};

/// Any number of replicas may start at once; one migrates while the others wait on this lock.
const MIGRATION_LOCK: i64 = 0x4554_414c;

#[derive(Clone)]
pub struct Database {
    reader: DatabaseConnection,
    /// SQLite has one writer, so writes queue here instead of failing as busy; PostgreSQL: the reader.
    writer: DatabaseConnection,
    statements: Arc<AtomicU64>,
}

impl Database {
    /// Connects, creating the SQLite file where there is none.
    pub async fn connect(config: &Config) -> anyhow::Result<Self> {
        let statements = Arc::new(AtomicU64::new(0));
        let url = match &config.database_url {
            Some(url) => url.clone(),
            None => format!("sqlite:{}?mode=rwc", config.data_dir.join("etalase.db").display()),
        };
        let reader = open(&url, config.database_connections, &statements).await?;
        let writer = if url.starts_with("sqlite:") { open(&url, 1, &statements).await? } else { reader.clone() };
        Ok(Self { reader, writer, statements })
    }

    /// Brings the schema up to this binary's, under a lock.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        if self.backend() == DbBackend::Sqlite {
            return Migrator::up(&self.writer, None).await.context("migration");
        }
        let lock = self.writer.begin().await?;
        let take = Statement::from_sql_and_values(DbBackend::Postgres, "select pg_advisory_xact_lock($1)", [MIGRATION_LOCK.into()]);
        lock.execute_raw(take).await?;
        Migrator::up(&self.writer, None).await.context("migration")?;
        lock.commit().await.context("migration lock")
    }

    /// Steps of the schema that are not applied yet.
    pub async fn pending_migrations(&self) -> anyhow::Result<usize> {
        Ok(Migrator::get_pending_migrations(&self.writer).await?.len())
    }

    /// For reads outside a transaction.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// Begins a write. SQLite takes its write lock at once, so that no later statement can fail as busy.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..TransactionOptions::default() };
        self.writer.begin_with_options(options).await
    }

    pub fn backend(&self) -> DbBackend {
        self.reader.get_database_backend()
    }

    /// Statements sent since the start, so that a test can count those of one request.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    pub async fn close(self) {
        let _ = self.writer.close().await;
        let _ = self.reader.close().await;
    }
}

async fn open(url: &str, connections: u32, statements: &Arc<AtomicU64>) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .connect_timeout(Duration::from_secs(10))
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full).foreign_keys(true).busy_timeout(Duration::from_secs(10))
        });
    let mut connection = SeaOrm::connect(options).await.context("database")?;
    let counter = Arc::clone(statements);
    connection.set_metric_callback(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    Ok(connection)
}

/// A statement with `?` placeholders in the dialect of `connection`.
pub fn sql(connection: &impl ConnectionTrait, text: &str, values: impl IntoIterator<Item = Value>) -> Statement {
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
pub async fn select<T: FromQueryResult>(connection: &impl ConnectionTrait, text: &str, values: impl IntoIterator<Item = Value>) -> Outcome<Vec<T>> {
    let rows = connection.query_all_raw(sql(connection, text, values)).await?;
    Ok(rows.iter().map(|row| T::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// Placeholders of a list, at least one.
pub fn marks(count: usize) -> String {
    vec!["?"; count.max(1)].join(", ")
}

/// Both engines take more placeholders than this in one statement.
const MOST_PLACEHOLDERS: usize = 20_000;

/// Inserts rows `into` a table with its columns, such as `t (a, b)`, in as few statements as the engines take.
pub async fn insert_many(connection: &impl ConnectionTrait, into: &str, rows: Vec<Vec<Value>>) -> Outcome<()> {
    let columns = rows.first().map_or(1, Vec::len).max(1);
    for chunk in rows.chunks(MOST_PLACEHOLDERS / columns) {
        let row = format!("({})", marks(columns));
        let text = format!("insert into {into} values {}", vec![row; chunk.len()].join(", "));
        connection.execute_raw(sql(connection, &text, chunk.iter().flatten().cloned())).await?;
    }
    Ok(())
}

/// Writes `changed` to the row of `id` while it still has the version that was read; 412 otherwise.
pub async fn update_if_version<A, C>(connection: &impl ConnectionTrait, changed: A, id: (C, Uuid), version: (C, i64)) -> Outcome<()>
where
    A: ActiveModelTrait,
    A::Entity: EntityTrait<Column = C>,
    C: ColumnTrait,
{
    let update = A::Entity::update_many().set(changed).filter(id.0.eq(id.1)).filter(version.0.eq(version.1));
    let result = update.exec(connection).await?;
    if result.rows_affected == 1 { Ok(()) } else { Err(Fault::new(&STALE)) }
}

/// The clause that lets several workers take different rows; SQLite's single writer needs none.
pub fn skip_locked(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres { "for update skip locked" } else { "" }
}

/// The condition "row of `storefront_products` matches the search text" with one placeholder, and the
/// form in which the words are bound to it: every word must occur, the last one as a prefix.
pub fn search_condition(backend: DbBackend, words: &[String]) -> (&'static str, String) {
    let last = words.len().saturating_sub(1);
    if backend == DbBackend::Postgres {
        let query: Vec<String> = words.iter().enumerate().map(|(i, word)| if i == last { format!("{word}:*") } else { word.clone() }).collect();
        ("to_tsvector('simple', p.search_text) @@ to_tsquery('simple', ?)", query.join(" & "))
    } else {
        let query: Vec<String> =
            words.iter().enumerate().map(|(i, word)| if i == last { format!("\"{word}\"*") } else { format!("\"{word}\"") }).collect();
        ("p.rowid in (select rowid from storefront_search where storefront_search match ?)", query.join(" "))
    }
}
