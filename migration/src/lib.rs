//! The schema of Etalase: forward only, one file per step, both dialects side by side. `README.md` says how a step is written.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, TransactionTrait};

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
mod m0024_public_changes;
mod m0025_rescheduled;
mod m0026_old_handles;
mod m0027_as_read;
mod m0028_quotas;
mod m0030_sessions;
mod m0031_conflicts;
mod m0032_facts;
mod m0035_makers;

/// One step of the schema: data that the functions below apply.
pub struct Step {
    /// What the database remembers it by; never changes.
    pub name: &'static str,
    /// Tables, columns and indexes, in one text for both engines: `$uuid`, `$time`, `$day`, `$json`, `$flag`, `$int` and
    /// `$binary` stand for the column types that differ.
    pub tables: &'static str,
    /// Triggers share no syntax at all, so they are given once per engine.
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

/// All steps, in the order in which they are applied.
pub const STEPS: &[Step] = &[
    m0001_platform::STEP,
    m0002_identity::STEP,
    m0003_sme::STEP,
    m0004_catalogue::STEP,
    m0005_media::STEP,
    m0006_exhibitions::STEP,
    m0007_storefront::STEP,
    m0008_second_factor::STEP,
    m0009_photo_judgement::STEP,
    m0010_uploads::STEP,
    m0011_documents::STEP,
    m0012_calls::STEP,
    m0013_booths::STEP,
    m0014_review::STEP,
    m0015_on_the_day::STEP,
    m0016_graces::STEP,
    m0017_loose_ends::STEP,
    m0018_replicas::STEP,
    m0019_changes::STEP,
    m0020_clients::STEP,
    m0021_webhooks::STEP,
    m0022_attributes::STEP,
    m0023_buyers::STEP,
    m0024_public_changes::STEP,
    m0025_rescheduled::STEP,
    m0026_old_handles::STEP,
    m0027_as_read::STEP,
    m0028_quotas::STEP,
    m0030_sessions::STEP,
    m0031_conflicts::STEP,
    m0032_facts::STEP,
    m0035_makers::STEP,
];

/// Column types by engine. SQLite tables are STRICT, so that a wrong type is refused there as it is in PostgreSQL.
const TYPES: [(&str, &str, &str); 8] = [
    ("$uuid", "blob", "uuid"),
    ("$time", "text", "timestamptz"),
    ("$day", "text", "date"),
    ("$json", "text", "jsonb"),
    ("$flag", "integer", "boolean"),
    ("$int", "integer", "bigint"),
    ("$strict", "strict", ""),
    ("$binary", "", "collate \"C\""),
];

/// The columns of the schema after the first `steps` whose types the engines declare differently, as (table, column, token):
/// what each holds, whichever engine it is read from. All others are `text`.
pub fn typed_columns(steps: usize) -> Vec<(&'static str, &'static str, &'static str)> {
    let mut columns = Vec::new();
    for step in STEPS.iter().take(steps) {
        let words: Vec<&str> = step.tables.split(|c: char| c.is_whitespace() || "(),;".contains(c)).filter(|word| !word.is_empty()).collect();
        let mut table = "";
        for three in words.windows(3) {
            match three {
                ["create" | "alter", "table", name] => table = name,
                [_, column, token] if token.starts_with('$') && !matches!(*token, "$strict" | "$binary") => columns.push((table, *column, *token)),
                _ => {}
            }
        }
    }
    columns
}

impl Step {
    /// The statements of this step in the dialect of an engine.
    fn statements(&self, engine: DbBackend) -> [String; 2] {
        let is_sqlite = engine == DbBackend::Sqlite;
        let of = |sqlite: &str, postgres: &str| if is_sqlite { sqlite.to_owned() } else { postgres.to_owned() };
        let tables = TYPES.iter().fold(self.tables.to_owned(), |sql, (token, sqlite, postgres)| sql.replace(token, &of(sqlite, postgres)));
        [tables, of(self.sqlite, self.postgres)]
    }
}

/// Names of the steps that are applied, in order, also those of a newer version.
pub async fn applied(connection: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    // The name is that of sea-orm-migration, which kept this list before.
    connection
        .execute_unprepared("create table if not exists seaql_migrations (version varchar not null primary key, applied_at bigint not null)")
        .await?;
    let read = Statement::from_string(connection.get_database_backend(), "select version from seaql_migrations order by version");
    connection.query_all_raw(read).await?.iter().map(|row| row.try_get("", "version")).collect()
}

/// Applies the first `most` steps of this version that are not among those `applied`, each with its record in a transaction of
/// its own: whatever dies midway leaves whole steps.
pub async fn apply(connection: &DatabaseConnection, applied: &[String], most: usize) -> Result<(), DbErr> {
    let engine = connection.get_database_backend();
    for step in STEPS.iter().filter(|step| !applied.iter().any(|name| name == step.name)).take(most) {
        let work = connection.begin().await?;
        for statements in step.statements(engine).iter().filter(|statements| !statements.trim().is_empty()) {
            work.execute_unprepared(statements).await?;
        }
        let record = "insert into seaql_migrations (version, applied_at) values ($1, $2)";
        let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        work.execute_raw(Statement::from_sql_and_values(engine, record, [step.name.into(), at.into()])).await?;
        work.commit().await?;
    }
    Ok(())
}
