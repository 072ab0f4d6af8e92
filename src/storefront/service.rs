//! Keeps the read model: every change that the public can see calls one of these in its transaction.

use chrono::NaiveDate;
use poem_openapi::types::ToJSON;
use uuid::Uuid;

use super::{
    model::{Card, CategoryRef, Detail, Image, PublicAttribute, SmeRef},
    offer::{Making, availability},
    search::entry::{Entry, Halal},
    store::{self, Row},
};
use crate::{
    app::App,
    catalogue::{
        self,
        api::{Material, Variant},
        attributes::{
            model::{Stated, stated},
            service::values,
        },
        model::{ListingStatus, Origin},
        service::Listing,
        store::variant,
    },
    documents,
    fault::{Fault, Outcome},
    media::model::AttachedPhoto,
    sme::{self, model::SmeStatus},
    values::{Language, Localized, Money, fold},
    work::Work,
};

/// Lists, refreshes or takes off one product, as its state and its SME's demand.
pub async fn refresh_product(work: &Work, id: Uuid) -> Outcome<()> {
    let product = catalogue::store::any_by_id(work.db(), id).await?;
    let sme = sme::store::by_id(work.db(), product.sme_id).await?;
    let is_public = product.status == ListingStatus::Published && product.deleted_at.is_none() && sme.status == SmeStatus::Verified;
    if !is_public {
        if store::unlist(work.db(), id).await? {
            work.touch_catalogue();
        }
        return Ok(());
    }
    let listing = catalogue::service::listing(work.db(), product).await?;
    let certificates = documents::store::halal(work.db(), sme.id, id).await?;
    store::list(work.db(), row(&listing, &sme, &certificates)?).await?;
    work.touch_catalogue();
    Ok(())
}

/// Refreshes all published products of an SME whose profile or status changed.
pub async fn refresh_sme(work: &Work, id: Uuid) -> Outcome<()> {
    let mut products = catalogue::store::published_of(work.db(), id).await?;
    // In the order in which triggers lock them as well, so that nobody waits for somebody who waits for them.
    products.sort_unstable();
    for product in products {
        refresh_product(work, product).await?;
    }
    work.touch_catalogue();
    Ok(())
}

/// Lists again what an older version listed with less to search by; returns how many products that was.
pub async fn refresh_outdated(app: &App) -> Outcome<usize> {
    let mut done = 0;
    loop {
        let outdated = store::outdated(app.database.reader()).await?;
        if outdated.is_empty() {
            return Ok(done);
        }
        let work = Work::begin(app, "upgrade").await?;
        for product in &outdated {
            refresh_product(&work, *product).await?;
        }
        work.commit().await?;
        done += outdated.len();
    }
}

fn row(listing: &Listing, sme: &sme::store::entity::Model, certificates: &[Option<NaiveDate>]) -> Outcome<Row> {
    let product = &listing.product;
    let stated = stated(&listing.attributes, &values(&product.attributes));
    let render = |language| {
        let card = card(listing, sme, language);
        (card.to_json_string(), detail(listing, card, &stated, language).to_json_string())
    };
    let ((card_id, detail_id), (card_en, detail_en)) = (render(Language::Id), render(Language::En));
    let entry = entry(listing, sme, certificates, stated);
    Ok(Row {
        product: product.id,
        sme: sme.id,
        sme_handle: sme.handle.clone(),
        handle: product.handle.clone(),
        category_path: listing.category.path.clone(),
        regency_code: sme.regency_code.clone(),
        price_minor: cheapest(listing),
        published_at: product.published_at.unwrap_or(product.updated_at),
        title_sort: fold(&product.title.id),
        search_text: serde_json::to_string(&entry).map_err(Fault::internal)?,
        card: Localized { id: card_id, en: Some(card_en) },
        detail: Localized { id: detail_id, en: Some(detail_en) },
    })
}

