//! Products over HTTP. Every write returns the whole product with its new ETag.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::{
    Object, OpenApi,
    param::{Path, Query},
};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    model::{
        Check, ContentUnit, ListingEvent, ListingStatus, NetContent, NewMaterial, NewProduct, NewVariant, Origin, PriceTiers, ProductPatch,
        ReasonCode, StockPolicy, Storage, VariantPatch, Verification, checklist,
    },
    service::{self, Decision, Listing},
    store::{self, TierRow, material, product, variant},
};
use crate::{
    app::App,
    audit::{self, AuditEntry},
    fault::{FORBIDDEN, Fault},
    http::{
        Body, Caller, Member, Page, Reply, Tag, Work, Write,
        locale::Locale,
        reply::{Created, NoContent, page_limit},
    },
    identity::{
        Actor, AgencyRole,
        policy::{self, Action, EditProduct, Permit, ReadAudit, ReadSme, ReviewProduct},
    },
    media::{
        self,
        model::{AttachedPhoto, AttachmentPatch, NewAttachment, SimilarPhoto},
    },
    sme,
    values::{Language, Localized, Money},
};

pub struct CatalogueApi;

/// A product as its SME and its agency see it.
#[derive(Object)]
pub struct Product {
    pub id: Uuid,
    pub sme_id: Uuid,
    /// Slug of the category.
    pub category: String,
    /// Unique within the SME; an old one redirects.
    pub handle: String,
    pub title: Localized,
    pub summary: Option<Localized>,
    pub description: Option<Localized>,
    pub status: ListingStatus,
    /// What the reviewer said last.
    pub status_reason: Option<String>,
    pub reason_codes: Vec<ReasonCode>,
    pub made_to_order: bool,
    pub lead_time_days: Option<i64>,
    pub shelf_life_days: Option<i64>,
    pub storage: Option<Storage>,
    pub ingredients: Option<Localized>,
    pub allergens: Option<Vec<String>>,
    /// By name, as the category defines them.
    pub attributes: BTreeMap<String, Value>,
    pub variants: Vec<Variant>,
    pub materials: Vec<Material>,
    pub images: Vec<AttachedPhoto>,
    pub completeness: Completeness,
    /// UTC, of the first publication.
    pub published_at: Option<DateTime<Utc>>,
    pub version: i64,
}

/// How much of the text is there in English.
#[derive(Object)]
pub struct Completeness {
    /// Percent of the texts in Indonesian that also exist in English.
    pub en_percent: u32,
}

/// A product in a list.
#[derive(Object)]
pub struct ProductSummary {
    pub id: Uuid,
    pub sme_id: Uuid,
    pub handle: String,
    pub title: Localized,
    pub status: ListingStatus,
    pub version: i64,
    pub updated_at: DateTime<Utc>,
}

#[derive(Object)]
pub struct Variant {
    pub id: Uuid,
    pub sku: Option<String>,
    pub options: BTreeMap<String, String>,
    pub price: Money,
    /// What a piece costs from a number of pieces on, the smallest first.
    pub price_tiers: Vec<PriceTier>,
    pub moq: i64,
    pub order_multiple: i64,
    pub net_content: Option<NetContent>,
    pub weight_g: Option<i64>,
    pub length_mm: Option<i64>,
    pub width_mm: Option<i64>,
    pub height_mm: Option<i64>,
    pub gtin: Option<String>,
    pub stock_policy: StockPolicy,
    pub on_hand: i64,
}

/// A wholesale price.
#[derive(Object)]
pub struct PriceTier {
    /// Pieces in one order.
    pub min_quantity: i64,
    /// Of one piece.
    pub price: Money,
}

#[derive(Object)]
pub struct Material {
    pub id: Uuid,
    pub name: Localized,
    pub origin: Origin,
    pub waste_source: Option<Localized>,
    pub mass_share_bp: i64,
    pub grams_diverted_per_unit: Option<i64>,
    pub verification: Verification,
}

/// The checklist of a product.
#[derive(Object)]
pub struct Readiness {
    /// Whether it could be submitted now.
    pub ready: bool,
    pub checks: Vec<Check>,
}

/// What a reviewer decides.
#[derive(Object, Deserialize, Default)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields, default)]
pub struct ReviewDecision {
    /// In the SME's language; required unless the decision is favourable.
    #[oai(validator(max_length = 1000))]
    pub reason: Option<String>,
    #[oai(validator(max_items = 20))]
    pub reason_codes: Vec<ReasonCode>,
}

