//! Use cases of a listing: create, edit, check, submit, decide, pause, archive, delete, restore.

use std::collections::BTreeSet;

use chrono::Duration;
use poem_openapi::types::MaybeUndefined;
use serde_json::json;
use uuid::Uuid;

use super::{
    attributes::{self, model::AttributeDefinition},
    model::{
        ListingEvent, ListingFacts, ListingStatus, NewMaterial, NewPriceTier, NewProduct, NewVariant, ProductPatch, ReasonCode, StockPolicy,
        VariantPatch, Verification, check_gtin, check_options, check_options_differ, check_range, checklist, gtin_read, options_as_read,
    },
    store::{self, TierRow, category, material, product, variant},
};
use crate::{
    fault::{Fault, FieldFault, Outcome, field, say},
    identity::policy::{EditProduct, Permit, ReviewProduct, Scope},
    media::{self, model::AttachedPhoto},
    platform::{clock::now, database::Connection},
    quotas, sme, storefront,
    transitions::Machine,
    values::{Localized, MOST_TRIES, check_handle, check_text, first_free, handle_from, reading::as_read, text::is_visible},
    work::Work,
};

/// A deleted product can be brought back within this time.
const RESTORABLE: Duration = Duration::days(30);
const MOST_VARIANTS: usize = 100;
const MOST_PIECES: i64 = 10_000_000;
const MOST_TIERS: usize = 10;

/// A product with all its parts.
pub struct Listing {
    pub product: product::Model,
    pub category: category::Model,
    pub variants: Vec<variant::Model>,
    pub tiers: Vec<TierRow>,
    pub materials: Vec<material::Model>,
    pub images: Vec<AttachedPhoto>,
    /// The attributes that its category defines now.
    pub attributes: Vec<AttributeDefinition>,
}

/// Reads the parts of `product`: six statements, whatever their number.
pub async fn listing(connection: &Connection, product: product::Model) -> Outcome<Listing> {
    let category = store::category_by_id(connection, product.category_id).await?;
    Ok(Listing {
        attributes: attributes::service::effective(connection, &category).await?,
        category,
        variants: store::variants(connection, product.id).await?,
        tiers: store::tiers(connection, product.id).await?,
        materials: store::materials(connection, product.id).await?,
        images: media::service::attached(connection, product.id).await?,
        product,
    })
}

/// The SME and agencies that a product belongs to.
pub async fn scope(connection: &Connection, product: Uuid) -> Outcome<Scope> {
    sme::store::scope(connection, store::owner(connection, product).await?).await
}

/// What the checklist looks at.
pub fn facts(listing: &Listing) -> ListingFacts {
    let product = &listing.product;
    let values = attributes::service::values(&product.attributes);
    let required = listing.attributes.iter().filter(|definition| definition.required);
    let has = |definition: &AttributeDefinition| attributes::model::missing(&listing.attributes, &values).all(|missing| missing != definition);
    let filled = |text: &Option<Localized>| text.as_ref().is_some_and(|text| !text.id.trim().is_empty());
    ListingFacts {
        is_food: listing.category.is_food == 1,
        has_summary: filled(&product.summary),
        has_variant: !listing.variants.is_empty(),
        has_ready_image: listing.images.iter().any(|image| image.photo.is_ready()),
        has_net_content: listing.variants.iter().all(|variant| variant.net_content_value.is_some()),
        has_shelf_life: product.shelf_life_days.is_some(),
        has_storage: product.storage.is_some(),
        has_ingredients: filled(&product.ingredients),
        has_allergens: product.allergens.is_some(),
        attributes: required.map(|definition| (definition.name.clone(), definition.label.clone(), has(definition))).collect(),
    }
}

