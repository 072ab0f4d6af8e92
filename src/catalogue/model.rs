//! The listing's state machine, the readiness checklist, and the rules of variants and materials.

use std::collections::{BTreeMap, BTreeSet};

use poem_openapi::{Enum, Object, types::MaybeUndefined};
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    fault::{FieldFault, Say, field, say},
    transitions::state_machine,
    values::{Language, Localized, MoneyInput, reading::as_read, text::is_visible},
};

/// Where a listing stands (product.md 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ListingStatus {
    Draft,
    Submitted,
    ChangesRequested,
    Rejected,
    Published,
    Paused,
    Suspended,
    Archived,
}

/// What can happen to a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ListingEvent {
    Submit,
    Approve,
    RequestChanges,
    Reject,
    Pause,
    Resume,
    Suspend,
    Reinstate,
    Archive,
    Restore,
}

impl ListingEvent {
    /// The name in the audit trail and in `allowed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Approve => "approve",
            Self::RequestChanges => "request_changes",
            Self::Reject => "reject",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Suspend => "suspend",
            Self::Reinstate => "reinstate",
            Self::Archive => "archive",
            Self::Restore => "restore",
        }
    }
}

state_machine! {
    ListingStatus on ListingEvent {
        Draft: Submit => Submitted, Archive => Archived;
        Submitted: Approve => Published, RequestChanges => ChangesRequested, Reject => Rejected, Archive => Archived;
        ChangesRequested: Submit => Submitted, Archive => Archived;
        Rejected: Archive => Archived;
        Published: Pause => Paused, Suspend => Suspended, Archive => Archived;
        Paused: Resume => Published, Suspend => Suspended, Archive => Archived;
        Suspended: Reinstate => Published, Archive => Archived;
        Archived: Restore => Draft;
    }
}

impl ListingStatus {
    /// Texts, materials and photos may change: what a reviewer has approved stays as approved.
    pub fn content_is_open(self) -> bool {
        matches!(self, Self::Draft | Self::ChangesRequested)
    }

    /// Price, stock, lead time, handle and the order of photos may change.
    pub fn trade_is_open(self) -> bool {
        self.content_is_open() || matches!(self, Self::Published | Self::Paused)
    }
}

/// Why a reviewer sends a listing back or refuses it (row C12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    PhotoUnclear,
    TextUnclear,
    TranslationWrong,
    PriceImplausible,
    CategoryWrong,
    FoodFactsMissing,
    ClaimUnproven,
    NotOwnProduct,
    Prohibited,
    Other,
}

/// What a product is kept at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    Ambient,
    Chilled,
    Frozen,
}

/// How stock is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum, Default)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum StockPolicy {
    Track,
    MadeToOrder,
    #[default]
    Untracked,
}

/// Unit of net content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ContentUnit {
    G,
    Kg,
    Ml,
    L,
    Pcs,
}

/// Where a material comes from (row C4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Virgin,
    Recycled,
    UpcycledIndustrial,
    UpcycledHousehold,
    Natural,
}

/// Who stands behind a material line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    SelfDeclared,
    Document,
    Verified,
}

/// How much is inside, such as 250 g.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NetContent {
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000")))]
    pub value: i64,
    pub unit: ContentUnit,
}

