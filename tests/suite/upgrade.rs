//! Upgrades that roll: while they do, replicas of the version before work on the schema of this one.

use std::collections::BTreeMap;

use etalase::{config::Config, platform::database::Database};
use sea_orm::{ConnectionTrait, Statement};

use crate::world::{Engine, new_postgres};

/// Table and column, with whether a row that does not name the column is refused.
pub type Columns = BTreeMap<(String, String), (String, bool)>;

pub async fn columns(database: &Database, engine: Engine) -> Columns {
    let text = if engine == Engine::Postgresql {
        "select table_name::text as t, column_name::text as c, data_type::text as kind, (is_nullable = 'NO' and column_default is null) as must \
         from information_schema.columns where table_schema = current_schema()"
    } else {
        "select t.name as t, c.name as c, c.type as kind, (c.\"notnull\" = 1 and c.dflt_value is null) as must \
         from sqlite_master t join pragma_table_info(t.name) c where t.type = 'table' and t.name not like 'storefront_search%'"
    };
    let rows = database.reader().query_all_raw(Statement::from_string(database.backend(), text)).await.unwrap();
    rows.iter()
        .map(|row| {
            let text = |name: &str| row.try_get::<String>("", name).unwrap();
            ((text("t"), text("c")), (text("kind"), row.try_get("", "must").unwrap()))
        })
        .collect()
}

/// A database without a schema, and the folder that lives as long.
async fn empty_database(engine: Engine) -> (Database, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut overrides = vec![("data_dir", folder.path().display().to_string())];
    if engine == Engine::Postgresql {
        overrides.extend(new_postgres().await);
    }
    let database = Database::connect(&Config::load(None, &overrides).unwrap()).await.unwrap();
    (database, folder)
}

async fn steps_only_add(engine: Engine) {
    let (database, _folder) = empty_database(engine).await;
    let total = database.pending_migrations().await.unwrap();
    let mut before = Columns::new();
    for step in 1..=total {
        database.migrate_up_to(step).await.unwrap();
        assert_eq!(database.pending_migrations().await.unwrap(), total - step);
        let after = columns(&database, engine).await;
        let name = database.applied_migrations().await.unwrap().pop().unwrap();
        for (column, (kind, must)) in &before {
            let now = after.get(column).unwrap_or_else(|| panic!("{name} takes {column:?} away; contract in a later release"));
            assert!(&now.0 == kind && (*must || !now.1), "{name} changes {column:?}");
        }
        for ((table, column), (_, must)) in &after {
            let is_known_table = before.keys().any(|(known, _)| known == table);
            let is_new = is_known_table && !before.contains_key(&(table.clone(), column.clone()));
            assert!(!(is_new && *must), "{name}: the version before inserts into {table} without {column}");
        }
        before = after;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_declare_each_column_as_the_steps_say() {
    let typed: BTreeMap<(String, String), &str> =
        migration::typed_columns(usize::MAX).into_iter().map(|(table, column, token)| ((table.to_owned(), column.to_owned()), token)).collect();
    for engine in [Engine::Sqlite, Engine::Postgresql] {
        let (database, _folder) = empty_database(engine).await;
        database.migrate().await.unwrap();
        let declared = columns(&database, engine).await;
        for column in typed.keys() {
            assert!(declared.contains_key(column), "{column:?} on {engine:?}");
        }
        let is_a_table = |table: &str| typed.keys().any(|(of, _)| of == table);
        for (column, (kind, _)) in declared.iter().filter(|((table, _), _)| is_a_table(table)) {
            let expected = match (engine, typed.get(column).copied().unwrap_or("text")) {
                (Engine::Sqlite, "$uuid") => "blob",
                (Engine::Sqlite, "$flag" | "$int") => "integer",
                (Engine::Postgresql, "$uuid") => "uuid",
                (Engine::Postgresql, "$time") => "timestamp with time zone",
                (Engine::Postgresql, "$day") => "date",
                (Engine::Postgresql, "$json") => "jsonb",
                (Engine::Postgresql, "$flag") => "boolean",
                (Engine::Postgresql, "$int") => "bigint",
                _ => "text",
            };
            assert_eq!(kind.to_lowercase(), expected, "{column:?} on {engine:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_schema_only_adds_on_sqlite() {
    steps_only_add(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_schema_only_adds_on_postgresql() {
    steps_only_add(Engine::Postgresql).await;
}

async fn starts_on_a_newer_schema(engine: Engine) {
    let (database, _folder) = empty_database(engine).await;
    database.migrate().await.unwrap();
    let work = database.begin().await.unwrap();
    work.execute_unprepared("insert into seaql_migrations (version, applied_at) values ('m9999_of_tomorrow', 0)").await.unwrap();
    work.commit().await.unwrap();
    database.migrate().await.expect("a replica of this version restarts while the next one rolls out");
    assert_eq!(database.pending_migrations().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_starts_on_the_schema_of_the_next_version_on_sqlite() {
    starts_on_a_newer_schema(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_starts_on_the_schema_of_the_next_version_on_postgresql() {
    starts_on_a_newer_schema(Engine::Postgresql).await;
}
