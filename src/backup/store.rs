//! Whole tables, out of and into either engine. Values are carried in SQLite's form: text, whole numbers, and UUIDs, which
//! are written as text; PostgreSQL's richer types are made from it by the columns of the target.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use futures_util::TryStreamExt;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, QueryResult, Value};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::{
    fault::{Fault, Outcome},
    platform::{
        database::{Connection, Transaction, insert_many, select, shared_now, sql},
        vault::name_no_key,
    },
};

/// The fact that says until when a backup is under way.
pub const UNDER_WAY: &str = "backup_until";

/// Whether objects have to stay where they are.
pub async fn is_under_way(connection: &Connection) -> Outcome<bool> {
    let row = connection.query_one_raw(sql(connection, "select value from service_facts where name = ?", [UNDER_WAY.into()])).await?;
    let at = shared_now(connection).await?;
    let until: Option<String> = row.map(|row| row.try_get("", "value")).transpose()?;
    Ok(until.and_then(|until| DateTime::parse_from_rfc3339(&until).ok()).is_some_and(|until| until > at))
}

/// Says that a backup is under way for this long.
pub async fn hold(work: &Transaction, time: std::time::Duration) -> Outcome<()> {
    let until = shared_now(work).await? + time;
    let text = "insert into service_facts (name, value) values (?, ?) on conflict (name) do update set value = excluded.value";
    work.execute_raw(sql(work, text, [UNDER_WAY.into(), until.to_rfc3339().into()])).await?;
    Ok(())
}

/// Whether somebody uses the system already.
pub async fn is_in_use(connection: &Connection) -> Outcome<bool> {
    let row = connection.query_one_raw(sql(connection, "select 1 as one from users limit 1", [])).await?;
    Ok(row.is_some())
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Uuid,
    Time,
    Day,
    Json,
    Flag,
    Int,
    Text,
}

impl Kind {
    fn of(declared: &str) -> Outcome<Self> {
        Ok(match declared {
            "uuid" | "blob" => Self::Uuid,
            "timestamp with time zone" => Self::Time,
            "date" => Self::Day,
            "jsonb" => Self::Json,
            "boolean" => Self::Flag,
            "bigint" | "integer" => Self::Int,
            "text" => Self::Text,
            other => return Err(Fault::internal(anyhow::anyhow!("a column of the type {other}"))),
        })
    }

    /// The kinds of some columns of a table in the schema after `steps` steps, as the stricter engine declares them.
    pub fn strictest(steps: usize, table: &str, columns: &[String]) -> Vec<Self> {
        let typed = migration::typed_columns(steps);
        let token = |column: &String| typed.iter().find(|(of, name, _)| *of == table && name == column).map(|(.., token)| *token);
        columns.iter().map(|column| token(column).map_or(Self::Text, Self::of_token)).collect()
    }

    fn of_token(token: &str) -> Self {
        match token {
            "$uuid" => Self::Uuid,
            "$time" => Self::Time,
            "$day" => Self::Day,
            "$json" => Self::Json,
            "$flag" => Self::Flag,
            "$int" => Self::Int,
            _ => Self::Text,
        }
    }

    /// Fails where one of the engines would not take a carried value.
    pub fn check(self, value: &Json) -> anyhow::Result<()> {
        let bound = self.bind(value)?;
        // PostgreSQL has no U+0000 in texts, nor in those of JSON.
        let holds_nul = match &bound {
            Value::Json(Some(json)) => holds_nul(json),
            _ => value.as_str().is_some_and(|text| text.contains('\0')),
        };
        anyhow::ensure!(!holds_nul, "U+0000");
        // A value of another kind than the column's is bound as none.
        anyhow::ensure!(value.is_null() || bound != bound.as_null(), "a value of another kind");
        Ok(())
    }

