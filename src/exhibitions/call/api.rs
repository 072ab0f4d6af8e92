//! Calls, requirements and questions over HTTP.

use chrono::NaiveDate;
use poem::web::Data;
use poem_openapi::{Object, OpenApi, param::Path};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    model::{ALL, Moment, Question, QuestionKind, Rule, Severity, ValidThrough},
    service::{self, Terms},
    store,
};
use crate::{
    app::App,
    documents::model::DocumentKind,
    exhibitions::{self, api::Managed, store::entity::Model as Exhibition},
    fault::Fault,
    http::{
        Body, Member, Reply, Tag, Write,
        reply::{Created, NoContent},
    },
    identity::policy::ReadExhibition,
    platform::database::Connection,
    values::Localized,
};

pub struct CallApi;

/// How to take part.
#[derive(Object)]
pub struct Call {
    pub exhibition_id: Uuid,
    pub intro: Localized,
    pub opens_at: Moment,
    /// The deadline, to the second, by the clock of the server.
    pub closes_at: Moment,
    /// Until when an accepted applicant confirms.
    pub confirm_by: Moment,
    /// Places.
    pub capacity: i64,
    /// Places that are offered or confirmed.
    pub taken: i64,
    pub requirements: Vec<Requirement>,
    pub questions: Vec<CallQuestion>,
    pub version: i64,
}

/// Until when an SME may apply.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewGrace {
    /// `YYYY-MM-DDTHH:MM` on the clock of the venue.
    #[oai(validator(max_length = 40))]
    pub until: String,
}

/// An SME that may apply late.
#[derive(Object)]
pub struct Grace {
    pub sme_id: Uuid,
    pub until: Moment,
}

/// Terms of a call. Times are read on the clock of the venue.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct CallTerms {
    pub intro: Localized,
    /// `YYYY-MM-DDTHH:MM`.
    #[oai(validator(max_length = 40))]
    pub opens_at: String,
    /// `YYYY-MM-DDTHH:MM`.
    #[oai(validator(max_length = 40))]
    pub closes_at: String,
    /// `YYYY-MM-DDTHH:MM`.
    #[oai(validator(max_length = 40))]
    pub confirm_by: String,
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    pub capacity: i64,
}

/// A document that applicants need.
#[derive(Object)]
pub struct Requirement {
    pub id: Uuid,
    /// `all`, `food`, or the slug of a category.
    pub scope: String,
    /// Each of them will do.
    pub any_of: Vec<DocumentKind>,
    pub valid_through: ValidThrough,
    pub severity: Severity,
    /// Concerns exhibitions that end on this day or later.
    pub effective_from: Option<NaiveDate>,
    pub source: Option<String>,
}

impl From<Rule> for Requirement {
    fn from(rule: Rule) -> Self {
        Self {
            id: rule.id,
            scope: rule.scope,
            any_of: rule.any_of,
            valid_through: rule.valid_through,
            severity: rule.severity,
            effective_from: rule.effective_from,
            source: rule.source,
        }
    }
}

/// A requirement to be added.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewRequirement {
    #[oai(validator(max_length = 80))]
    pub scope: String,
    #[oai(validator(max_items = 20))]
    pub any_of: Vec<DocumentKind>,
    pub valid_through: ValidThrough,
    pub severity: Severity,
    #[serde(default)]
    pub effective_from: Option<NaiveDate>,
    #[serde(default)]
    #[oai(validator(max_length = 200))]
    pub source: Option<String>,
}

/// What applicants are asked.
#[derive(Object)]
pub struct CallQuestion {
    pub id: Uuid,
    pub text: Localized,
    pub kind: QuestionKind,
    pub options: Vec<String>,
    /// `all`, `food`, or the slug of a category.
    pub scope: String,
    pub is_required: bool,
}

impl From<Question> for CallQuestion {
    fn from(question: Question) -> Self {
        let Question { id, text, kind, options, scope, is_required } = question;
        Self { id, text, kind, options, scope, is_required }
    }
}

/// A question to be added. To change one, remove it and add another: answers keep their meaning.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewCallQuestion {
    pub text: Localized,
    pub kind: QuestionKind,
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(max_items = 50))]
    pub options: Vec<String>,
    /// `all` where absent.
    #[serde(default)]
    #[oai(validator(max_length = 80))]
    pub scope: Option<String>,
    #[serde(default)]
    #[oai(default)]
    pub is_required: bool,
}

/// The call as everybody may read it, in three statements.
pub async fn read(connection: &Connection, exhibition: &Exhibition) -> Result<Call, Fault> {
    let call = store::find(connection, exhibition.id).await?.ok_or_else(Fault::not_found)?;
    let moment = |at| Moment::of(at, &exhibition.time_zone);
    Ok(Call {
        exhibition_id: exhibition.id,
        intro: call.intro,
        opens_at: moment(call.opens_at),
        closes_at: moment(call.closes_at),
        confirm_by: moment(call.confirm_by),
        capacity: call.capacity,
        taken: call.taken,
        requirements: store::rules(connection, exhibition.id).await?.into_iter().map(Requirement::from).collect(),
        questions: store::questions(connection, exhibition.id).await?.into_iter().map(CallQuestion::from).collect(),
        version: call.version,
    })
}