/// A variant to be added; a product has at least one.
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewVariant {
    /// Stock-keeping unit, unique within the SME.
    #[serde(default)]
    #[oai(validator(max_length = 64))]
    pub sku: Option<String>,
    /// At most three axes, such as `{"rasa": "durian"}`.
    #[serde(default)]
    #[oai(default)]
    pub options: BTreeMap<String, String>,
    pub price: MoneyInput,
    /// Confirms a price below Rp500.
    #[serde(default)]
    #[oai(default)]
    pub confirm_low_price: bool,
    /// Smallest order, in pieces; 1 where absent.
    #[serde(default)]
    #[oai(validator(minimum(value = "1"), maximum(value = "10000000")))]
    pub moq: Option<i64>,
    /// Orders come in multiples of this; 1 where absent.
    #[serde(default)]
    #[oai(validator(minimum(value = "1"), maximum(value = "10000000")))]
    pub order_multiple: Option<i64>,
    #[serde(default)]
    pub net_content: Option<NetContent>,
    /// Of the parcel, in grams.
    #[serde(default)]
    #[oai(validator(minimum(value = "1"), maximum(value = "10000000")))]
    pub weight_g: Option<i64>,
    /// Of the parcel, in millimetres.
    #[serde(default)]
    #[oai(validator(minimum(value = "1"), maximum(value = "100000")))]
    pub length_mm: Option<i64>,
    #[serde(default)]
    #[oai(validator(minimum(value = "1"), maximum(value = "100000")))]
    pub width_mm: Option<i64>,
    #[serde(default)]
    #[oai(validator(minimum(value = "1"), maximum(value = "100000")))]
    pub height_mm: Option<i64>,
    /// GS1 number of 8, 12, 13 or 14 digits.
    #[serde(default)]
    #[oai(validator(max_length = 14))]
    pub gtin: Option<String>,
    #[serde(default)]
    pub stock_policy: Option<StockPolicy>,
    /// Pieces in stock, where the policy is `track`.
    #[serde(default)]
    #[oai(validator(minimum(value = "0"), maximum(value = "10000000")))]
    pub on_hand: Option<i64>,
}

/// A JSON Merge Patch of a variant.
#[derive(Debug, Default, Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields, default)]
pub struct VariantPatch {
    #[oai(validator(max_length = 64))]
    pub sku: MaybeUndefined<String>,
    pub options: Option<BTreeMap<String, String>>,
    pub price: Option<MoneyInput>,
    /// Confirms a price below Rp500.
    pub confirm_low_price: bool,
    #[oai(validator(minimum(value = "1"), maximum(value = "10000000")))]
    pub moq: Option<i64>,
    #[oai(validator(minimum(value = "1"), maximum(value = "10000000")))]
    pub order_multiple: Option<i64>,
    pub net_content: MaybeUndefined<NetContent>,
    #[oai(validator(minimum(value = "1"), maximum(value = "10000000")))]
    pub weight_g: MaybeUndefined<i64>,
    #[oai(validator(minimum(value = "1"), maximum(value = "100000")))]
    pub length_mm: MaybeUndefined<i64>,
    #[oai(validator(minimum(value = "1"), maximum(value = "100000")))]
    pub width_mm: MaybeUndefined<i64>,
    #[oai(validator(minimum(value = "1"), maximum(value = "100000")))]
    pub height_mm: MaybeUndefined<i64>,
    #[oai(validator(max_length = 14))]
    pub gtin: MaybeUndefined<String>,
    pub stock_policy: Option<StockPolicy>,
    #[oai(validator(minimum(value = "0"), maximum(value = "10000000")))]
    pub on_hand: Option<i64>,
}

/// What a piece costs from a number of pieces on (row C7).
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewPriceTier {
    /// Pieces in one order, at least 2.
    #[oai(validator(minimum(value = "2"), maximum(value = "10000000")))]
    pub min_quantity: i64,
    /// Of one piece; less than before.
    pub price: MoneyInput,
}

/// All tiers of a variant; they take the place of those there are.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct PriceTiers {
    /// At most 10.
    #[oai(validator(max_items = 20))]
    pub tiers: Vec<NewPriceTier>,
}

/// A material line to be added.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewMaterial {
    pub name: Localized,
    pub origin: Origin,
    /// The waste stream it was taken from, where it was.
    #[serde(default)]
    pub waste_source: Option<Localized>,
    /// Share of the product's mass in basis points: 10000 is all of it. The lines of a product never pass that.
    #[oai(validator(minimum(value = "0"), maximum(value = "10000")))]
    pub mass_share_bp: i64,
    /// Waste kept out of the bin per piece, in grams, as the SME states it.
    #[serde(default)]
    #[oai(validator(minimum(value = "0"), maximum(value = "10000000")))]
    pub grams_diverted_per_unit: Option<i64>,
}