    /// A value as it is carried.
    fn read(self, row: &QueryResult, column: usize) -> Outcome<Json> {
        Ok(match self {
            Self::Uuid => row.try_get_by_index::<Option<Uuid>>(column)?.map(|id| id.to_string()).into(),
            // As sqlx writes it for SQLite, so that text compares as time.
            Self::Time => row.try_get_by_index::<Option<DateTime<Utc>>>(column)?.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, false)).into(),
            Self::Day => row.try_get_by_index::<Option<NaiveDate>>(column)?.map(|day| day.to_string()).into(),
            Self::Json => row.try_get_by_index::<Option<Json>>(column)?.map(|json| json.to_string()).into(),
            Self::Flag => row.try_get_by_index::<Option<bool>>(column)?.map(i64::from).into(),
            Self::Int => row.try_get_by_index::<Option<i64>>(column)?.into(),
            Self::Text => row.try_get_by_index::<Option<String>>(column)?.into(),
        })
    }

    /// A carried value as this column takes it.
    fn bind(self, value: &Json) -> anyhow::Result<Value> {
        let text = value.as_str();
        anyhow::ensure!(value.is_null() || text.is_some() || value.is_i64(), "a value that is neither text nor a number");
        Ok(match self {
            Self::Uuid => text.map(Uuid::parse_str).transpose()?.into(),
            Self::Time => text.map(|text| DateTime::parse_from_rfc3339(text).map(|at| at.to_utc())).transpose()?.into(),
            Self::Day => text.map(str::parse::<NaiveDate>).transpose()?.into(),
            Self::Json => text.map(serde_json::from_str::<Json>).transpose()?.into(),
            Self::Flag => value.as_i64().map(|flag| flag != 0).into(),
            Self::Int => value.as_i64().into(),
            Self::Text => text.map(str::to_owned).into(),
        })
    }
}

