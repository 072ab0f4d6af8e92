//! API clients over HTTP.

use chrono::{DateTime, NaiveDate, Utc};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    model::{ClientKind, RateTier},
    service::{self, Wish},
    store::{self, ClientRow, KeyRow, UsageRow},
};
use crate::{
    app::App,
    fault::{Fault, INVALID_PARAMETER, Outcome, say},
    http::{
        Body, Member, Page, Reply, Tag, Work, Write,
        reply::{Created, NoContent},
    },
    identity::{
        model::KeyScope,
        policy::{self, ManageClients, Permit},
        store::Target,
    },
    platform::database::Connection,
};

pub struct ClientsApi;

/// A program that uses the API.
#[derive(Clone, Object)]
pub struct ApiClient {
    pub id: Uuid,
    /// Of an SME; else of an agency.
    pub sme_id: Option<Uuid>,
    pub agency_id: Option<Uuid>,
    pub name: String,
    pub kind: ClientKind,
    /// What a secret key may do.
    pub scopes: Vec<KeyScope>,
    /// Origins of the web pages that a publishable key is for.
    pub origins: Vec<String>,
    pub rate_tier: RateTier,
    /// Valid keys, the current one first.
    pub keys: Vec<ApiKey>,
    /// UTC.
    pub created_at: DateTime<Utc>,
    /// UTC; when the client ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// UTC, within ten seconds.
    pub last_used_at: Option<DateTime<Utc>>,
    pub version: i64,
    /// The new key. Shown once, when it is made.
    #[oai(skip_serializing_if_is_none)]
    pub key: Option<String>,
}

/// A valid key.
#[derive(Clone, Object)]
pub struct ApiKey {
    /// How it begins.
    pub prefix: String,
    /// UTC.
    pub created_at: DateTime<Utc>,
    /// UTC; of a key that another has taken the place of.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A client to be made, of one SME or one agency.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewApiClient {
    #[serde(default)]
    pub sme_id: Option<Uuid>,
    #[serde(default)]
    pub agency_id: Option<Uuid>,
    #[oai(validator(min_length = 1, max_length = 120))]
    pub name: String,
    pub kind: ClientKind,
    /// For secret keys, at least one. An SME's: all but `results:read`; an agency's: those that read.
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(max_items = 20))]
    pub scopes: Vec<KeyScope>,
    /// For publishable keys, at least one, such as `https://shop.example.org`.
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(max_items = 20))]
    pub origins: Vec<String>,
    /// `basic` where nothing is said.
    #[serde(default)]
    pub rate_tier: Option<RateTier>,
    /// UTC.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
}

/// What is to change; what is absent stays.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct ApiClientPatch {
    #[serde(default)]
    #[oai(validator(min_length = 1, max_length = 120))]
    pub name: Option<String>,
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    pub scopes: Option<Vec<KeyScope>>,
    #[serde(default)]
    #[oai(validator(max_items = 20))]
    pub origins: Option<Vec<String>>,
    #[serde(default)]
    pub rate_tier: Option<RateTier>,
    /// UTC.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
}

#[derive(Object, Deserialize, Default)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// For how long the old one still works: 0 to 168 hours, 24 where nothing is said.
    #[serde(default)]
    #[oai(validator(minimum(value = "0"), maximum(value = "168")))]
    pub overlap_hours: Option<i64>,
}

/// What a client used on a day.
#[derive(Object)]
pub struct UsageOfDay {
    /// UTC.
    pub day: NaiveDate,
    /// Answered.
    pub requests: i64,
    /// Over its rate.
    pub refused: i64,
}

impl From<UsageRow> for UsageOfDay {
    fn from(row: UsageRow) -> Self {
        Self { day: row.day, requests: row.requests, refused: row.refused }
    }
}

