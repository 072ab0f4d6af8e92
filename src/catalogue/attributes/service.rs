//! Definitions in versions, and what follows for the products that are described by them.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    model::{AttributeDefinition, check_definitions},
    store,
};
use crate::{
    app::App,
    catalogue::store::{category, category_by_slug},
    fault::{Fault, Outcome},
    identity::policy::{ManageCategories, Permit},
    platform::{database::Connection, jobs::JobKind},
    storefront,
    work::Work,
};

/// The definitions that count for a category.
pub async fn effective(connection: &Connection, category: &category::Model) -> Outcome<Vec<AttributeDefinition>> {
    let row = store::effective(connection, category).await?;
    row.map_or_else(|| Ok(Vec::new()), |row| serde_json::from_value(row.definitions).map_err(Fault::internal))
}

/// The values of a product as they are kept.
pub fn values(kept: &Value) -> Map<String, Value> {
    kept.as_object().cloned().unwrap_or_default()
}

/// Gives a category the next version of its definitions, and returns the category. Public products follow soon after.
pub async fn define(work: &Work, permit: &Permit<ManageCategories>, slug: &str, definitions: &[AttributeDefinition]) -> Outcome<category::Model> {
    let category = category_by_slug(work.db(), slug).await?.ok_or_else(Fault::not_found)?;
    let mut faults = Vec::new();
    check_definitions(definitions, &mut faults);
    if !faults.is_empty() {
        return Err(Fault::invalid(faults));
    }
    let version = store::newest(work.db(), category.id).await? + 1;
    store::insert(work.db(), category.id, version, json!(definitions), Some(permit.by())).await?;
    work.enqueue_all(JobKind::ShowSme, &store::smes_below(work.db(), &category.path).await?).await?;
    work.touch_catalogue();
    work.audit(permit, "define_attributes", "category", category.id, json!({ "version": version }), None).await?;
    Ok(category)
}

/// Shows the public products of an SME as they are described now.
pub async fn show(app: &App, sme: Uuid, request_id: &str) -> Outcome<()> {
    let work = Work::begin(app, request_id).await?;
    storefront::service::refresh_sme(&work, sme).await?;
    work.commit().await
}