/// Creates a draft with its variants and materials.
pub async fn create(work: &Work, permit: &Permit<EditProduct>, new: NewProduct) -> Outcome<Listing> {
    let mut faults = Vec::new();
    let category = find_category(work, &new.category, &mut faults).await?;
    let is_asked_for = new.handle.is_some();
    let product = product::Model {
        id: Uuid::now_v7(),
        sme_id: new.sme_id,
        category_id: category.as_ref().map(|category| category.id).unwrap_or_default(),
        handle: new.handle.unwrap_or_else(|| handle_from(&new.title.id, "produk")),
        title: new.title,
        summary: new.summary,
        description: new.description,
        status: ListingStatus::Draft,
        status_reason: None,
        reason_codes: json!([]),
        made_to_order: i64::from(new.made_to_order),
        lead_time_days: new.lead_time_days,
        shelf_life_days: new.shelf_life_days,
        storage: new.storage,
        ingredients: new.ingredients,
        allergens: new.allergens.map(|allergens| json!(allergens)),
        attributes: json!(new.attributes),
        published_at: None,
        deleted_at: None,
        version: 1,
        created_at: now(),
        updated_at: now(),
    };
    check_product(&product, &mut faults);
    check_attributes(work, category.as_ref(), &product, &mut faults).await?;
    if new.variants.len() > MOST_VARIANTS {
        faults.push(too_many_variants());
    }
    let mut variants = Vec::new();
    let mut known = BTreeSet::new();
    for (position, input) in new.variants.into_iter().enumerate() {
        check_options_differ(&input.options, &known, &format!("/variants/{position}/options"), &mut faults);
        known.extend(options_as_read(&input.options));
        variants.extend(variant_row(&product, input, position as i64, &format!("/variants/{position}"), &mut faults));
    }
    for (position, input) in new.materials.iter().enumerate() {
        check_material(input, &format!("/materials/{position}"), &mut faults);
    }
    refuse(faults)?;
    quotas::product(work, product.sme_id).await?;
    let product = if is_asked_for { insert(work, product).await? } else { insert_under_free_handle(work, product).await? };
    for variant in variants {
        store::insert_variant(work.db(), variant).await?;
    }
    for input in new.materials {
        store::insert_material(work.db(), material_row(product.id, input)).await?;
    }
    work.audit(permit, "create", "product", product.id, json!({ "handle": product.handle, "sme_id": product.sme_id }), None).await?;
    listing(work.db(), product).await
}

async fn insert(work: &Work, product: product::Model) -> Outcome<product::Model> {
    check_not_remembered(work, &product).await?;
    store::insert(work.db(), product).await
}

/// Refuses a handle under which another product of the SME is still found: its redirect would lead its buyers to another one.
async fn check_not_remembered(work: &Work, product: &product::Model) -> Outcome<()> {
    match store::remembered(work.db(), product.sme_id, &product.handle).await? {
        Some(other) if other != product.id => Err(handle_taken()),
        _ => Ok(()),
    }
}

fn handle_taken() -> Fault {
    Fault::conflict("handle_taken", say("Handle ini sudah dipakai produk lain.", "Another product has this handle."))
}

/// Inserts a product with a generated handle, or with the next free one if another product has it. Waits for whoever
/// inserts the same handle at this moment.
async fn insert_under_free_handle(work: &Work, mut product: product::Model) -> Outcome<product::Model> {
    let base = product.handle.clone();
    for _ in 0..MOST_TRIES {
        product.handle = first_free(&base, &store::handles_like(work.db(), product.sme_id, &base).await?);
        if store::insert_if_free(work.db(), &product).await? {
            return Ok(product);
        }
    }
    Err(handle_taken())
}