/// Whoever owns integrations: one SME or one agency.
pub fn owner(sme: Option<Uuid>, agency: Option<Uuid>) -> Outcome<Target> {
    match (sme, agency) {
        (Some(sme), None) => Ok(Target::Sme(sme)),
        (None, Some(agency)) => Ok(Target::Agency(agency)),
        _ => Err(Fault::new(&INVALID_PARAMETER).detail(say("Sebutkan sme_id atau agency_id.", "Name either sme_id or agency_id."))),
    }
}

async fn many(connection: &Connection, rows: Vec<ClientRow>) -> Outcome<Vec<ApiClient>> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut origins = store::origins(connection, &ids).await?;
    let keys = store::keys(connection, &ids).await?;
    let shown = |row: ClientRow| {
        let of_it = keys.iter().filter(|key| key.client_id == row.id);
        let show = |key: &KeyRow| ApiKey { prefix: key.prefix.clone(), created_at: key.created_at, expires_at: key.expires_at };
        Ok(ApiClient {
            scopes: service::scopes(&row)?,
            id: row.id,
            sme_id: row.sme_id,
            agency_id: row.agency_id,
            name: row.name,
            kind: row.kind,
            origins: origins.remove(&row.id).unwrap_or_default(),
            rate_tier: row.rate_tier,
            keys: of_it.map(show).collect(),
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            version: row.version,
            key: None,
        })
    };
    rows.into_iter().map(shown).collect()
}

async fn one(connection: &Connection, row: ClientRow) -> Outcome<ApiClient> {
    many(connection, vec![row]).await?.pop().ok_or_else(Fault::not_found)
}

/// A client as it stands after a change.
async fn changed(connection: &Connection, id: Uuid) -> Outcome<ApiClient> {
    one(connection, store::client(connection, id).await?).await
}

async fn permitted(connection: &Connection, member: &Member, id: Uuid) -> Outcome<(ClientRow, Permit<ManageClients>)> {
    let row = store::client(connection, id).await?;
    let permit = policy::permit(member, &row.owner().scope())?;
    Ok((row, permit))
}

/// A permitted, sensitive write on one client, begun.
async fn begin(member: &Member, write: &Write, id: Uuid, body: &[u8]) -> poem::Result<(Work, Permit<ManageClients>, ClientRow)> {
    let work = write.begin_confirmed(member, body).await?;
    let (row, permit) = permitted(work.db(), member, id).await?;
    Ok((work, permit, row))
}

#[OpenApi(tag = "Tag::Integrations")]
impl ClientsApi {
    /// List API clients
    ///
    /// Of one SME or one agency, newest first.
    #[oai(path = "/v1/api-clients", method = "get", operation_id = "list_api_clients")]
    async fn list(
        &self,
        app: Data<&App>,
        member: Member,
        sme_id: Query<Option<Uuid>>,
        agency_id: Query<Option<Uuid>>,
    ) -> poem::Result<Reply<Page<ApiClient>>> {
        let owner = owner(sme_id.0, agency_id.0)?;
        policy::permit::<ManageClients>(&member, &owner.scope())?;
        let reader = app.database.reader();
        Ok(Reply::new(&Page::whole(many(reader, store::clients(reader, owner).await?).await?, 100)))
    }

    /// Make an API client
    ///
    /// The answer holds its first key, which is not shown again. A publishable key may be seen by everybody: web pages of its
    /// origins read the storefront with it in `X-Api-Key`. A secret key acts for its SME or agency within its scopes; send it
    /// as `Authorization: Bearer …`, from servers only.
    #[oai(path = "/v1/api-clients", method = "post", operation_id = "create_api_client")]
    async fn create(&self, member: Member, write: Write, body: Body<NewApiClient>) -> poem::Result<Created<ApiClient>> {
        let new = body.read()?;
        let owner = owner(new.sme_id, new.agency_id)?;
        let permit = policy::permit::<ManageClients>(&member, &owner.scope())?;
        let work = write.begin_confirmed(&member, body.bytes()).await?;
        let tier = new.rate_tier.unwrap_or(RateTier::Basic);
        let wish = Wish { name: new.name, scopes: new.scopes, origins: new.origins, tier, expires_at: new.expires_at };
        let (id, key) = service::create(&work, &permit, owner, new.kind, wish).await?;
        let again = changed(work.db(), id).await?;
        let shown = Created::new(&ApiClient { key: Some(key), ..again.clone() }).version(again.version);
        work.finish_secret(shown.location(format!("/v1/api-clients/{id}")), &again).await
    }

