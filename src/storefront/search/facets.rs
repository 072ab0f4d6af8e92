//! Filters and facets of the product list, and what they need to know beside the products.

use std::{borrow::Cow, collections::BTreeMap};

use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    catalogue::model::Origin,
    values::{Language, Localized, Money},
};

/// What products can be counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facet {
    Category,
    Region,
    Sme,
    Price,
    MaterialOrigin,
    WasteStream,
    Halal,
    InStock,
    Exhibition,
    /// WUB group of the SME.
    Wub,
    /// An attribute of some categories, by name.
    Attribute(String),
}

/// The name by which facets of all attributes are asked for.
pub const ATTRIBUTES: &str = "attributes";

impl Facet {
    /// Those that every product may have.
    pub const ALL: [Self; 10] = [
        Self::Category,
        Self::Region,
        Self::Sme,
        Self::Price,
        Self::MaterialOrigin,
        Self::WasteStream,
        Self::Halal,
        Self::InStock,
        Self::Exhibition,
        Self::Wub,
    ];

    /// The name of the filter.
    pub fn name(&self) -> Cow<'static, str> {
        let name = match self {
            Self::Attribute(name) => return format!("attribute.{name}").into(),
            Self::Category => "category",
            Self::Region => "region",
            Self::Sme => "sme",
            Self::Price => "price",
            Self::MaterialOrigin => "material_origin",
            Self::WasteStream => "waste_stream",
            Self::Halal => "halal",
            Self::InStock => "in_stock",
            Self::Exhibition => "exhibition",
            Self::Wub => "wub",
        };
        name.into()
    }
}

/// Which certificate a product has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize)]
#[oai(rename_all = "snake_case")]
pub enum HalalFilter {
    /// A verified one, valid today.
    Certified,
}

/// What a buyer narrows the list to. Values of one filter are alternatives; filters add up.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Filters {
    /// Slugs of categories; those below them are included.
    pub categories: Vec<String>,
    pub regions: Vec<String>,
    pub smes: Vec<String>,
    /// Rupiah, inclusive.
    pub price_min: Option<i64>,
    pub price_max: Option<i64>,
    pub origins: Vec<Origin>,
    pub wastes: Vec<String>,
    pub is_halal: bool,
    pub is_in_stock: bool,
    pub exhibitions: Vec<String>,
    /// Batches of an exhibition in which a product is shown.
    pub batches: Vec<Uuid>,
    pub booths: Vec<String>,
    pub wubs: Vec<Uuid>,
    /// Wished values by the name of the attribute.
    pub attributes: BTreeMap<String, Vec<Wish>>,
}

impl Filters {
    /// Whether only products that are shown at an exhibition are wanted.
    pub fn is_at_exhibition(&self) -> bool {
        !self.exhibitions.is_empty() || !self.batches.is_empty() || !self.booths.is_empty()
    }
}

/// What an attribute is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Wish {
    Value(String),
    /// A whole number between two, either of which may be open.
    Range(Option<i64>, Option<i64>),
}

impl Wish {
    /// Reads `hot`, `10..20`, `10..` or `..20`.
    pub fn read(text: &str) -> Self {
        let range = text.split_once("..").and_then(|(least, most)| {
            let bound = |text: &str| if text.is_empty() { Ok(None) } else { text.parse().map(Some) };
            Some((bound(least).ok()?, bound(most).ok()?))
        });
        range.map_or_else(|| Self::Value(text.to_owned()), |(least, most)| Self::Range(least, most))
    }

    pub fn holds(&self, value: &str) -> bool {
        match self {
            Self::Value(wanted) => wanted == value,
            Self::Range(least, most) => {
                value.parse::<i64>().is_ok_and(|number| least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most))
            }
        }
    }
}

