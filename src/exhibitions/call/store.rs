//! SQL of calls, rules and questions.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryResult};
use serde_json::json;
use uuid::Uuid;

use super::model::{Question, Rule};
use crate::{
    fault::{Fault, Outcome, say},
    platform::database::{Connection, sql, update_if_version},
};

pub mod entity {
    use sea_orm::entity::prelude::*;

    use crate::values::Localized;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "exhibition_calls")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub exhibition_id: Uuid,
        #[sea_orm(column_type = "JsonBinary")]
        pub intro: Localized,
        pub opens_at: DateTimeUtc,
        pub closes_at: DateTimeUtc,
        /// Until when an accepted applicant must say yes.
        pub confirm_by: DateTimeUtc,
        /// Places that can be offered.
        pub capacity: i64,
        /// Places that are offered or confirmed; moved by a trigger.
        pub taken: i64,
        pub version: i64,
        /// Version of the set of decisions; moved by whoever changes it.
        pub decisions_version: i64,
        /// Who last changed the set of decisions.
        pub decided_by: Option<Uuid>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub async fn find(connection: &Connection, exhibition: Uuid) -> Outcome<Option<entity::Model>> {
    Ok(entity::Entity::find_by_id(exhibition).one(connection).await?)
}

/// The call of an exhibition, which has to have one.
pub async fn by_exhibition(connection: &Connection, exhibition: Uuid) -> Outcome<entity::Model> {
    let missing = || Fault::conflict("no_call", say("Pameran ini tidak membuka pendaftaran.", "This exhibition has no call."));
    find(connection, exhibition).await?.ok_or_else(missing)
}

/// The call as something to be read, which an exhibition may not have.
pub async fn to_read(connection: &Connection, exhibition: Uuid) -> Outcome<entity::Model> {
    find(connection, exhibition).await?.ok_or_else(Fault::not_found)
}

/// The call, locked against everybody who offers or frees a place, under the next version of its decisions.
pub async fn lock(connection: &Connection, exhibition: Uuid) -> Outcome<entity::Model> {
    let text = "update exhibition_calls set decisions_version = decisions_version + 1 where exhibition_id = ?";
    connection.execute_raw(sql(connection, text, [exhibition.into()])).await?;
    by_exhibition(connection, exhibition).await
}

/// Lets an SME apply until a moment after the deadline.
pub async fn set_grace(connection: &Connection, exhibition: Uuid, sme: Uuid, until: DateTime<Utc>, by: Uuid) -> Outcome<()> {
    let text = "insert into call_graces (exhibition_id, sme_id, until, granted_by) values (?, ?, ?, ?) \
                on conflict (exhibition_id, sme_id) do update set until = excluded.until, granted_by = excluded.granted_by";
    connection.execute_raw(sql(connection, text, [exhibition.into(), sme.into(), until.into(), by.into()])).await?;
    Ok(())
}

/// Until when an SME may apply although the call is closed.
pub async fn grace(connection: &Connection, exhibition: Uuid, sme: Uuid) -> Outcome<Option<DateTime<Utc>>> {
    let text = "select until from call_graces where exhibition_id = ? and sme_id = ?";
    let row = connection.query_one_raw(sql(connection, text, [exhibition.into(), sme.into()])).await?;
    Ok(row.map(|row| row.try_get("", "until")).transpose()?)
}

/// Remembers who changed the set of decisions.
pub async fn decided_by(connection: &Connection, exhibition: Uuid, by: Uuid) -> Outcome<()> {
    let text = "update exhibition_calls set decided_by = ? where exhibition_id = ?";
    connection.execute_raw(sql(connection, text, [by.into(), exhibition.into()])).await?;
    Ok(())
}

pub async fn insert(connection: &Connection, call: entity::Model) -> Outcome<()> {
    call.into_active_model().insert(connection).await?;
    Ok(())
}