    /// Read an API client
    #[oai(path = "/v1/api-clients/:client_id", method = "get", operation_id = "get_api_client")]
    async fn get(&self, app: Data<&App>, member: Member, client_id: Path<Uuid>) -> poem::Result<Reply<ApiClient>> {
        let reader = app.database.reader();
        let (row, _) = permitted(reader, &member, *client_id).await?;
        let client = one(reader, row).await?;
        Ok(Reply::new(&client).version(client.version))
    }

    /// Edit an API client
    ///
    /// A JSON Merge Patch with If-Match. Other replicas heed it within ten seconds.
    #[oai(path = "/v1/api-clients/:client_id", method = "patch", operation_id = "edit_api_client")]
    async fn edit(&self, member: Member, write: Write, client_id: Path<Uuid>, body: Body<ApiClientPatch>) -> poem::Result<Reply<ApiClient>> {
        let (work, permit, row) = begin(&member, &write, *client_id, body.bytes()).await?;
        let patch = body.read()?;
        write.if_match(row.version)?;
        let known = one(work.db(), row.clone()).await?;
        let wish = Wish {
            name: patch.name.unwrap_or(known.name),
            scopes: patch.scopes.unwrap_or(known.scopes),
            origins: patch.origins.unwrap_or(known.origins),
            tier: patch.rate_tier.unwrap_or(known.rate_tier),
            expires_at: patch.expires_at.or(known.expires_at),
        };
        service::edit(&work, &permit, row, wish).await?;
        let client = changed(work.db(), *client_id).await?;
        work.finish(Reply::new(&client).version(client.version)).await
    }

    /// Revoke an API client
    ///
    /// All its keys stop working: at once here, within ten seconds on other replicas.
    #[oai(path = "/v1/api-clients/:client_id", method = "delete", operation_id = "revoke_api_client")]
    async fn revoke(&self, member: Member, write: Write, client_id: Path<Uuid>) -> poem::Result<NoContent> {
        // Taking a key away asks for no proof: whoever notices a theft has no time.
        let work = write.begin(&member, &[]).await?;
        let (row, permit) = permitted(work.db(), &member, *client_id).await?;
        service::revoke(&work, &permit, &row).await?;
        work.finish_empty().await
    }

    /// Make a new key
    ///
    /// The answer holds it, this once; the old key works for some more hours.
    #[oai(path = "/v1/api-clients/:client_id/rotate", method = "post", operation_id = "rotate_api_key")]
    async fn rotate(&self, member: Member, write: Write, client_id: Path<Uuid>, body: Body<Rotation>) -> poem::Result<Reply<ApiClient>> {
        let (work, permit, row) = begin(&member, &write, *client_id, body.bytes()).await?;
        let key = service::rotate(&work, &permit, &row, body.read()?.overlap_hours).await?;
        let again = changed(work.db(), row.id).await?;
        let shown = Reply::new(&ApiClient { key: Some(key), ..again.clone() }).version(again.version);
        work.finish_secret(shown, &again).await
    }

    /// What an API client used
    ///
    /// The last 90 days with any use, newest first; up to ten seconds old.
    #[oai(path = "/v1/api-clients/:client_id/usage", method = "get", operation_id = "get_api_usage")]
    async fn usage(&self, app: Data<&App>, member: Member, client_id: Path<Uuid>) -> poem::Result<Reply<Page<UsageOfDay>>> {
        let reader = app.database.reader();
        let (row, _) = permitted(reader, &member, *client_id).await?;
        let days = store::usage(reader, row.id).await?.into_iter().map(UsageOfDay::from).collect();
        Ok(Reply::new(&Page::whole(days, 90)))
    }
}