/// Changes a product by a merge patch. A renamed handle redirects from then on.
pub async fn edit(work: &Work, permit: &Permit<EditProduct>, mut product: product::Model, patch: ProductPatch) -> Outcome<Listing> {
    let open = if patch.touches_content() { product.status.content_is_open() } else { product.status.trade_is_open() };
    require_open(open, product.status)?;
    let mut faults = Vec::new();
    let old_handle = product.handle.clone();
    let is_described_anew = patch.category.is_some() || patch.attributes.is_some();
    if let Some(slug) = patch.category
        && let Some(category) = find_category(work, &slug, &mut faults).await?
    {
        product.category_id = category.id;
    }
    let mut values = attributes::service::values(&product.attributes);
    for (name, value) in patch.attributes.unwrap_or_default() {
        if value.is_null() {
            values.remove(&name);
        } else {
            values.insert(name, value);
        }
    }
    product.attributes = values.into();
    product.title = patch.title.unwrap_or(product.title);
    product.handle = patch.handle.unwrap_or(product.handle);
    product.made_to_order = patch.made_to_order.map_or(product.made_to_order, i64::from);
    merge(&mut product.summary, patch.summary);
    merge(&mut product.description, patch.description);
    merge(&mut product.lead_time_days, patch.lead_time_days);
    merge(&mut product.shelf_life_days, patch.shelf_life_days);
    merge(&mut product.storage, patch.storage);
    merge(&mut product.ingredients, patch.ingredients);
    match patch.allergens {
        MaybeUndefined::Value(allergens) => product.allergens = Some(json!(allergens)),
        MaybeUndefined::Null => product.allergens = None,
        MaybeUndefined::Undefined => {}
    }
    check_product(&product, &mut faults);
    if is_described_anew {
        let category = store::category_by_id(work.db(), product.category_id).await?;
        check_attributes(work, Some(&category), &product, &mut faults).await?;
    }
    refuse(faults)?;
    if product.handle != old_handle {
        check_not_remembered(work, &product).await?;
        store::remember_handle(work.db(), &product, &old_handle).await?;
    }
    changed(work, permit, product, "edit").await
}

/// Adds a variant at the end.
pub async fn add_variant(work: &Work, permit: &Permit<EditProduct>, product: product::Model, input: NewVariant) -> Outcome<Listing> {
    require_open(product.status.content_is_open(), product.status)?;
    let existing = store::variants(work.db(), product.id).await?;
    let mut faults = Vec::new();
    if existing.len() >= MOST_VARIANTS {
        faults.push(too_many_variants());
    }
    let position = existing.last().map_or(0, |last| last.position + 1);
    check_options_differ(&input.options, &options_of(existing.iter())?, "/options", &mut faults);
    let row = variant_row(&product, input, position, "", &mut faults);
    refuse(faults)?;
    if let Some(row) = row {
        store::insert_variant(work.db(), row).await?;
    }
    changed(work, permit, product, "add_variant").await
}

/// Changes a variant by a merge patch; price and stock also while the product is public.
pub async fn edit_variant(
    work: &Work,
    permit: &Permit<EditProduct>,
    product: product::Model,
    variant: Uuid,
    patch: VariantPatch,
) -> Outcome<Listing> {
    let content = patch.options.is_some() || !patch.net_content.is_undefined() || !patch.gtin.is_undefined();
    let open = if content { product.status.content_is_open() } else { product.status.trade_is_open() };
    require_open(open, product.status)?;
    let mut row = store::variant(work.db(), product.id, variant).await?;
    let mut faults = Vec::new();
    if let Some(price) = patch.price {
        match price.to_minor("/price", patch.confirm_low_price) {
            Ok(minor) => row.price_minor = minor,
            Err(fault) => faults.push(fault),
        }
    }
    if let Some(options) = patch.options {
        check_options(&options, "/options", &mut faults);
        let all = store::variants(work.db(), product.id).await?;
        check_options_differ(&options, &options_of(all.iter().filter(|other| other.id != row.id))?, "/options", &mut faults);
        row.options_read = options_as_read(&options);
        row.options = json!(options);
    }
    match patch.net_content {
        MaybeUndefined::Value(content) => (row.net_content_value, row.net_content_unit) = (Some(content.value), Some(content.unit)),
        MaybeUndefined::Null => (row.net_content_value, row.net_content_unit) = (None, None),
        MaybeUndefined::Undefined => {}
    }
    row.moq = patch.moq.unwrap_or(row.moq);
    row.order_multiple = patch.order_multiple.unwrap_or(row.order_multiple);
    row.stock_policy = patch.stock_policy.unwrap_or(row.stock_policy);
    row.on_hand = patch.on_hand.unwrap_or(row.on_hand);
    if !patch.sku.is_undefined() {
        merge(&mut row.sku, patch.sku);
        (row.sku, row.sku_read) = sku(row.sku).unzip();
    }
    if !patch.gtin.is_undefined() {
        merge(&mut row.gtin, patch.gtin);
        row.gtin_read = row.gtin.as_deref().map(gtin_read);
    }
    merge(&mut row.weight_g, patch.weight_g);
    merge(&mut row.length_mm, patch.length_mm);
    merge(&mut row.width_mm, patch.width_mm);
    merge(&mut row.height_mm, patch.height_mm);
    check_variant(&row, "", &mut faults);
    refuse(faults)?;
    store::update_variant(work.db(), row).await?;
    changed(work, permit, product, "edit_variant").await
}