impl Variant {
    /// A variant with those of the tiers that are its own.
    pub fn new(row: variant::Model, tiers: &[TierRow]) -> Self {
        let own = tiers.iter().filter(|tier| tier.variant_id == row.id);
        let content = row.net_content_value.zip(row.net_content_unit);
        Self {
            id: row.id,
            sku: row.sku,
            options: serde_json::from_value(row.options).unwrap_or_default(),
            price: Money::idr(row.price_minor),
            price_tiers: own.map(|tier| PriceTier { min_quantity: tier.min_quantity, price: Money::idr(tier.price_minor) }).collect(),
            moq: row.moq,
            order_multiple: row.order_multiple,
            net_content: content.map(|(value, unit): (i64, ContentUnit)| NetContent { value, unit }),
            weight_g: row.weight_g,
            length_mm: row.length_mm,
            width_mm: row.width_mm,
            height_mm: row.height_mm,
            gtin: row.gtin,
            stock_policy: row.stock_policy,
            on_hand: row.on_hand,
        }
    }
}

impl From<material::Model> for Material {
    fn from(row: material::Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            origin: row.origin,
            waste_source: row.waste_source,
            mass_share_bp: row.mass_share_bp,
            grams_diverted_per_unit: row.grams_diverted_per_unit,
            verification: row.verification,
        }
    }
}

impl From<product::Model> for ProductSummary {
    fn from(row: product::Model) -> Self {
        Self {
            id: row.id,
            sme_id: row.sme_id,
            handle: row.handle,
            title: row.title,
            status: row.status,
            version: row.version,
            updated_at: row.updated_at,
        }
    }
}

impl From<Listing> for Product {
    fn from(listing: Listing) -> Self {
        let product = listing.product;
        let texts = [Some(&product.title), product.summary.as_ref(), product.description.as_ref(), product.ingredients.as_ref()];
        let alts = listing.images.iter().map(|image| &image.alt);
        let texts: Vec<&Localized> = texts.into_iter().flatten().chain(alts).collect();
        let english = texts.iter().filter(|text| text.en.as_ref().is_some_and(|en| !en.trim().is_empty())).count();
        let en_percent = (english * 100 / texts.len().max(1)) as u32;
        Self {
            completeness: Completeness { en_percent },
            id: product.id,
            sme_id: product.sme_id,
            category: listing.category.slug,
            handle: product.handle,
            title: product.title,
            summary: product.summary,
            description: product.description,
            status: product.status,
            status_reason: product.status_reason,
            reason_codes: serde_json::from_value(product.reason_codes).unwrap_or_default(),
            made_to_order: product.made_to_order == 1,
            lead_time_days: product.lead_time_days,
            shelf_life_days: product.shelf_life_days,
            storage: product.storage,
            ingredients: product.ingredients,
            allergens: product.allergens.and_then(|list| serde_json::from_value(list).ok()),
            attributes: serde_json::from_value(product.attributes).unwrap_or_default(),
            variants: listing.variants.into_iter().map(|variant| Variant::new(variant, &listing.tiers)).collect(),
            materials: listing.materials.into_iter().map(Material::from).collect(),
            images: listing.images,
            published_at: product.published_at,
            version: product.version,
        }
    }
}

/// A write on one product, begun and permitted.
struct Edit<A> {
    work: Work,
    permit: Permit<A>,
    product: product::Model,
}

async fn begin<A: Action>(actor: &Actor, write: &Write, id: Uuid, body: &[u8]) -> poem::Result<Edit<A>> {
    let work = write.begin(actor, body).await?;
    let permit = policy::permit::<A>(actor, &service::scope(work.db(), id).await?)?;
    let product = store::by_id(work.db(), id).await?;
    Ok(Edit { work, permit, product })
}

async fn finish(work: Work, listing: Listing) -> poem::Result<Reply<Product>> {
    let version = listing.product.version;
    work.finish(Reply::new(&Product::from(listing)).version(version)).await
}

async fn created(work: Work, listing: Listing) -> poem::Result<Created<Product>> {
    let (version, location) = (listing.product.version, format!("/v1/products/{}", listing.product.id));
    work.finish(Created::new(&Product::from(listing)).version(version).location(location)).await
}

