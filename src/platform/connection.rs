//! What statements are sent through. One type for the pool and for a transaction, in place of sea-orm's trait as a type
//! parameter: every function of every store is compiled once, not once for each.

use std::{ops::Deref, pin::Pin};

use async_trait::async_trait;
use futures_util::Stream;
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement, StreamTrait};

/// The pool, where each statement stands for itself, or a transaction.
pub struct Connection(Kind);

enum Kind {
    Pool(DatabaseConnection),
    Transaction(DatabaseTransaction),
}

impl Connection {
    pub(super) fn pool(pool: DatabaseConnection) -> Self {
        Self(Kind::Pool(pool))
    }
}

#[async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        match &self.0 {
            Kind::Pool(pool) => pool.get_database_backend(),
            Kind::Transaction(transaction) => ConnectionTrait::get_database_backend(transaction),
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Kind::Pool(pool) => pool.execute_raw(statement).await,
            Kind::Transaction(transaction) => transaction.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Kind::Pool(pool) => pool.execute_unprepared(text).await,
            Kind::Transaction(transaction) => transaction.execute_unprepared(text).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.0 {
            Kind::Pool(pool) => pool.query_one_raw(statement).await,
            Kind::Transaction(transaction) => transaction.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.0 {
            Kind::Pool(pool) => pool.query_all_raw(statement).await,
            Kind::Transaction(transaction) => transaction.query_all_raw(statement).await,
        }
    }
}

impl Connection {
    /// Rows as they come, for what is too much to hold.
    pub async fn rows(&self, statement: Statement) -> Result<Pin<Box<dyn Stream<Item = Result<QueryResult, DbErr>> + Send + '_>>, DbErr> {
        Ok(match &self.0 {
            Kind::Pool(pool) => Box::pin(pool.stream_raw(statement).await?),
            Kind::Transaction(transaction) => Box::pin(transaction.stream_raw(statement).await?),
        })
    }
}

/// A transaction. Dropped without a commit, it is rolled back.
pub struct Transaction(Connection);

impl Transaction {
    pub(super) fn new(transaction: DatabaseTransaction) -> Self {
        Self(Connection(Kind::Transaction(transaction)))
    }

    pub async fn commit(self) -> Result<(), DbErr> {
        match self.0.0 {
            Kind::Transaction(transaction) => transaction.commit().await,
            Kind::Pool(_) => Ok(()),
        }
    }

    pub async fn rollback(self) -> Result<(), DbErr> {
        match self.0.0 {
            Kind::Transaction(transaction) => transaction.rollback().await,
            Kind::Pool(_) => Ok(()),
        }
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}