/// Sets what a piece of a variant costs from some number on, also while the product is public.
pub async fn set_tiers(
    work: &Work,
    permit: &Permit<EditProduct>,
    product: product::Model,
    variant: Uuid,
    input: Vec<NewPriceTier>,
) -> Outcome<Listing> {
    require_open(product.status.trade_is_open(), product.status)?;
    let row = store::variant(work.db(), product.id, variant).await?;
    let mut faults = Vec::new();
    if input.len() > MOST_TIERS {
        faults.push(field("/tiers", "too_many", say("Paling banyak 10.", "At most 10.")));
    }
    let mut tiers: Vec<TierRow> = Vec::new();
    for (number, tier) in input.into_iter().enumerate() {
        let at = |part: &str| format!("/tiers/{number}/{part}");
        check_range(Some(tier.min_quantity), 2..=MOST_PIECES, &at("min_quantity"), &mut faults);
        // Less than what is asked for the tier before is the point of a tier, so a low price needs no confirmation.
        let price_minor = tier.price.to_minor(&at("price"), true).unwrap_or_else(|fault| {
            faults.push(fault);
            0
        });
        let (quantity_before, price_before) = tiers.last().map_or((1, row.price_minor), |before| (before.min_quantity, before.price_minor));
        if tier.min_quantity <= quantity_before {
            faults.push(field(at("min_quantity"), "not_rising", say("Harus naik dari tingkat ke tingkat.", "It has to rise from tier to tier.")));
        }
        if price_minor >= price_before || price_minor <= 0 {
            faults.push(field(at("price"), "not_falling", say("Harus turun dari tingkat ke tingkat.", "It has to fall from tier to tier.")));
        }
        tiers.push(TierRow { variant_id: variant, min_quantity: tier.min_quantity, price_minor });
    }
    refuse(faults)?;
    store::set_tiers(work.db(), variant, &tiers).await?;
    changed(work, permit, product, "set_price_tiers").await
}

/// Takes a variant out; its SKU and GTIN are free again.
pub async fn delete_variant(work: &Work, permit: &Permit<EditProduct>, product: product::Model, variant: Uuid) -> Outcome<Listing> {
    require_open(product.status.content_is_open(), product.status)?;
    let mut row = store::variant(work.db(), product.id, variant).await?;
    row.deleted_at = Some(now());
    store::update_variant(work.db(), row).await?;
    changed(work, permit, product, "delete_variant").await
}

/// Adds a material line; the database refuses more than 100 % in all.
pub async fn add_material(work: &Work, permit: &Permit<EditProduct>, product: product::Model, input: NewMaterial) -> Outcome<Listing> {
    require_open(product.status.content_is_open(), product.status)?;
    let mut faults = Vec::new();
    check_material(&input, "", &mut faults);
    refuse(faults)?;
    quotas::material(work, product.id).await?;
    store::insert_material(work.db(), material_row(product.id, input)).await?;
    changed(work, permit, product, "add_material").await
}

pub async fn delete_material(work: &Work, permit: &Permit<EditProduct>, product: product::Model, material: Uuid) -> Outcome<Listing> {
    require_open(product.status.content_is_open(), product.status)?;
    if !store::delete_material(work.db(), product.id, material).await? {
        return Err(Fault::not_found());
    }
    changed(work, permit, product, "delete_material").await
}

