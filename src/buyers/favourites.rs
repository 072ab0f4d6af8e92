//! Products that a signed-in person likes. Who is not signed in keeps them on the device, and merges them after signing in.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    app::App,
    fault::{Fault, Outcome, say},
    http::{
        Body, Member, Page, Reply, Tag, Write,
        locale::Locale,
        reply::{NoContent, page_limit},
    },
    platform::{
        clock::now,
        database::{Connection, hold_row, insert_many_or, marks, select, sql},
    },
    storefront::model::Card,
};

/// Most favourites of a person.
const MOST: i64 = 500;

pub struct FavouritesApi;

/// A favourite that is still public.
#[derive(Object)]
pub struct Favourite {
    pub product: Card,
    /// UTC.
    pub added_at: DateTime<Utc>,
}

impl From<(Uuid, Self)> for Favourite {
    fn from((_, favourite): (Uuid, Self)) -> Self {
        favourite
    }
}

/// Favourites that were kept on a device.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct KeptOnDevice {
    /// At most 500. What is there already, or is not public, changes nothing.
    #[oai(validator(max_items = 500))]
    pub product_ids: Vec<Uuid>,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    created_at: DateTime<Utc>,
    card: String,
}

/// Favourites that are public, the newest first, added before the one with the id `before`.
async fn of(connection: &Connection, user: Uuid, language: &str, before: Option<Uuid>, limit: u32) -> Outcome<Vec<Row>> {
    let text = format!(
        "select f.id, f.created_at, p.card_{language} as card from favourites f join storefront_products p on p.product_id = f.product_id and p.listed = 1 \
         where f.user_id = ? and f.id < ? order by f.id desc limit {limit}"
    );
    select(connection, &text, [user.into(), before.unwrap_or(Uuid::max()).into()]).await
}

#[derive(FromQueryResult)]
struct Listed {
    product_id: Uuid,
}

/// Adds what is public of these, in their order; refuses more than a person may have.
async fn add(connection: &Connection, user: Uuid, products: &[Uuid]) -> Outcome<usize> {
    if products.is_empty() {
        return Ok(0);
    }
    let text = format!("select product_id from storefront_products where listed = 1 and product_id in ({})", marks(products.len()));
    let listed: Vec<Listed> = select(connection, &text, products.iter().map(|id| (*id).into())).await?;
    // Two devices that merge at once would otherwise not count each other's.
    hold_row(connection, "users", user).await?;
    let wanted = products.iter().filter(|id| listed.iter().any(|row| row.product_id == **id));
    let rows = wanted.map(|product| vec![Uuid::now_v7().into(), user.into(), (*product).into(), now().into()]).collect();
    let into = "favourites (id, user_id, product_id, created_at)";
    insert_many_or(connection, into, rows, "on conflict (user_id, product_id) do nothing").await?;
    let row = connection.query_one_raw(sql(connection, "select count(*) as n from favourites where user_id = ?", [user.into()])).await?;
    let count: i64 = row.map(|row| row.try_get("", "n")).transpose()?.unwrap_or(0);
    if count > MOST {
        return Err(Fault::conflict("too_many_favourites", say("Paling banyak 500.", "At most 500.")));
    }
    Ok(listed.len())
}

async fn page(connection: &Connection, user: Uuid, locale: &Locale, cursor: Option<Uuid>, limit: Option<u32>) -> Outcome<Page<Favourite>> {
    let limit = page_limit(limit);
    let rows = of(connection, user, locale.0.tag(), cursor, limit + 1).await?;
    let read = |row: Row| {
        let product = serde_json::from_str(&row.card).map_err(Fault::internal)?;
        Ok((row.id, Favourite { product, added_at: row.created_at }))
    };
    let read: Vec<(Uuid, Favourite)> = rows.into_iter().map(read).collect::<Outcome<_>>()?;
    Ok(Page::cut(read, limit, |(id, _)| *id))
}

#[OpenApi(tag = "Tag::Identity")]
impl FavouritesApi {
    /// One's favourites
    ///
    /// The newest first. Products that left the public catalogue are not shown, and are back when they are.
    #[oai(path = "/v1/me/favourites", method = "get", operation_id = "list_favourites")]
    async fn list(
        &self,
        app: Data<&App>,
        member: Member,
        locale: Locale,
        limit: Query<Option<u32>>,
        cursor: Query<Option<Uuid>>,
    ) -> poem::Result<Reply<Page<Favourite>>> {
        Ok(Reply::new(&page(app.database.reader(), member.user_id, &locale, cursor.0, limit.0).await?))
    }

    /// Merge favourites kept on a device
    ///
    /// The answer is the first page of all.
    #[oai(path = "/v1/me/favourites", method = "post", operation_id = "merge_favourites")]
    async fn merge(&self, member: Member, locale: Locale, write: Write, body: Body<KeptOnDevice>) -> poem::Result<Reply<Page<Favourite>>> {
        let kept = body.read()?.product_ids;
        if kept.len() as i64 > MOST {
            return Err(Fault::invalid_field("/product_ids", "too_many", say("Paling banyak 500.", "At most 500.")).into());
        }
        let work = write.begin(&member, body.bytes()).await?;
        add(work.db(), member.user_id, &kept).await?;
        let all = page(work.db(), member.user_id, &locale, None, None).await?;
        work.finish(Reply::new(&all)).await
    }

    /// Add a favourite
    ///
    /// Twice is once.
    #[oai(path = "/v1/me/favourites/:product_id", method = "put", operation_id = "add_favourite")]
    async fn add(&self, member: Member, write: Write, product_id: Path<Uuid>) -> poem::Result<NoContent> {
        let work = write.begin(&member, &[]).await?;
        if add(work.db(), member.user_id, &[*product_id]).await? == 0 {
            return Err(Fault::not_found().into());
        }
        work.finish_empty().await
    }

    /// Remove a favourite
    #[oai(path = "/v1/me/favourites/:product_id", method = "delete", operation_id = "remove_favourite")]
    async fn remove(&self, member: Member, write: Write, product_id: Path<Uuid>) -> poem::Result<NoContent> {
        let work = write.begin(&member, &[]).await?;
        let text = "delete from favourites where user_id = ? and product_id = ?";
        work.db().execute_raw(sql(work.db(), text, [member.user_id.into(), (*product_id).into()])).await.map_err(Fault::from)?;
        work.finish_empty().await
    }
}