async fn owner_step(actor: &Actor, write: &Write, id: Uuid, event: ListingEvent) -> poem::Result<Reply<Product>> {
    let edit = begin::<EditProduct>(actor, write, id, &[]).await?;
    let listing = service::step(&edit.work, &edit.permit, edit.product, event).await?;
    finish(edit.work, listing).await
}

async fn decide(actor: &Actor, write: &Write, id: Uuid, event: ListingEvent, body: &Body<ReviewDecision>) -> poem::Result<Reply<Product>> {
    let edit = begin::<ReviewProduct>(actor, write, id, body.bytes()).await?;
    policy::not_ones_own(actor, edit.product.sme_id)?;
    let input = body.read()?;
    let decision = Decision { reason: input.reason, reason_codes: input.reason_codes };
    let listing = service::decide(&edit.work, &edit.permit, edit.product, event, decision).await?;
    finish(edit.work, listing).await
}

#[OpenApi(tag = "Tag::Products")]
impl CatalogueApi {
    /// List products of an SME
    ///
    /// All of them, whatever their status, oldest first.
    #[oai(path = "/v1/products", method = "get", operation_id = "list_products")]
    async fn list(
        &self,
        app: Data<&App>,
        caller: Caller,
        /// Whose products.
        sme_id: Query<Uuid>,
        status: Query<Option<ListingStatus>>,
        limit: Query<Option<u32>>,
        cursor: Query<Option<Uuid>>,
    ) -> poem::Result<Reply<Page<ProductSummary>>> {
        let reader = app.database.reader();
        policy::permit::<ReadSme>(&caller, &sme::store::scope(reader, *sme_id).await?)?;
        let limit = page_limit(limit.0);
        let wanted = store::ProductsOf { sme: *sme_id, status: status.0, after: cursor.0, limit: u64::from(limit) + 1 };
        Ok(Reply::new(&Page::cut(store::of_sme(reader, wanted).await?, limit, |product| product.id)))
    }

    /// Products that wait for a decision
    ///
    /// Within one's agencies, the longest waiting first.
    #[oai(path = "/v1/moderation/queue", method = "get", operation_id = "list_moderation_queue")]
    async fn queue(
        &self,
        app: Data<&App>,
        member: Member,
        limit: Query<Option<u32>>,
        cursor: Query<Option<Uuid>>,
    ) -> poem::Result<Reply<Page<ProductSummary>>> {
        let reviewer = |role: &AgencyRole| ReviewProduct::MAY.contains(&policy::Relation::Agency(*role));
        let agencies: Vec<Uuid> = member.agencies.iter().filter(|(_, role)| reviewer(role)).map(|(agency, _)| *agency).collect();
        if agencies.is_empty() {
            return Err(Fault::new(&FORBIDDEN).into());
        }
        let limit = page_limit(limit.0);
        Ok(Reply::new(&Page::cut(store::waiting(app.database.reader(), &agencies, cursor.0, u64::from(limit) + 1).await?, limit, |product| {
            product.id
        })))
    }

    /// Create a product
    ///
    /// As a draft, with its variants and materials.
    #[oai(path = "/v1/products", method = "post", operation_id = "create_product")]
    async fn create(&self, caller: Caller, write: Write, body: Body<NewProduct>) -> poem::Result<Created<Product>> {
        let new = body.read()?;
        let work = write.begin(&caller, body.bytes()).await?;
        let permit = policy::permit::<EditProduct>(&caller, &sme::store::scope(work.db(), new.sme_id).await?)?;
        let listing = service::create(&work, &permit, new).await?;
        created(work, listing).await
    }

    /// Read a product
    #[oai(path = "/v1/products/:product_id", method = "get", operation_id = "get_product")]
    async fn get(&self, app: Data<&App>, caller: Caller, product_id: Path<Uuid>) -> poem::Result<Reply<Product>> {
        let reader = app.database.reader();
        policy::permit::<ReadSme>(&caller, &service::scope(reader, *product_id).await?)?;
        let product = store::by_id(reader, *product_id).await?;
        let version = product.version;
        Ok(Reply::new(&Product::from(service::listing(reader, product).await?)).version(version))
    }

    /// Edit a product
    ///
    /// A JSON Merge Patch with If-Match. Texts only as a draft or when changes are requested; handle and lead time also later.
    #[oai(path = "/v1/products/:product_id", method = "patch", operation_id = "edit_product")]
    async fn edit(&self, caller: Caller, write: Write, product_id: Path<Uuid>, body: Body<ProductPatch>) -> poem::Result<Reply<Product>> {
        let edit = begin::<EditProduct>(&caller, &write, *product_id, body.bytes()).await?;
        let patch = body.read()?;
        write.if_match(edit.product.version)?;
        let listing = service::edit(&edit.work, &edit.permit, edit.product, patch).await?;
        finish(edit.work, listing).await
    }