/// Attaches a photo of the same SME; the first one becomes the primary.
pub async fn attach_image(
    work: &Work,
    permit: &Permit<EditProduct>,
    product: product::Model,
    image: media::model::NewAttachment,
) -> Outcome<Listing> {
    require_open(product.status.content_is_open(), product.status)?;
    media::service::attach(work, product.sme_id, product.id, image).await?;
    changed(work, permit, product, "attach_image").await
}

/// Changes order, primary, focal point or alternative text, also while the product is public.
pub async fn edit_image(
    work: &Work,
    permit: &Permit<EditProduct>,
    product: product::Model,
    image: Uuid,
    patch: media::model::AttachmentPatch,
) -> Outcome<Listing> {
    require_open(product.status.trade_is_open(), product.status)?;
    media::service::edit_attachment(work, product.id, image, patch).await?;
    changed(work, permit, product, "edit_image").await
}

/// Detaches a photo; if it was the primary, the next one becomes it.
pub async fn detach_image(work: &Work, permit: &Permit<EditProduct>, product: product::Model, image: Uuid) -> Outcome<Listing> {
    require_open(product.status.content_is_open(), product.status)?;
    media::service::detach(work, product.id, image).await?;
    changed(work, permit, product, "detach_image").await
}

/// The owner's steps: submit, pause, resume, archive, restore.
pub async fn step(work: &Work, permit: &Permit<EditProduct>, product: product::Model, event: ListingEvent) -> Outcome<Listing> {
    let mut before = listing(work.db(), product).await?;
    before.product.status = before.product.status.transition(event)?;
    if event == ListingEvent::Submit {
        require_ready(&before)?;
    }
    let (product, sme) = (store::update(work.db(), before.product).await?, permit.on_behalf_of());
    storefront::service::refresh_product(work, product.id).await?;
    work.audit(permit, event.name(), "product", product.id, json!({ "status": product.status, "for": sme }), None).await?;
    listing(work.db(), product).await
}

/// What a reviewer says with a decision.
#[derive(Default)]
pub struct Decision {
    pub reason: Option<String>,
    pub reason_codes: Vec<ReasonCode>,
}

/// The reviewer's steps: approve, request changes, reject, suspend, reinstate. Requesting changes, rejecting and
/// suspending need a reason. A reviewer never decides on an SME of their own.
pub async fn decide(
    work: &Work,
    permit: &Permit<ReviewProduct>,
    mut product: product::Model,
    event: ListingEvent,
    decision: Decision,
) -> Outcome<Listing> {
    let needs_reason = matches!(event, ListingEvent::RequestChanges | ListingEvent::Reject | ListingEvent::Suspend);
    let reason = decision.reason.filter(|reason| is_visible(reason));
    if needs_reason && reason.is_none() {
        return Err(Fault::invalid_field("/reason", "required", say("Sebutkan alasannya.", "State the reason.")));
    }
    product.status = product.status.transition(event)?;
    if product.status == ListingStatus::Published {
        let candidate = listing(work.db(), product.clone()).await?;
        require_ready(&candidate)?;
        product.published_at = product.published_at.or_else(|| Some(now()));
    }
    product.status_reason = reason;
    product.reason_codes = json!(decision.reason_codes);
    let product = store::update(work.db(), product).await?;
    storefront::service::refresh_product(work, product.id).await?;
    let change = json!({ "status": product.status, "reason_codes": product.reason_codes });
    work.audit(permit, event.name(), "product", product.id, change, product.status_reason.as_deref()).await?;
    listing(work.db(), product).await
}

/// Deletes softly: handle and SKUs are free, and for 30 days it can be restored.
pub async fn delete(work: &Work, permit: &Permit<EditProduct>, mut product: product::Model) -> Outcome<()> {
    let at = now();
    product.deleted_at = Some(at);
    store::delete_variants(work.db(), product.id, at).await?;
    let product = store::update(work.db(), product).await?;
    storefront::service::refresh_product(work, product.id).await?;
    work.audit(permit, "delete", "product", product.id, json!({}), None).await
}