/// What is searched and filtered. `certificates` are the last days of halal certificates that cover the product.
fn entry(listing: &Listing, sme: &sme::store::entity::Model, certificates: &[Option<NaiveDate>], attributes: Vec<Stated>) -> Entry {
    let product = &listing.product;
    let materials = listing.materials.iter().map(|material| material.name.clone());
    let wastes: Vec<Localized> = listing.materials.iter().filter_map(|material| material.waste_source.clone()).collect();
    // A certificate without a last day outlasts all others.
    let is_endless = certificates.iter().any(Option::is_none);
    let halal = (listing.category.is_food == 1 && !certificates.is_empty())
        .then(|| Halal { until: if is_endless { None } else { certificates.iter().flatten().max().copied() } });
    let making = Making { to_order: product.made_to_order == 1, lead_time_days: product.lead_time_days };
    let is_available = |variant: &variant::Model| availability(variant.stock_policy, variant.on_hand, making).can_be_ordered();
    // A bare number or a yes is nothing to search by.
    let chosen =
        attributes.iter().filter(|stated| stated.shown.en.is_some() && stated.value.parse::<bool>().is_err()).map(|stated| stated.shown.clone());
    Entry {
        name: vec![product.title.clone()],
        tags: [listing.category.name.clone()].into_iter().chain(materials).chain(wastes.iter().cloned()).chain(chosen).collect(),
        text: [&product.summary, &product.description, &product.ingredients].into_iter().flatten().cloned().collect(),
        brand: sme.brand_name.clone(),
        origins: origins(listing),
        wastes,
        in_stock: listing.variants.iter().any(is_available),
        halal,
        attributes,
    }
}

/// Where its materials come from, each once.
fn origins(listing: &Listing) -> Vec<Origin> {
    let mut origins = Vec::new();
    for material in &listing.materials {
        if !origins.contains(&material.origin) {
            origins.push(material.origin);
        }
    }
    origins
}

fn cheapest(listing: &Listing) -> i64 {
    listing.variants.iter().map(|variant| variant.price_minor).min().unwrap_or_default()
}

fn card(listing: &Listing, sme: &sme::store::entity::Model, language: Language) -> Card {
    let product = &listing.product;
    let text = |text: &Option<Localized>| text.as_ref().map(|text| text.in_language(language).to_owned()).unwrap_or_default();
    let price = cheapest(listing);
    Card {
        id: product.id,
        handle: product.handle.clone(),
        sme: SmeRef { handle: sme.handle.clone(), name: sme.brand_name.clone(), is_demo: sme.is_demo == 1 },
        title: product.title.in_language(language).to_owned(),
        summary: text(&product.summary),
        category: CategoryRef { slug: listing.category.slug.clone(), name: listing.category.name.in_language(language).to_owned() },
        region: sme.regency_code.clone(),
        price: Money::idr(price),
        price_is_from: listing.variants.iter().any(|variant| variant.price_minor != price),
        made_to_order: product.made_to_order == 1,
        lead_time_days: product.lead_time_days,
        material_origins: origins(listing),
        image: shown(listing).first().map(|photo| image(photo, language)),
        published_at: product.published_at,
    }
}

fn detail(listing: &Listing, card: Card, stated: &[Stated], language: Language) -> Detail {
    let product = &listing.product;
    let attributes = stated.iter().map(|stated| PublicAttribute {
        name: stated.name.clone(),
        label: stated.label.in_language(language).to_owned(),
        value: stated.value.clone(),
        shown: stated.shown.in_language(language).to_owned(),
    });
    Detail {
        card,
        description: product.description.as_ref().map(|text| text.in_language(language).to_owned()).unwrap_or_default(),
        variants: listing.variants.iter().cloned().map(|variant| Variant::new(variant, &listing.tiers)).collect(),
        materials: listing.materials.iter().cloned().map(Material::from).collect(),
        images: shown(listing).into_iter().map(|photo| image(photo, language)).collect(),
        shelf_life_days: product.shelf_life_days,
        storage: product.storage,
        ingredients: product.ingredients.as_ref().map(|text| text.in_language(language).to_owned()),
        attributes: attributes.collect(),
        allergens: product.allergens.clone().and_then(|list| serde_json::from_value(list).ok()),
    }
}

/// The photos that are ready: the primary one first, the others in their order.
fn shown(listing: &Listing) -> Vec<&AttachedPhoto> {
    let mut ready: Vec<_> = listing.images.iter().filter(|image| image.photo.is_ready()).collect();
    ready.sort_by_key(|image| !image.is_primary);
    ready
}

fn image(attached: &AttachedPhoto, language: Language) -> Image {
    let photo = &attached.photo;
    Image {
        alt: attached.alt.in_language(language).to_owned(),
        width: photo.width.unwrap_or_default(),
        height: photo.height.unwrap_or_default(),
        placeholder: photo.placeholder.clone().unwrap_or_default(),
        dominant_color: photo.dominant_color.clone().unwrap_or_default(),
        focal_x_bp: attached.focal_x_bp,
        focal_y_bp: attached.focal_y_bp,
        renditions: photo.renditions.clone(),
    }
}
