//! Public shapes: cards, details, pages of SMEs and exhibitions.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::search::facets::FacetValue;
use crate::{
    catalogue::{
        api::{Material, Variant},
        model::{Origin, Storage},
    },
    exhibitions::{
        model::{Dates, ExhibitionStatus, OpeningHours, Venue},
        plan::model::Batch,
    },
    media::model::Rendition,
    sme::model::Location,
    values::Money,
};

/// The order of a list; a minus means descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Default, Serialize)]
pub enum Sort {
    /// The best answer to `q` first; without `q` the newest.
    #[default]
    #[oai(rename = "relevance")]
    Relevance,
    #[oai(rename = "-published_at")]
    Newest,
    #[oai(rename = "price")]
    Cheapest,
    #[oai(rename = "-price")]
    Dearest,
    #[oai(rename = "title")]
    Title,
}

/// A product that was found.
#[derive(Object)]
pub struct FoundCard {
    #[oai(flatten)]
    pub card: Card,
    /// Where `q` was answered; absent without `q`.
    pub highlight: Option<Highlight>,
    #[oai(flatten)]
    pub more: MoreParts,
}

/// What a product has beyond a card, as far as it was asked for.
#[derive(Object)]
pub struct MoreParts {
    pub description: Option<String>,
    pub variants: Option<Vec<Variant>>,
    pub materials: Option<Vec<Material>>,
    pub images: Option<Vec<Image>>,
    pub shelf_life_days: Option<i64>,
    pub storage: Option<Storage>,
    pub ingredients: Option<String>,
    pub allergens: Option<Vec<String>>,
    pub attributes: Option<Vec<PublicAttribute>>,
}

/// The parts of a product that were asked for.
#[derive(Object)]
pub struct ProductParts {
    pub id: Uuid,
    pub handle: Option<String>,
    pub sme: Option<SmeRef>,
    pub title: Option<String>,
    pub summary: Option<String>,
    pub category: Option<CategoryRef>,
    pub region: Option<String>,
    pub price: Option<Money>,
    pub price_is_from: Option<bool>,
    pub made_to_order: Option<bool>,
    pub lead_time_days: Option<i64>,
    pub material_origins: Option<Vec<Origin>>,
    pub image: Option<Image>,
    /// UTC.
    pub published_at: Option<DateTime<Utc>>,
    #[oai(flatten)]
    pub more: MoreParts,
}

/// Texts as HTML: escaped, with what was found in `<mark>`.
#[derive(Object)]
pub struct Highlight {
    pub title: Option<String>,
    pub summary: Option<String>,
}

/// Products that were found, with how many there are.
#[derive(Object)]
pub struct ProductList {
    pub data: Vec<FoundCard>,
    pub page: ProductPageInfo,
    /// Those that `facets` asked for, by their names.
    pub facets: Option<BTreeMap<String, Vec<FacetValue>>>,
}

/// How to go on.
#[derive(Object)]
pub struct ProductPageInfo {
    /// Send as `cursor` to get the next page; absent on the last.
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<String>,
    pub limit: u32,
    /// Products on all pages, as of now.
    pub total_estimate: i64,
}