/// Brings a deleted or archived product back as a draft.
pub async fn restore(work: &Work, permit: &Permit<EditProduct>, id: Uuid) -> Outcome<Listing> {
    let Some(mut product) = store::deleted_since(work.db(), id, now() - RESTORABLE).await? else {
        let product = store::by_id(work.db(), id).await?;
        return step(work, permit, product, ListingEvent::Restore).await;
    };
    if let Some(at) = product.deleted_at.take() {
        quotas::product(work, product.sme_id).await?;
        store::restore_variants(work.db(), id, at).await?;
    }
    product.status = ListingStatus::Draft;
    changed(work, permit, product, "restore").await
}

/// Ends every edit: next version, public card, audit row.
async fn changed(work: &Work, permit: &Permit<EditProduct>, product: product::Model, action: &str) -> Outcome<Listing> {
    let product = store::update(work.db(), product).await?;
    storefront::service::refresh_product(work, product.id).await?;
    work.audit(permit, action, "product", product.id, json!({ "version": product.version }), None).await?;
    listing(work.db(), product).await
}

fn require_open(open: bool, status: ListingStatus) -> Outcome<()> {
    if open {
        return Ok(());
    }
    let detail = say(
        "Isi yang diperiksa hanya dapat diubah saat draf atau diminta perbaikan.",
        "What was reviewed can be changed only while it is a draft or changes are requested.",
    );
    Err(Fault::conflict("not_editable", detail).with("state", json!(status)).with("allowed", json!(status.allowed())))
}

fn require_ready(listing: &Listing) -> Outcome<()> {
    let missing = checklist(&facts(listing)).into_iter().filter(|(_, _, met, _)| !met);
    refuse(missing.map(|(code, pointer, _, message)| field(pointer, code, message)).collect())
}

fn refuse(faults: Vec<FieldFault>) -> Outcome<()> {
    if faults.is_empty() { Ok(()) } else { Err(Fault::invalid(faults)) }
}

fn merge<T>(place: &mut Option<T>, change: MaybeUndefined<T>) {
    match change {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => *place = None,
        MaybeUndefined::Value(value) => *place = Some(value),
    }
}

async fn find_category(work: &Work, slug: &str, faults: &mut Vec<FieldFault>) -> Outcome<Option<category::Model>> {
    let category = store::category_by_slug(work.db(), slug).await?;
    if category.is_none() {
        faults.push(field("/category", "unknown", say("Kategori tidak dikenal.", "No such category.")));
    }
    Ok(category)
}

/// Validates the attributes of a product against what its category defines.
async fn check_attributes(work: &Work, category: Option<&category::Model>, product: &product::Model, faults: &mut Vec<FieldFault>) -> Outcome<()> {
    if let Some(category) = category {
        let definitions = attributes::service::effective(work.db(), category).await?;
        attributes::model::check_values(&definitions, &attributes::service::values(&product.attributes), faults);
    }
    Ok(())
}

fn too_many_variants() -> FieldFault {
    field("/variants", "too_many", say("Paling banyak 100 varian.", "At most 100 variants."))
}

fn check_product(product: &product::Model, faults: &mut Vec<FieldFault>) {
    product.title.check("/title", 160, faults);
    check_handle(&product.handle, "/handle", faults);
    for (text, pointer, most) in
        [(&product.summary, "/summary", 400), (&product.description, "/description", 10_000), (&product.ingredients, "/ingredients", 2000)]
    {
        if let Some(text) = text {
            text.check(pointer, most, faults);
        }
    }
    check_range(product.lead_time_days, 0..=365, "/lead_time_days", faults);
    check_range(product.shelf_life_days, 1..=3650, "/shelf_life_days", faults);
    for (index, allergen) in product.allergens.iter().filter_map(|list| list.as_array()).flatten().enumerate() {
        check_text(allergen.as_str().unwrap_or_default(), &format!("/allergens/{index}"), 80, faults);
    }
}

