//! The schema of Etalase: forward only, one file per step, both dialects side by side.
//!
//! A step is one text in which `$uuid`, `$time`, `$day`, `$json`, `$flag`, `$int` and `$binary` stand for the
//! column types that differ; triggers, which share no syntax at all, are given once per engine.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

mod m0001_platform;
mod m0002_identity;
mod m0003_sme;
mod m0004_catalogue;
mod m0005_media;
mod m0006_exhibitions;
mod m0007_storefront;
mod m0008_second_factor;
mod m0009_photo_judgement;
mod m0010_uploads;
mod m0011_documents;
mod m0012_calls;
mod m0013_booths;
mod m0014_review;
mod m0015_on_the_day;
mod m0016_graces;
mod m0017_loose_ends;
mod m0018_replicas;
mod m0019_changes;
mod m0020_clients;
mod m0021_webhooks;
mod m0022_attributes;
mod m0023_buyers;

pub use sea_orm_migration::MigratorTrait;

pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_platform::Migration),
            Box::new(m0002_identity::Migration),
            Box::new(m0003_sme::Migration),
            Box::new(m0004_catalogue::Migration),
            Box::new(m0005_media::Migration),
            Box::new(m0006_exhibitions::Migration),
            Box::new(m0007_storefront::Migration),
            Box::new(m0008_second_factor::Migration),
            Box::new(m0009_photo_judgement::Migration),
            Box::new(m0010_uploads::Migration),
            Box::new(m0011_documents::Migration),
            Box::new(m0012_calls::Migration),
            Box::new(m0013_booths::Migration),
            Box::new(m0014_review::Migration),
            Box::new(m0015_on_the_day::Migration),
            Box::new(m0016_graces::Migration),
            Box::new(m0017_loose_ends::Migration),
            Box::new(m0018_replicas::Migration),
            Box::new(m0019_changes::Migration),
            Box::new(m0020_clients::Migration),
            Box::new(m0021_webhooks::Migration),
            Box::new(m0022_attributes::Migration),
            Box::new(m0023_buyers::Migration),
        ]
    }
}

/// Runs `ddl` with the column types of the engine; SQLite tables are STRICT so that a wrong type is
/// refused there as it is in PostgreSQL.
async fn run(manager: &SchemaManager<'_>, ddl: &str) -> Result<(), DbErr> {
    let types: [(&str, &str); 8] = match manager.get_database_backend() {
        DbBackend::Sqlite => [
            ("$uuid", "blob"),
            ("$time", "text"),
            ("$day", "text"),
            ("$json", "text"),
            ("$flag", "integer"),
            ("$int", "integer"),
            ("$strict", "strict"),
            ("$binary", ""),
        ],
        _ => [
            ("$uuid", "uuid"),
            ("$time", "timestamptz"),
            ("$day", "date"),
            ("$json", "jsonb"),
            ("$flag", "boolean"),
            ("$int", "bigint"),
            ("$strict", ""),
            ("$binary", "collate \"C\""),
        ],
    };
    let sql = types.iter().fold(ddl.to_owned(), |sql, (token, name)| sql.replace(token, name));
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}

/// Runs the text that belongs to the engine in use.
async fn run_either(manager: &SchemaManager<'_>, sqlite: &str, postgres: &str) -> Result<(), DbErr> {
    let sql = if manager.get_database_backend() == DbBackend::Sqlite { sqlite } else { postgres };
    manager.get_connection().execute_unprepared(sql).await?;
    Ok(())
}