#[OpenApi(tag = "Tag::Exhibitions")]
impl CallApi {
    /// Set the call of an exhibition
    ///
    /// If-Match where there is one already. A new call asks for the usual documents. It opens and closes by the clock.
    #[oai(path = "/v1/exhibitions/:exhibition_id/call", method = "put", operation_id = "set_call")]
    async fn set(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, body: Body<CallTerms>) -> poem::Result<Reply<Call>> {
        let Managed { work, permit, exhibition } = exhibitions::api::manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let terms = body.read()?;
        let current = store::find(work.db(), exhibition.id).await?;
        if let Some(call) = &current {
            write.if_match(call.version)?;
        }
        let terms = Terms {
            intro: terms.intro,
            opens_at: terms.opens_at,
            closes_at: terms.closes_at,
            confirm_by: terms.confirm_by,
            capacity: terms.capacity,
        };
        service::set(&work, &permit, &exhibition, current, terms).await?;
        let call = read(work.db(), &exhibition).await?;
        let version = call.version;
        work.finish(Reply::new(&call).version(version)).await
    }

    /// Read the call of an exhibition
    #[oai(path = "/v1/exhibitions/:exhibition_id/call", method = "get", operation_id = "get_call")]
    async fn get(&self, app: Data<&App>, member: Member, exhibition_id: Path<Uuid>) -> poem::Result<Reply<Call>> {
        let reader = app.database.reader();
        let exhibition = exhibitions::store::by_id(reader, *exhibition_id).await?;
        if exhibition.announced_at.is_none() {
            exhibitions::api::visible::<ReadExhibition>(&member, &exhibition)?;
        }
        let call = read(reader, &exhibition).await?;
        let version = call.version;
        Ok(Reply::new(&call).version(version))
    }

    /// Ask for a document
    #[oai(path = "/v1/exhibitions/:exhibition_id/requirements", method = "post", operation_id = "add_requirement")]
    async fn add_requirement(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        body: Body<NewRequirement>,
    ) -> poem::Result<Created<Requirement>> {
        let Managed { work, permit, exhibition } = exhibitions::api::manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let new = body.read()?;
        let rule = Rule {
            id: Uuid::now_v7(),
            scope: new.scope,
            any_of: new.any_of,
            valid_through: new.valid_through,
            severity: new.severity,
            effective_from: new.effective_from,
            source: new.source,
        };
        let rule = service::add_rule(&work, &permit, exhibition.id, rule).await?;
        work.finish(Created::new(&Requirement::from(rule))).await
    }

    /// Ask for a document no longer
    #[oai(path = "/v1/exhibitions/:exhibition_id/requirements/:requirement_id", method = "delete", operation_id = "remove_requirement")]
    async fn remove_requirement(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        requirement_id: Path<Uuid>,
    ) -> poem::Result<NoContent> {
        let Managed { work, permit, exhibition } = exhibitions::api::manage(&member, &write, *exhibition_id, &[]).await?;
        service::remove(&work, &permit, exhibition.id, "requirement_rules", *requirement_id).await?;
        work.finish_empty().await
    }

    /// Ask a question
    #[oai(path = "/v1/exhibitions/:exhibition_id/questions", method = "post", operation_id = "add_question")]
    async fn add_question(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        body: Body<NewCallQuestion>,
    ) -> poem::Result<Created<CallQuestion>> {
        let Managed { work, permit, exhibition } = exhibitions::api::manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let new = body.read()?;
        let question = Question {
            id: Uuid::now_v7(),
            text: new.text,
            kind: new.kind,
            options: new.options,
            scope: new.scope.unwrap_or_else(|| ALL.to_owned()),
            is_required: new.is_required,
        };
        let question = service::add_question(&work, &permit, exhibition.id, question).await?;
        work.finish(Created::new(&CallQuestion::from(question))).await
    }

    /// Ask a question no longer
    #[oai(path = "/v1/exhibitions/:exhibition_id/questions/:question_id", method = "delete", operation_id = "remove_question")]
    async fn remove_question(&self, member: Member, write: Write, exhibition_id: Path<Uuid>, question_id: Path<Uuid>) -> poem::Result<NoContent> {
        let Managed { work, permit, exhibition } = exhibitions::api::manage(&member, &write, *exhibition_id, &[]).await?;
        service::remove(&work, &permit, exhibition.id, "call_questions", *question_id).await?;
        work.finish_empty().await
    }

    /// Let an SME apply late
    ///
    /// Until a moment after the deadline, for this SME alone; what it hands in is under review at once.
    #[oai(path = "/v1/exhibitions/:exhibition_id/call/graces/:sme_id", method = "put", operation_id = "grant_grace")]
    async fn grace(
        &self,
        member: Member,
        write: Write,
        exhibition_id: Path<Uuid>,
        sme_id: Path<Uuid>,
        body: Body<NewGrace>,
    ) -> poem::Result<Reply<Grace>> {
        let Managed { work, permit, exhibition } = exhibitions::api::manage(&member, &write, *exhibition_id, body.bytes()).await?;
        let until = body.read()?.until;
        let sme = crate::sme::store::by_id(work.db(), *sme_id).await?;
        let until = service::grant_grace(&work, &permit, &exhibition, sme.id, &until).await?;
        work.finish(Reply::new(&Grace { sme_id: sme.id, until: Moment::of(until, &exhibition.time_zone) })).await
    }
}