fn variant_row(product: &product::Model, input: NewVariant, position: i64, pointer: &str, faults: &mut Vec<FieldFault>) -> Option<variant::Model> {
    let price = input.price.to_minor(&format!("{pointer}/price"), input.confirm_low_price).map_err(|fault| faults.push(fault));
    check_options(&input.options, &format!("{pointer}/options"), faults);
    let (sku, sku_read) = sku(input.sku).unzip();
    let row = variant::Model {
        id: Uuid::now_v7(),
        sme_id: product.sme_id,
        product_id: product.id,
        sku,
        sku_read,
        options_read: options_as_read(&input.options),
        options: json!(input.options),
        price_minor: price.unwrap_or_default(),
        currency: "IDR".into(),
        moq: input.moq.unwrap_or(1),
        order_multiple: input.order_multiple.unwrap_or(1),
        net_content_value: input.net_content.as_ref().map(|content| content.value),
        net_content_unit: input.net_content.as_ref().map(|content| content.unit),
        weight_g: input.weight_g,
        length_mm: input.length_mm,
        width_mm: input.width_mm,
        height_mm: input.height_mm,
        gtin_read: input.gtin.as_deref().map(gtin_read),
        gtin: input.gtin,
        stock_policy: input.stock_policy.unwrap_or(StockPolicy::Untracked),
        on_hand: input.on_hand.unwrap_or(0),
        position,
        deleted_at: None,
    };
    check_variant(&row, pointer, faults);
    price.is_ok().then_some(row)
}

/// A SKU as it is kept, and as people read it.
fn sku(given: Option<String>) -> Option<(String, String)> {
    given.map(|sku| (sku.trim().to_owned(), as_read(&sku)))
}

/// The options of variants as people read them.
fn options_of<'a>(variants: impl Iterator<Item = &'a variant::Model>) -> Outcome<BTreeSet<String>> {
    let as_read = |row: &variant::Model| {
        let options = serde_json::from_value(row.options.clone()).map_err(Fault::internal)?;
        Ok(options_as_read(&options))
    };
    variants.filter_map(|row| as_read(row).transpose()).collect()
}

fn check_variant(row: &variant::Model, pointer: &str, faults: &mut Vec<FieldFault>) {
    let at = |name: &str| format!("{pointer}/{name}");
    if let Some(sku) = &row.sku {
        check_text(sku, &at("sku"), 64, faults);
    }
    if let Some(gtin) = &row.gtin {
        check_gtin(gtin, &at("gtin"), faults);
    }
    check_range(Some(row.moq), 1..=MOST_PIECES, &at("moq"), faults);
    check_range(Some(row.order_multiple), 1..=MOST_PIECES, &at("order_multiple"), faults);
    check_range(Some(row.on_hand), 0..=MOST_PIECES, &at("on_hand"), faults);
    check_range(row.net_content_value, 1..=1_000_000, &at("net_content/value"), faults);
    check_range(row.weight_g, 1..=10_000_000, &at("weight_g"), faults);
    for (value, name) in [(row.length_mm, "length_mm"), (row.width_mm, "width_mm"), (row.height_mm, "height_mm")] {
        check_range(value, 1..=100_000, &at(name), faults);
    }
}

fn check_material(input: &NewMaterial, pointer: &str, faults: &mut Vec<FieldFault>) {
    input.name.check(&format!("{pointer}/name"), 120, faults);
    if let Some(source) = &input.waste_source {
        source.check(&format!("{pointer}/waste_source"), 300, faults);
    }
    check_range(Some(input.mass_share_bp), 0..=10_000, &format!("{pointer}/mass_share_bp"), faults);
    check_range(input.grams_diverted_per_unit, 0..=10_000_000, &format!("{pointer}/grams_diverted_per_unit"), faults);
}

fn material_row(product_id: Uuid, input: NewMaterial) -> material::Model {
    material::Model {
        id: Uuid::now_v7(),
        product_id,
        name: input.name,
        origin: input.origin,
        waste_source: input.waste_source,
        mass_share_bp: input.mass_share_bp,
        grams_diverted_per_unit: input.grams_diverted_per_unit,
        verification: Verification::SelfDeclared,
    }
}