    /// Delete a product
    ///
    /// Its handle and SKUs are free at once; for 30 days it can be restored.
    #[oai(path = "/v1/products/:product_id", method = "delete", operation_id = "delete_product")]
    async fn delete(&self, caller: Caller, write: Write, product_id: Path<Uuid>) -> poem::Result<NoContent> {
        let edit = begin::<EditProduct>(&caller, &write, *product_id, &[]).await?;
        write.if_match(edit.product.version)?;
        service::delete(&edit.work, &edit.permit, edit.product).await?;
        edit.work.finish_empty().await
    }

    /// Checklist before submitting
    #[oai(path = "/v1/products/:product_id/readiness", method = "get", operation_id = "get_product_readiness")]
    async fn readiness(&self, app: Data<&App>, caller: Caller, locale: Locale, product_id: Path<Uuid>) -> poem::Result<Reply<Readiness>> {
        let reader = app.database.reader();
        policy::permit::<ReadSme>(&caller, &service::scope(reader, *product_id).await?)?;
        let listing = service::listing(reader, store::by_id(reader, *product_id).await?).await?;
        let checks: Vec<Check> = checklist(&service::facts(&listing))
            .into_iter()
            .map(|(code, pointer, met, message)| Check {
                code: code.into(),
                pointer,
                met,
                message: if locale.0 == Language::En { message.en } else { message.id }.into_owned(),
            })
            .collect();
        Ok(Reply::new(&Readiness { ready: checks.iter().all(|check| check.met), checks }))
    }

    /// Photos of others that look like this product's
    ///
    /// A warning to reviewers: copied photos are recognised even when scaled or compressed again.
    #[oai(path = "/v1/products/:product_id/similar-photos", method = "get", operation_id = "list_similar_photos")]
    async fn similar_photos(&self, app: Data<&App>, member: Member, product_id: Path<Uuid>) -> poem::Result<Reply<Page<SimilarPhoto>>> {
        let reader = app.database.reader();
        policy::permit::<ReviewProduct>(&member, &service::scope(reader, *product_id).await?)?;
        Ok(Reply::new(&Page::whole(media::service::similar_to_product(reader, *product_id).await?, 500)))
    }

    /// Submit a product for review
    ///
    /// Fails with the unmet points of the checklist.
    #[oai(path = "/v1/products/:product_id/submit", method = "post", operation_id = "submit_product")]
    async fn submit(&self, caller: Caller, write: Write, product_id: Path<Uuid>) -> poem::Result<Reply<Product>> {
        owner_step(&caller, &write, *product_id, ListingEvent::Submit).await
    }

    /// Pause a published product
    #[oai(path = "/v1/products/:product_id/pause", method = "post", operation_id = "pause_product")]
    async fn pause(&self, caller: Caller, write: Write, product_id: Path<Uuid>) -> poem::Result<Reply<Product>> {
        owner_step(&caller, &write, *product_id, ListingEvent::Pause).await
    }

    /// Publish a paused product again
    #[oai(path = "/v1/products/:product_id/resume", method = "post", operation_id = "resume_product")]
    async fn resume(&self, caller: Caller, write: Write, product_id: Path<Uuid>) -> poem::Result<Reply<Product>> {
        owner_step(&caller, &write, *product_id, ListingEvent::Resume).await
    }

    /// Archive a product
    #[oai(path = "/v1/products/:product_id/archive", method = "post", operation_id = "archive_product")]
    async fn archive(&self, caller: Caller, write: Write, product_id: Path<Uuid>) -> poem::Result<Reply<Product>> {
        owner_step(&caller, &write, *product_id, ListingEvent::Archive).await
    }

    /// Restore an archived or deleted product
    ///
    /// As a draft. A deleted one only within 30 days, and while its handle and SKUs are still free.
    #[oai(path = "/v1/products/:product_id/restore", method = "post", operation_id = "restore_product")]
    async fn restore(&self, caller: Caller, write: Write, product_id: Path<Uuid>) -> poem::Result<Reply<Product>> {
        let work = write.begin(&caller, &[]).await?;
        let permit = policy::permit::<EditProduct>(&caller, &service::scope(work.db(), *product_id).await?)?;
        let listing = service::restore(&work, &permit, *product_id).await?;
        finish(work, listing).await
    }