/// A value of a facet.
#[derive(Object)]
pub struct FacetValue {
    /// What the filter of the same name takes; of `price` the least and the most, such as `0-24999`.
    pub value: String,
    /// For people, in the language that was asked for.
    pub label: String,
    /// Products with it, under all other filters.
    pub count: i64,
}

/// A range of prices in rupiah, both ends included.
pub struct PriceBand {
    from: i64,
    to: Option<i64>,
}

pub const PRICE_BANDS: [PriceBand; 6] = [
    PriceBand { from: 0, to: Some(24_999) },
    PriceBand { from: 25_000, to: Some(49_999) },
    PriceBand { from: 50_000, to: Some(99_999) },
    PriceBand { from: 100_000, to: Some(249_999) },
    PriceBand { from: 250_000, to: Some(999_999) },
    PriceBand { from: 1_000_000, to: None },
];

impl PriceBand {
    pub fn holds(&self, price: i64) -> bool {
        price >= self.from && self.to.is_none_or(|to| price <= to)
    }

    pub fn value(&self) -> String {
        format!("{}-{}", self.from, self.to.map(|to| to.to_string()).unwrap_or_default())
    }
}

/// What a price band is called.
pub fn price_label(value: &str) -> String {
    let Some((from, to)) = value.split_once('-') else { return value.to_owned() };
    let show = |rupiah: &str| rupiah.parse::<i64>().map_or_else(|_| rupiah.to_owned(), |rupiah| Money::idr(rupiah.saturating_mul(100)).display);
    if to.is_empty() { format!("≥ {}", show(from)) } else { format!("{} – {}", show(from), show(to)) }
}

/// What an origin is called.
pub fn origin_label(origin: Origin, language: Language) -> &'static str {
    match (origin, language) {
        (Origin::Virgin, Language::Id) => "Bahan baru",
        (Origin::Virgin, Language::En) => "New material",
        (Origin::Recycled, Language::Id) => "Daur ulang",
        (Origin::Recycled, Language::En) => "Recycled",
        (Origin::UpcycledIndustrial, Language::Id) => "Limbah industri",
        (Origin::UpcycledIndustrial, Language::En) => "Industrial waste",
        (Origin::UpcycledHousehold, Language::Id) => "Limbah rumah tangga",
        (Origin::UpcycledHousehold, Language::En) => "Household waste",
        (Origin::Natural, Language::Id) => "Bahan alam",
        (Origin::Natural, Language::En) => "Natural",
    }
}

/// Categories and public line-ups, as of a catalogue version.
#[derive(Default)]
pub struct Surroundings {
    pub version: i64,
    pub categories: Vec<CategoryName>,
    pub exhibitions: Vec<Shown>,
    pub wubs: Vec<Wub>,
}

/// A group of SMEs.
pub struct Wub {
    pub id: Uuid,
    pub name: Localized,
    /// Handles of its SMEs.
    pub smes: Vec<String>,
}

pub struct CategoryName {
    pub slug: String,
    pub name: Localized,
}

/// What an exhibition shows.
pub struct Shown {
    pub slug: String,
    pub title: Localized,
    pub products: Vec<Uuid>,
    /// Filled once the booth plan is published.
    pub places: Vec<Placed>,
}

/// Where a product is shown, and with which batch.
pub struct Placed {
    pub product: Uuid,
    pub batch: Uuid,
    pub booth: String,
}

impl Shown {
    /// The products that are shown here, in these batches and booths if any are named.
    pub fn at(&self, batches: &[Uuid], booths: &[String]) -> impl Iterator<Item = &Uuid> {
        let is_narrow = !batches.is_empty() || !booths.is_empty();
        let is_meant =
            move |place: &&Placed| (batches.is_empty() || batches.contains(&place.batch)) && (booths.is_empty() || booths.contains(&place.booth));
        let everywhere = self.products.iter().filter(move |_| !is_narrow);
        everywhere.chain(self.places.iter().filter(move |_| is_narrow).filter(is_meant).map(|place| &place.product))
    }
}