fn holds_nul(json: &Json) -> bool {
    match json {
        Json::String(text) => text.contains('\0'),
        Json::Array(values) => values.iter().any(holds_nul),
        Json::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

/// A table with its columns.
pub struct Table {
    pub name: String,
    columns: Vec<(String, Kind)>,
}

#[derive(FromQueryResult)]
struct DeclaredColumn {
    table_name: String,
    column_name: String,
    declared: String,
}

const POSTGRES_COLUMNS: &str = "
select c.table_name::text as table_name, c.column_name::text as column_name, c.data_type::text as declared
from information_schema.columns c
join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
where c.table_schema = current_schema() and t.table_type = 'BASE TABLE' and c.table_name <> 'seaql_migrations'
order by c.table_name, c.ordinal_position";

// The index of the search is made again from its table.
const SQLITE_COLUMNS: &str = "
select t.name as table_name, c.name as column_name, lower(c.type) as declared
from sqlite_master t join pragma_table_info(t.name) c
where t.type = 'table' and t.name not like 'sqlite\\_%' escape '\\' and t.name not like 'storefront\\_search%' escape '\\'
    and t.name <> 'seaql_migrations'
order by t.name, c.cid";

/// Every table that holds something of ours.
pub async fn tables(connection: &Connection) -> Outcome<Vec<Table>> {
    let text = if connection.get_database_backend() == DbBackend::Postgres { POSTGRES_COLUMNS } else { SQLITE_COLUMNS };
    let mut tables: Vec<Table> = Vec::new();
    for column in select::<DeclaredColumn>(connection, text, []).await? {
        if tables.last().is_none_or(|table| table.name != column.table_name) {
            tables.push(Table { name: column.table_name, columns: Vec::new() });
        }
        if let Some(table) = tables.last_mut() {
            table.columns.push((column.column_name, Kind::of(&column.declared)?));
        }
    }
    Ok(tables)
}

impl Table {
    pub fn columns(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    fn quoted(names: &[String]) -> String {
        names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
    }

    /// Gives every row, as a JSON array in the order of the columns, to `each`.
    pub async fn dump(&self, work: &Transaction, mut each: impl FnMut(&Json) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let text = format!("select {} from \"{}\"", Self::quoted(&self.columns()), self.name);
        let mut rows = work.rows(sql(work, &text, [])).await?;
        while let Some(row) = rows.try_next().await? {
            let values = self.columns.iter().enumerate().map(|(index, (_, kind))| kind.read(&row, index));
            each(&Json::Array(values.collect::<Outcome<_>>()?))?;
        }
        Ok(())
    }

    /// Inserts rows whose values are in the order of `columns`.
    pub async fn load(&self, work: &Transaction, columns: &[String], rows: &[Vec<Json>]) -> anyhow::Result<()> {
        let kind_of = |name: &String| self.columns.iter().find(|(own, _)| own == name).map(|(_, kind)| *kind);
        let kinds: Option<Vec<Kind>> = columns.iter().map(kind_of).collect();
        let kinds = kinds.ok_or_else(|| anyhow::anyhow!("table {}: other columns than {}", self.name, columns.join(", ")))?;
        let mut bound = Vec::with_capacity(rows.len());
        for row in rows {
            anyhow::ensure!(row.len() == kinds.len(), "table {}: a row of {} values", self.name, row.len());
            bound.push(kinds.iter().zip(row).map(|(kind, value)| kind.bind(value)).collect::<anyhow::Result<Vec<_>>>()?);
        }
        Ok(insert_many(work, &format!("\"{}\" ({})", self.name, Self::quoted(columns)), bound).await?)
    }

    pub async fn clear(&self, work: &Transaction) -> Outcome<()> {
        work.execute_raw(sql(work, &format!("delete from \"{}\"", self.name), [])).await?;
        Ok(())
    }
}

/// Rules that are taken off while tables are filled in any order, and what puts them back.
pub struct Suspended(Vec<String>);

#[derive(FromQueryResult)]
struct Pair {
    take_off: String,
    put_back: String,
}

// Foreign keys are checked again when they are put back; triggers act on changes, and what is loaded has been through them.
const POSTGRES_RULES: &str = "
select format('alter table %s drop constraint %I', conrelid::regclass, conname) as take_off,
    format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as put_back
from pg_constraint where contype = 'f' and connamespace = current_schema()::regnamespace
union all
select format('alter table %s disable trigger user', oid::regclass), format('alter table %s enable trigger user', oid::regclass)
from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace";

const SQLITE_RULES: &str = "select 'drop trigger \"' || name || '\"' as take_off, sql as put_back from sqlite_master where type = 'trigger'";

impl Suspended {
    pub async fn take_off(work: &Transaction) -> Outcome<Self> {
        let is_postgres = work.get_database_backend() == DbBackend::Postgres;
        let mut pairs: Vec<Pair> = select(work, if is_postgres { POSTGRES_RULES } else { SQLITE_RULES }, []).await?;
        if !is_postgres {
            let rebuild = "insert into storefront_search (storefront_search) values ('rebuild')";
            pairs.push(Pair { take_off: "pragma defer_foreign_keys = on".into(), put_back: rebuild.into() });
        }
        for pair in &pairs {
            work.execute_unprepared(&pair.take_off).await?;
        }
        Ok(Self(pairs.into_iter().rev().map(|pair| pair.put_back).collect()))
    }

    pub async fn put_back(self, work: &Transaction) -> Outcome<()> {
        for text in self.0 {
            work.execute_unprepared(&text).await?;
        }
        Ok(())
    }
}

/// Moves the catalogue's version past all that were ever seen, so that no cache or ETag from before the restore fits what
/// is served after it. Nor does any cursor: who followed the log of changes further than the backup reaches begins again.
pub async fn forget_caches(work: &Transaction) -> Outcome<()> {
    work.execute_raw(sql(work, "update catalogue_version set version = version + 1000000", [])).await?;
    work.execute_raw(sql(work, "delete from service_facts where name = 'cursor_secret'", [])).await?;
    // Whoever restores may have another key.
    name_no_key(work).await?;
    // Who was told of more than the backup knows must not take the next event for an old one.
    work.execute_raw(sql(work, "update event_sequences set sequence = sequence + 1000000", [])).await?;
    Ok(())
}