/// A product to be created, with its variants and materials.
#[derive(Debug, Clone, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct NewProduct {
    pub sme_id: Uuid,
    /// Slug of a category, such as `dodol`.
    #[oai(validator(max_length = 80))]
    pub category: String,
    pub title: Localized,
    /// Made from the title where absent.
    #[serde(default)]
    #[oai(validator(max_length = 80))]
    pub handle: Option<String>,
    #[serde(default)]
    pub summary: Option<Localized>,
    #[serde(default)]
    pub description: Option<Localized>,
    #[serde(default)]
    #[oai(default)]
    pub made_to_order: bool,
    /// Days from order to dispatch.
    #[serde(default)]
    #[oai(validator(minimum(value = "0"), maximum(value = "365")))]
    pub lead_time_days: Option<i64>,
    /// Days that food keeps.
    #[serde(default)]
    #[oai(validator(minimum(value = "1"), maximum(value = "3650")))]
    pub shelf_life_days: Option<i64>,
    #[serde(default)]
    pub storage: Option<Storage>,
    #[serde(default)]
    pub ingredients: Option<Localized>,
    /// Names of allergens; an empty list says that there are none.
    #[serde(default)]
    #[oai(validator(max_items = 50))]
    pub allergens: Option<Vec<String>>,
    /// By name, as the category defines them.
    #[serde(default)]
    #[oai(default)]
    pub attributes: BTreeMap<String, Value>,
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(max_items = 100))]
    pub variants: Vec<NewVariant>,
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(max_items = 30))]
    pub materials: Vec<NewMaterial>,
}

/// A JSON Merge Patch of a product. A text in two languages is one value and is replaced whole.
#[derive(Debug, Default, Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields, default)]
pub struct ProductPatch {
    #[oai(validator(max_length = 80))]
    pub category: Option<String>,
    pub title: Option<Localized>,
    #[oai(validator(max_length = 80))]
    pub handle: Option<String>,
    pub summary: MaybeUndefined<Localized>,
    pub description: MaybeUndefined<Localized>,
    pub made_to_order: Option<bool>,
    /// Days from order to dispatch.
    #[oai(validator(minimum(value = "0"), maximum(value = "365")))]
    pub lead_time_days: MaybeUndefined<i64>,
    /// Days that food keeps.
    #[oai(validator(minimum(value = "1"), maximum(value = "3650")))]
    pub shelf_life_days: MaybeUndefined<i64>,
    pub storage: MaybeUndefined<Storage>,
    pub ingredients: MaybeUndefined<Localized>,
    #[oai(validator(max_items = 50))]
    pub allergens: MaybeUndefined<Vec<String>>,
    /// Those named change; null takes one away.
    pub attributes: Option<BTreeMap<String, Value>>,
}

impl ProductPatch {
    /// Whether it changes what a reviewer approves.
    pub fn touches_content(&self) -> bool {
        self.category.is_some()
            || self.title.is_some()
            || !self.summary.is_undefined()
            || !self.description.is_undefined()
            || !self.shelf_life_days.is_undefined()
            || !self.storage.is_undefined()
            || !self.ingredients.is_undefined()
            || !self.allergens.is_undefined()
            || self.attributes.is_some()
    }
}

/// A number that must lie in a range.
pub fn check_range(value: Option<i64>, range: std::ops::RangeInclusive<i64>, pointer: &str, faults: &mut Vec<FieldFault>) {
    if let Some(value) = value
        && !range.contains(&value)
    {
        let (low, high) = (range.start(), range.end());
        let message = say(format!("Antara {low} dan {high}."), format!("Between {low} and {high}."));
        faults.push(field(pointer, "out_of_range", message));
    }
}