/// Writes what a coordinator sets, unless somebody was faster.
pub async fn update(connection: &Connection, mut call: entity::Model) -> Outcome<()> {
    use sea_orm::ActiveValue::NotSet;
    let read = call.version;
    call.version += 1;
    let id = call.exhibition_id;
    let changed = entity::ActiveModel { taken: NotSet, decisions_version: NotSet, decided_by: NotSet, ..call.into_active_model().reset_all() };
    update_if_version(connection, changed, (entity::Column::ExhibitionId, id), (entity::Column::Version, read)).await
}

fn list<T: serde::de::DeserializeOwned>(row: &QueryResult, name: &str) -> Outcome<T> {
    serde_json::from_value(row.try_get("", name)?).map_err(Fault::internal)
}

pub async fn rules(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Rule>> {
    let text = "select id, scope, any_of, valid_through, severity, effective_from, source from requirement_rules where exhibition_id = ? order by id limit 100";
    let rows = connection.query_all_raw(sql(connection, text, [exhibition.into()])).await?;
    let rule = |row: &QueryResult| -> Outcome<Rule> {
        Ok(Rule {
            id: row.try_get("", "id")?,
            scope: row.try_get("", "scope")?,
            any_of: list(row, "any_of")?,
            valid_through: row.try_get("", "valid_through")?,
            severity: row.try_get("", "severity")?,
            effective_from: row.try_get("", "effective_from")?,
            source: row.try_get("", "source")?,
        })
    };
    rows.iter().map(rule).collect()
}

pub async fn insert_rule(connection: &Connection, exhibition: Uuid, rule: &Rule) -> Outcome<()> {
    let text = "insert into requirement_rules (id, exhibition_id, scope, any_of, valid_through, severity, effective_from, source) values (?, ?, ?, ?, ?, ?, ?, ?)";
    let values = [
        rule.id.into(),
        exhibition.into(),
        rule.scope.clone().into(),
        json!(rule.any_of).into(),
        sea_orm::ActiveEnum::into_value(rule.valid_through).into(),
        sea_orm::ActiveEnum::into_value(rule.severity).into(),
        rule.effective_from.into(),
        rule.source.clone().into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

pub async fn questions(connection: &Connection, exhibition: Uuid) -> Outcome<Vec<Question>> {
    let text = "select id, text, kind, options, scope, is_required from call_questions where exhibition_id = ? order by position, id limit 100";
    let rows = connection.query_all_raw(sql(connection, text, [exhibition.into()])).await?;
    let question = |row: &QueryResult| -> Outcome<Question> {
        Ok(Question {
            id: row.try_get("", "id")?,
            text: row.try_get("", "text")?,
            kind: row.try_get("", "kind")?,
            options: list(row, "options")?,
            scope: row.try_get("", "scope")?,
            is_required: row.try_get::<i64>("", "is_required")? == 1,
        })
    };
    rows.iter().map(question).collect()
}

pub async fn insert_question(connection: &Connection, exhibition: Uuid, position: i64, question: &Question) -> Outcome<()> {
    let text = "insert into call_questions (id, exhibition_id, position, text, kind, options, scope, is_required) values (?, ?, ?, ?, ?, ?, ?, ?)";
    let values = [
        question.id.into(),
        exhibition.into(),
        position.into(),
        json!(question.text).into(),
        sea_orm::ActiveEnum::into_value(question.kind).into(),
        json!(question.options).into(),
        question.scope.clone().into(),
        i64::from(question.is_required).into(),
    ];
    connection.execute_raw(sql(connection, text, values)).await?;
    Ok(())
}

/// Deletes a rule (`requirement_rules`) or a question (`call_questions`) of an exhibition.
pub async fn delete(connection: &Connection, table: &'static str, exhibition: Uuid, id: Uuid) -> Outcome<()> {
    let text = format!("delete from {table} where exhibition_id = ? and id = ?");
    let gone = connection.execute_raw(sql(connection, &text, [exhibition.into(), id.into()])).await?.rows_affected();
    if gone == 1 { Ok(()) } else { Err(Fault::not_found()) }
}
