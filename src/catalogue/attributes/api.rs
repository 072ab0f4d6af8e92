//! Attribute definitions over HTTP.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, OpenApi, param::Path, types::ToJSON};
use serde::Deserialize;
use serde_json::Value;

use super::{
    model::{AttributeDefinition, json_schema},
    service, store,
};
use crate::{
    catalogue::store::category_by_slug,
    fault::{Fault, Outcome},
    http::{Body, Member, Reply, Tag, Write},
    identity::policy::{self, ManageCategories, Scope},
    storefront::answer::{Public, Visit, whole},
};

pub struct AttributesApi;

/// What a category asks of its products.
#[derive(Object)]
pub struct CategoryAttributes {
    /// Slug of the category that it is defined for: the one asked for, or one above it.
    pub defined_for: Option<String>,
    /// 0 where nothing is defined.
    pub version: i64,
    /// UTC.
    pub created_at: Option<DateTime<Utc>>,
    pub attributes: Vec<AttributeDefinition>,
    /// The same as JSON Schema (draft 2020-12) of a product's `attributes`.
    pub json_schema: Value,
}

impl CategoryAttributes {
    fn new(row: Option<store::Row>) -> Outcome<Self> {
        let (mut attributes, mut shown) = (Vec::new(), (None, 0, None));
        if let Some(row) = row {
            attributes = serde_json::from_value(row.definitions).map_err(Fault::internal)?;
            shown = (Some(row.category), row.version, Some(row.created_at));
        }
        let (defined_for, version, created_at) = shown;
        Ok(Self { defined_for, version, created_at, json_schema: json_schema(&attributes), attributes })
    }
}

#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewCategoryAttributes {
    /// All of them, at most 30; they take the place of those of the version before.
    #[oai(validator(max_items = 100))]
    pub attributes: Vec<AttributeDefinition>,
}

#[OpenApi]
impl AttributesApi {
    /// Attributes of a category
    ///
    /// The newest version of its own, or of the nearest category above it that has any.
    #[oai(path = "/v1/storefront/categories/:slug/attributes", method = "get", operation_id = "get_category_attributes", tag = "Tag::Storefront")]
    async fn attributes(&self, visit: Visit, slug: Path<String>) -> poem::Result<Public<CategoryAttributes>> {
        let public = visit.answer(|app| async move {
            let reader = app.database.reader();
            let category = category_by_slug(reader, &slug).await?.ok_or_else(Fault::not_found)?;
            Ok(whole(CategoryAttributes::new(store::effective(reader, &category).await?)?.to_json_string()))
        });
        Ok(public.await?)
    }

    /// Define the attributes of a category
    ///
    /// As its next version. Values that products have stay; those that the new version does not know are no longer shown, and
    /// what is newly required is asked for when a product is submitted next.
    #[oai(path = "/v1/categories/:slug/attributes", method = "post", operation_id = "define_category_attributes", tag = "Tag::Products")]
    async fn define(
        &self,
        member: Member,
        write: Write,
        slug: Path<String>,
        body: Body<NewCategoryAttributes>,
    ) -> poem::Result<Reply<CategoryAttributes>> {
        let permit = policy::permit_new::<ManageCategories>(&member, &Scope::default())?;
        let work = write.begin(&member, body.bytes()).await?;
        let category = service::define(&work, &permit, &slug, &body.read()?.attributes).await?;
        let defined = CategoryAttributes::new(store::effective(work.db(), &category).await?)?;
        work.finish(Reply::new(&defined)).await
    }
}