/// Validates a GTIN: 8, 12, 13 or 14 digits, not all of them zero, the last of which is the check digit (GS1 General Specifications
/// 7.9).
pub fn check_gtin(gtin: &str, pointer: &str, faults: &mut Vec<FieldFault>) {
    let digits: Option<Vec<u32>> = gtin.chars().map(|c| c.to_digit(10)).collect();
    let valid = digits.is_some_and(|digits| {
        let weighted = digits.iter().rev().enumerate().map(|(place, digit)| if place % 2 == 1 { digit * 3 } else { *digit });
        matches!(digits.len(), 8 | 12 | 13 | 14) && weighted.sum::<u32>().is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
    });
    if !valid {
        faults.push(field(pointer, "bad_gtin", say("GTIN atau angka pemeriksanya salah.", "Not a GTIN, or its check digit is wrong.")));
    }
}

/// A GTIN as the number of 14 digits that it is: a shorter one has zeros before it (GS1 General Specifications 3.3.2).
pub fn gtin_read(gtin: &str) -> String {
    format!("{gtin:0>14}")
}

/// Validates options: at most three axes, names and values of one line that are neither blank nor long, no two axes of one name.
pub fn check_options(options: &BTreeMap<String, String>, pointer: &str, faults: &mut Vec<FieldFault>) {
    let fits = |text: &String| is_visible(text) && !text.contains(['\n', '\t']) && text.chars().count() <= 60;
    if options.len() > 3 || options.iter().any(|(name, value)| !fits(name) || !fits(value)) {
        let message =
            say("Paling banyak 3 pilihan, masing-masing satu baris 1–60 karakter.", "At most 3 options, each of one line of 1 to 60 characters.");
        faults.push(field(pointer, "bad_options", message));
    } else if options.keys().map(|name| as_read(name)).collect::<BTreeSet<_>>().len() < options.len() {
        let message = say("Dua pilihan dengan nama yang sama.", "Two options of the same name.");
        faults.push(field(pointer, "bad_options", message));
    }
}

/// Options as a person would call them; `None` if a variant has none, which is then never the same as another.
pub fn options_as_read(options: &BTreeMap<String, String>) -> Option<String> {
    let read: BTreeMap<String, String> = options.iter().map(|(name, value)| (as_read(name), as_read(value))).collect();
    (!read.is_empty()).then(|| json!(read).to_string())
}

/// Adds a fault if a person would call the options of another variant the same.
pub fn check_options_differ(options: &BTreeMap<String, String>, others: &BTreeSet<String>, pointer: &str, faults: &mut Vec<FieldFault>) {
    if options_as_read(options).is_some_and(|read| others.contains(&read)) {
        let message = say("Varian lain sudah punya pilihan ini.", "Another variant has these options.");
        faults.push(field(pointer, "same_options", message));
    }
}

/// One line of the checklist before submitting.
#[derive(Debug, Clone, Object)]
pub struct Check {
    pub code: String,
    /// Where to fix it: JSON Pointer into the product.
    pub pointer: String,
    pub met: bool,
    /// In the reader's language.
    pub message: String,
}

/// What the checklist looks at.
#[derive(Debug, Clone, Default)]
pub struct ListingFacts {
    pub is_food: bool,
    pub has_summary: bool,
    pub has_variant: bool,
    pub has_ready_image: bool,
    pub has_net_content: bool,
    pub has_shelf_life: bool,
    pub has_storage: bool,
    pub has_ingredients: bool,
    pub has_allergens: bool,
    /// What the category requires: name, label, and whether it is there.
    pub attributes: Vec<(String, Localized, bool)>,
}