    /// Approve a product
    ///
    /// It is public with this commit.
    #[oai(path = "/v1/products/:product_id/approve", method = "post", operation_id = "approve_product")]
    async fn approve(&self, member: Member, write: Write, product_id: Path<Uuid>, body: Body<ReviewDecision>) -> poem::Result<Reply<Product>> {
        decide(&member, &write, *product_id, ListingEvent::Approve, &body).await
    }

    /// Send a product back for changes
    #[oai(path = "/v1/products/:product_id/request-changes", method = "post", operation_id = "request_product_changes")]
    async fn request_changes(
        &self,
        member: Member,
        write: Write,
        product_id: Path<Uuid>,
        body: Body<ReviewDecision>,
    ) -> poem::Result<Reply<Product>> {
        decide(&member, &write, *product_id, ListingEvent::RequestChanges, &body).await
    }

    /// Reject a product
    #[oai(path = "/v1/products/:product_id/reject", method = "post", operation_id = "reject_product")]
    async fn reject(&self, member: Member, write: Write, product_id: Path<Uuid>, body: Body<ReviewDecision>) -> poem::Result<Reply<Product>> {
        decide(&member, &write, *product_id, ListingEvent::Reject, &body).await
    }

    /// Suspend a public product
    #[oai(path = "/v1/products/:product_id/suspend", method = "post", operation_id = "suspend_product")]
    async fn suspend(&self, member: Member, write: Write, product_id: Path<Uuid>, body: Body<ReviewDecision>) -> poem::Result<Reply<Product>> {
        decide(&member, &write, *product_id, ListingEvent::Suspend, &body).await
    }

    /// Lift a suspension
    #[oai(path = "/v1/products/:product_id/reinstate", method = "post", operation_id = "reinstate_product")]
    async fn reinstate(&self, member: Member, write: Write, product_id: Path<Uuid>, body: Body<ReviewDecision>) -> poem::Result<Reply<Product>> {
        decide(&member, &write, *product_id, ListingEvent::Reinstate, &body).await
    }

    /// Add a variant
    #[oai(path = "/v1/products/:product_id/variants", method = "post", operation_id = "add_variant")]
    async fn add_variant(&self, caller: Caller, write: Write, product_id: Path<Uuid>, body: Body<NewVariant>) -> poem::Result<Created<Product>> {
        let edit = begin::<EditProduct>(&caller, &write, *product_id, body.bytes()).await?;
        let listing = service::add_variant(&edit.work, &edit.permit, edit.product, body.read()?).await?;
        created(edit.work, listing).await
    }

    /// Edit a variant
    ///
    /// A JSON Merge Patch with the product's ETag. Price and stock also while the product is public.
    #[oai(path = "/v1/products/:product_id/variants/:variant_id", method = "patch", operation_id = "edit_variant")]
    async fn edit_variant(
        &self,
        caller: Caller,
        write: Write,
        product_id: Path<Uuid>,
        variant_id: Path<Uuid>,
        body: Body<VariantPatch>,
    ) -> poem::Result<Reply<Product>> {
        let edit = begin::<EditProduct>(&caller, &write, *product_id, body.bytes()).await?;
        let patch = body.read()?;
        write.if_match(edit.product.version)?;
        let listing = service::edit_variant(&edit.work, &edit.permit, edit.product, *variant_id, patch).await?;
        finish(edit.work, listing).await
    }

    /// Set wholesale prices of a variant
    ///
    /// What a piece costs from a number of pieces on, also while the product is public; an empty list takes them away. Prices
    /// fall as quantities rise.
    #[oai(path = "/v1/products/:product_id/variants/:variant_id/price-tiers", method = "put", operation_id = "set_price_tiers")]
    async fn set_tiers(
        &self,
        caller: Caller,
        write: Write,
        product_id: Path<Uuid>,
        variant_id: Path<Uuid>,
        body: Body<PriceTiers>,
    ) -> poem::Result<Reply<Product>> {
        let edit = begin::<EditProduct>(&caller, &write, *product_id, body.bytes()).await?;
        let input = body.read()?;
        write.if_match(edit.product.version)?;
        let listing = service::set_tiers(&edit.work, &edit.permit, edit.product, *variant_id, input.tiers).await?;
        finish(edit.work, listing).await
    }