/// What may be meant.
#[derive(Object)]
pub struct Completion {
    pub kind: CompletionKind,
    pub text: String,
    /// The text as HTML: escaped, with what was typed in `<mark>`.
    pub highlight: String,
    /// Path of what is meant; of words, none: they are to be searched for.
    pub address: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum CompletionKind {
    /// What is typed, completed.
    Words,
    Category,
    Sme,
    Product,
}

/// A product that was listed, changed or left.
#[derive(Object)]
pub struct Change {
    pub product_id: Uuid,
    pub kind: ChangeKind,
    /// As it is now; absent where it has left.
    pub product: Option<Card>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Listed for the first time, again, or with other content.
    Listed,
    /// No longer public: a copy has to forget it.
    Removed,
}

/// A part of the log of changes.
#[derive(Object)]
pub struct Changes {
    pub data: Vec<Change>,
    pub page: ChangesPage,
}

/// How to go on.
#[derive(Object)]
pub struct ChangesPage {
    /// Send as `cursor` to get what happened after this page; there also where nothing has happened yet.
    pub next_cursor: String,
    /// Whether more has happened already.
    pub has_more: bool,
    pub limit: u32,
}

/// A product in a list, in the language that was asked for.
#[derive(Object, Serialize, Deserialize)]
pub struct Card {
    pub id: Uuid,
    pub handle: String,
    pub sme: SmeRef,
    pub title: String,
    pub summary: String,
    pub category: CategoryRef,
    /// Kemendagri code of the SME's regency.
    pub region: String,
    /// Of the cheapest variant.
    pub price: Money,
    /// Whether dearer variants exist.
    pub price_is_from: bool,
    pub made_to_order: bool,
    /// Days from order to dispatch.
    pub lead_time_days: Option<i64>,
    pub material_origins: Vec<Origin>,
    pub image: Option<Image>,
    /// UTC.
    pub published_at: Option<DateTime<Utc>>,
}

#[derive(Object, Serialize, Deserialize, Clone)]
pub struct SmeRef {
    pub handle: String,
    pub name: String,
    /// Invented for demonstration.
    pub is_demo: bool,
}

#[derive(Object, Serialize, Deserialize)]
pub struct CategoryRef {
    pub slug: String,
    pub name: String,
}

/// All that an `<img srcset>` needs.
#[derive(Object, Serialize, Deserialize)]
pub struct Image {
    pub alt: String,
    /// Intrinsic size in pixels.
    pub width: i64,
    pub height: i64,
    /// ThumbHash, base64.
    pub placeholder: String,
    /// `#rrggbb`.
    pub dominant_color: String,
    pub focal_x_bp: i64,
    pub focal_y_bp: i64,
    pub renditions: Vec<Rendition>,
}

/// A product with everything public about it.
#[derive(Object)]
pub struct Detail {
    #[oai(flatten)]
    pub card: Card,
    pub description: String,
    pub variants: Vec<Variant>,
    pub materials: Vec<Material>,
    pub images: Vec<Image>,
    pub shelf_life_days: Option<i64>,
    pub storage: Option<Storage>,
    pub ingredients: Option<String>,
    pub allergens: Option<Vec<String>>,
    /// What its category asks for; an attribute with several values comes once for each.
    pub attributes: Vec<PublicAttribute>,
}

/// A value of an attribute.
#[derive(Object, Serialize, Deserialize)]
pub struct PublicAttribute {
    pub name: String,
    pub label: String,
    /// What the filter `attribute` takes behind the name: `taste:hot`.
    pub value: String,
    /// For people.
    pub shown: String,
}

/// A product with the exhibitions that show it.
#[derive(Object)]
pub struct ProductPage {
    #[oai(flatten)]
    pub detail: Detail,
    pub exhibitions: Vec<ExhibitionRef>,
}

#[derive(Object, Serialize)]
pub struct ExhibitionRef {
    pub slug: String,
    pub title: String,
}

/// A verified business.
#[derive(Object)]
pub struct PublicSme {
    pub id: Uuid,
    pub handle: String,
    pub name: String,
    pub story: String,
    pub region: String,
    pub founded_year: Option<i64>,
    pub is_demo: bool,
    /// Only what the SME made public.
    pub contacts: Vec<Contact>,
    pub location: Option<Location>,
    /// Address by network.
    pub socials: BTreeMap<String, String>,
}

#[derive(Object)]
pub struct Contact {
    /// `street`, `phone`, `whatsapp`, `email` or `website`.
    pub kind: String,
    pub value: String,
}

/// A category with how many products are on show in it and below.
#[derive(Object)]
pub struct CategoryNode {
    pub slug: String,
    pub name: String,
    pub products: i64,
    pub children: Vec<CategoryNode>,
}

/// A regency with how many products come from it.
#[derive(Object)]
pub struct Region {
    /// Kemendagri code.
    pub code: String,
    pub products: i64,
}

/// An exhibition as the public sees it.
#[derive(Object)]
pub struct PublicExhibition {
    pub id: Uuid,
    pub slug: String,
    pub title: String,
    pub description: Option<String>,
    pub city: String,
    pub province_code: String,
    pub venue: Option<Venue>,
    pub opening_hours: Vec<OpeningHours>,
    pub dates: Dates,
    /// The dates for people, only as exactly as they are known.
    pub dates_label: String,
    pub time_zone: String,
    /// WIB, WITA or WIT.
    pub time_zone_label: String,
    pub status: ExhibitionStatus,
    pub status_reason: Option<String>,
    pub lineup_is_public: bool,
    pub is_demo: bool,
    /// Whether its facts were verified.
    pub source_status: Option<String>,
}

/// A product at an exhibition.
#[derive(Object)]
pub struct PublicLineupItem {
    pub id: Uuid,
    pub product: Card,
    pub price: Money,
    pub exhibition_price: Option<Money>,
    pub units_planned: i64,
    pub is_sample: bool,
    /// Where it is shown, once the plan is published.
    pub places: Vec<ItemPlace>,
}

/// A booth in one batch.
#[derive(Clone, Object)]
pub struct ItemPlace {
    /// Code of the booth.
    pub booth: String,
    pub batch_id: Uuid,
}

/// Who stands in a booth.
#[derive(Object)]
pub struct PublicBooth {
    /// Code of the booth.
    pub booth: String,
    pub slot: i64,
    /// On which days.
    pub batch: Batch,
    pub brand_name: String,
    /// Address part of the SME.
    pub sme_handle: String,
}