/// What a submission needs, each with whether it is met: a summary in Indonesian, a price, a ready photo, for food its
/// facts, and what the category requires.
pub fn checklist(facts: &ListingFacts) -> Vec<(&'static str, String, bool, Say)> {
    let mut checks = vec![
        ("summary", "/summary/id", facts.has_summary, say("Ringkasan dalam bahasa Indonesia.", "A summary in Indonesian.")),
        ("price", "/variants", facts.has_variant, say("Sedikitnya satu varian berharga.", "At least one variant with a price.")),
        ("ready_image", "/images", facts.has_ready_image, say("Sedikitnya satu foto yang siap.", "At least one photo that is ready.")),
    ];
    if facts.is_food {
        checks.extend([
            ("net_content", "/variants", facts.has_net_content, say("Isi bersih pada setiap varian.", "Net content on every variant.")),
            ("shelf_life", "/shelf_life_days", facts.has_shelf_life, say("Masa simpan dalam hari.", "Shelf life in days.")),
            ("storage", "/storage", facts.has_storage, say("Cara penyimpanan.", "How it is stored.")),
            ("ingredients", "/ingredients", facts.has_ingredients, say("Komposisi.", "Ingredients.")),
            (
                "allergens",
                "/allergens",
                facts.has_allergens,
                say("Alergen; daftar kosong bila tidak ada.", "Allergens; an empty list where there are none."),
            ),
        ]);
    }
    let mut checks: Vec<_> = checks.into_iter().map(|(code, pointer, met, message)| (code, pointer.to_owned(), met, message)).collect();
    checks.extend(facts.attributes.iter().map(|(name, label, met)| {
        let message = say(format!("{}.", label.in_language(Language::Id)), format!("{}.", label.in_language(Language::En)));
        ("attribute", format!("/attributes/{name}"), *met, message)
    }));
    checks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_gtin_needs_the_right_check_digit() {
        for (gtin, valid) in
            [("4006381333931", true), ("4006381333932", false), ("96385074", true), ("12345", false), ("4006381-33393", false), ("00000000", false)]
        {
            let mut faults = Vec::new();
            check_gtin(gtin, "/gtin", &mut faults);
            assert_eq!(faults.is_empty(), valid, "{gtin}");
        }
    }

    #[test]
    fn a_gtin_is_the_same_number_with_and_without_zeros_before_it() {
        assert_eq!(gtin_read("96385074"), "00000096385074");
        assert_eq!(gtin_read("4006381333931"), gtin_read("04006381333931"));
    }

    #[test]
    fn an_option_is_one_line_in_which_something_can_be_seen() {
        for (value, is_refused) in [("merah", false), ("merah\ntua", true), ("merah\ttua", true), ("\u{3164}", true), ("\u{2800}", true)] {
            let mut faults = Vec::new();
            check_options(&BTreeMap::from([("warna".to_owned(), value.to_owned())]), "/options", &mut faults);
            assert_eq!(!faults.is_empty(), is_refused, "{value:?}");
        }
    }

    #[test]
    fn options_are_the_same_where_a_person_would_call_them_so() {
        let options =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>();
        let others: BTreeSet<String> = options_as_read(&options(&[("warna", "merah"), ("ukuran", "M")])).into_iter().collect();
        for (given, differs) in [
            (options(&[("Warna", " Merah "), ("ukuran", "m")]), false),
            (options(&[("warna", "ＭＥＲＡＨ"), ("ukuran", "M")]), false),
            (options(&[("warna", "merah")]), true),
            (options(&[("warna", "merah tua"), ("ukuran", "M")]), true),
            (options(&[]), true),
        ] {
            let mut faults = Vec::new();
            check_options_differ(&given, &others, "/options", &mut faults);
            assert_eq!(faults.is_empty(), differs, "{given:?}");
        }
        let mut faults = Vec::new();
        check_options(&options(&[("warna", "merah"), ("Warna ", "biru")]), "/options", &mut faults);
        assert_eq!(faults.len(), 1);
    }

    #[test]
    fn food_needs_its_facts_and_a_bag_does_not() {
        let bag = ListingFacts { has_summary: true, has_variant: true, has_ready_image: true, ..ListingFacts::default() };
        assert!(checklist(&bag).iter().all(|(_, _, met, _)| *met));
        let dodol = ListingFacts { is_food: true, ..bag };
        assert_eq!(checklist(&dodol).iter().filter(|(_, _, met, _)| !met).count(), 5);
    }

    proptest! {
        #[test]
        fn exactly_one_last_digit_makes_a_gtin(body in "[1-9][0-9]{11}") {
            let valid = (0..10).filter(|digit| {
                let mut faults = Vec::new();
                check_gtin(&format!("{body}{digit}"), "/gtin", &mut faults);
                faults.is_empty()
            });
            prop_assert_eq!(valid.count(), 1);
        }
    }
}