    /// Remove a variant
    #[oai(path = "/v1/products/:product_id/variants/:variant_id", method = "delete", operation_id = "delete_variant")]
    async fn delete_variant(&self, caller: Caller, write: Write, product_id: Path<Uuid>, variant_id: Path<Uuid>) -> poem::Result<Reply<Product>> {
        let edit = begin::<EditProduct>(&caller, &write, *product_id, &[]).await?;
        write.if_match(edit.product.version)?;
        let listing = service::delete_variant(&edit.work, &edit.permit, edit.product, *variant_id).await?;
        finish(edit.work, listing).await
    }

    /// Add a material line
    #[oai(path = "/v1/products/:product_id/materials", method = "post", operation_id = "add_material")]
    async fn add_material(&self, caller: Caller, write: Write, product_id: Path<Uuid>, body: Body<NewMaterial>) -> poem::Result<Created<Product>> {
        let edit = begin::<EditProduct>(&caller, &write, *product_id, body.bytes()).await?;
        let listing = service::add_material(&edit.work, &edit.permit, edit.product, body.read()?).await?;
        created(edit.work, listing).await
    }

    /// Remove a material line
    #[oai(path = "/v1/products/:product_id/materials/:material_id", method = "delete", operation_id = "delete_material")]
    async fn delete_material(&self, caller: Caller, write: Write, product_id: Path<Uuid>, material_id: Path<Uuid>) -> poem::Result<Reply<Product>> {
        let edit = begin::<EditProduct>(&caller, &write, *product_id, &[]).await?;
        write.if_match(edit.product.version)?;
        let listing = service::delete_material(&edit.work, &edit.permit, edit.product, *material_id).await?;
        finish(edit.work, listing).await
    }

    /// Attach a photo
    ///
    /// Of the same SME; it may still be in processing. The first becomes the primary.
    #[oai(path = "/v1/products/:product_id/images", method = "post", operation_id = "attach_image")]
    async fn attach_image(&self, caller: Caller, write: Write, product_id: Path<Uuid>, body: Body<NewAttachment>) -> poem::Result<Created<Product>> {
        let edit = begin::<EditProduct>(&caller, &write, *product_id, body.bytes()).await?;
        let listing = service::attach_image(&edit.work, &edit.permit, edit.product, body.read()?).await?;
        created(edit.work, listing).await
    }

    /// Order, primary, focal point and alternative text of a photo
    #[oai(path = "/v1/products/:product_id/images/:image_id", method = "patch", operation_id = "edit_image")]
    async fn edit_image(
        &self,
        caller: Caller,
        write: Write,
        product_id: Path<Uuid>,
        image_id: Path<Uuid>,
        body: Body<AttachmentPatch>,
    ) -> poem::Result<Reply<Product>> {
        let edit = begin::<EditProduct>(&caller, &write, *product_id, body.bytes()).await?;
        let patch = body.read()?;
        write.if_match(edit.product.version)?;
        let listing = service::edit_image(&edit.work, &edit.permit, edit.product, *image_id, patch).await?;
        finish(edit.work, listing).await
    }

    /// Detach a photo
    #[oai(path = "/v1/products/:product_id/images/:image_id", method = "delete", operation_id = "detach_image")]
    async fn detach_image(&self, caller: Caller, write: Write, product_id: Path<Uuid>, image_id: Path<Uuid>) -> poem::Result<Reply<Product>> {
        let edit = begin::<EditProduct>(&caller, &write, *product_id, &[]).await?;
        write.if_match(edit.product.version)?;
        let listing = service::detach_image(&edit.work, &edit.permit, edit.product, *image_id).await?;
        finish(edit.work, listing).await
    }

    /// Audit trail of a product
    ///
    /// The newest 100 entries, newest first.
    #[oai(path = "/v1/products/:product_id/audit", method = "get", operation_id = "list_product_audit", tag = "Tag::Audit")]
    async fn audit(&self, app: Data<&App>, member: Member, product_id: Path<Uuid>) -> poem::Result<Reply<Page<AuditEntry>>> {
        let reader = app.database.reader();
        policy::permit::<ReadAudit>(&member, &service::scope(reader, *product_id).await?)?;
        let data = audit::of_entity(reader, "product", *product_id).await?;
        Ok(Reply::new(&Page::whole(data, 100)))
    }
}
