//! What is said of how a product can be bought: decided here, once, and said alike by the storefront's filter, by structured data
//! (schema.org) and by the feed of Google Merchant Center.

use chrono::{Days, NaiveDate};

use crate::{catalogue::model::StockPolicy, values::Money};

/// Whether and when a variant can be had, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Availability {
    InStock,
    /// Made once it is ordered, and sent after so many days where that is known.
    MadeToOrder {
        days: Option<u64>,
    },
    OutOfStock,
}

/// How a product is made.
#[derive(Debug, Clone, Copy)]
pub struct Making {
    pub to_order: bool,
    /// Days from order to dispatch.
    pub lead_time_days: Option<i64>,
}

/// The one table: a piece that lies there is in stock, whatever else is made to order. Where nothing lies there, or nobody
/// counts, it is made where anything says that it is.
pub fn availability(policy: StockPolicy, on_hand: i64, making: Making) -> Availability {
    let days = making.lead_time_days.and_then(|days| u64::try_from(days).ok()).filter(|days| *days > 0);
    match (policy, on_hand > 0, making.to_order) {
        (StockPolicy::Track | StockPolicy::MadeToOrder, true, _) | (StockPolicy::Untracked, _, false) => Availability::InStock,
        (StockPolicy::MadeToOrder, false, _) | (StockPolicy::Track | StockPolicy::Untracked, _, true) => Availability::MadeToOrder { days },
        (StockPolicy::Track, false, false) => Availability::OutOfStock,
    }
}

impl Availability {
    pub fn can_be_ordered(self) -> bool {
        self != Self::OutOfStock
    }

    /// A member of `ItemAvailability`.
    pub fn in_schema_org(self) -> &'static str {
        match self {
            Self::InStock => "InStock",
            Self::MadeToOrder { .. } => "MadeToOrder",
            Self::OutOfStock => "OutOfStock",
        }
    }

    /// The value of `availability`. Google takes `backorder` with an `availability_date` only; what can be ordered, but has no
    /// such day, is `in_stock` in its words: \"you're accepting orders\".
    pub fn in_merchant_center(self) -> &'static str {
        match self {
            Self::InStock | Self::MadeToOrder { days: None } => "in_stock",
            Self::MadeToOrder { days: Some(_) } => "backorder",
            Self::OutOfStock => "out_of_stock",
        }
    }

    /// When an order of today is sent, where that is later: `availabilityStarts` of schema.org, `availability_date` of Google.
    pub fn starts(self, today: NaiveDate) -> Option<String> {
        let Self::MadeToOrder { days: Some(days) } = self else { return None };
        today.checked_add_days(Days::new(days)).map(|day| day.format("%Y-%m-%dT00:00Z").to_string())
    }
}

/// Everything on show is new: used goods have no place in the catalogue.
pub const CONDITION_IN_SCHEMA_ORG: &str = "https://schema.org/NewCondition";
pub const CONDITION_IN_MERCHANT_CENTER: &str = "new";

/// Whole rupiah: both formats take prices without decimals.
pub fn rupiah(price: &Money) -> i64 {
    price.amount_minor / 100
}

/// The number that identifies what a product's price is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Identifier<'a> {
    Gtin(&'a str),
    /// Only dearer variants have one: there is nothing to give, and it would be wrong to say that none exists.
    OfAnotherVariant,
    None,
}

/// From the price and GTIN of each variant: the product's price is that of the cheapest, so its number is as well.
pub fn identifier<'a>(variants: impl Iterator<Item = (i64, Option<&'a str>)>) -> Identifier<'a> {
    let variants: Vec<_> = variants.collect();
    let cheapest = variants.iter().map(|(price, _)| *price).min();
    let numbers = || variants.iter().filter_map(|(price, gtin)| Some((*price, (*gtin)?)));
    match numbers().find(|(price, _)| Some(*price) == cheapest) {
        Some((_, gtin)) => Identifier::Gtin(gtin),
        None if numbers().next().is_some() => Identifier::OfAnotherVariant,
        None => Identifier::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_availability_holds_for_every_combination() {
        use StockPolicy::{MadeToOrder, Track, Untracked};
        let table = [
            // Policy, on hand, made to order, lead time: schema.org, Google, and whether a day is named.
            (Track, 0, false, None, "OutOfStock", "out_of_stock", false),
            (Track, 0, false, Some(0), "OutOfStock", "out_of_stock", false),
            (Track, 0, false, Some(7), "OutOfStock", "out_of_stock", false),
            (Track, 0, true, None, "MadeToOrder", "in_stock", false),
            (Track, 0, true, Some(0), "MadeToOrder", "in_stock", false),
            (Track, 0, true, Some(7), "MadeToOrder", "backorder", true),
            (Track, 5, false, None, "InStock", "in_stock", false),
            (Track, 5, false, Some(0), "InStock", "in_stock", false),
            (Track, 5, false, Some(7), "InStock", "in_stock", false),
            (Track, 5, true, None, "InStock", "in_stock", false),
            (Track, 5, true, Some(0), "InStock", "in_stock", false),
            (Track, 5, true, Some(7), "InStock", "in_stock", false),
            (MadeToOrder, 0, false, None, "MadeToOrder", "in_stock", false),
            (MadeToOrder, 0, false, Some(0), "MadeToOrder", "in_stock", false),
            (MadeToOrder, 0, false, Some(7), "MadeToOrder", "backorder", true),
            (MadeToOrder, 0, true, None, "MadeToOrder", "in_stock", false),
            (MadeToOrder, 0, true, Some(0), "MadeToOrder", "in_stock", false),
            (MadeToOrder, 0, true, Some(7), "MadeToOrder", "backorder", true),
            (MadeToOrder, 5, false, None, "InStock", "in_stock", false),
            (MadeToOrder, 5, false, Some(0), "InStock", "in_stock", false),
            (MadeToOrder, 5, false, Some(7), "InStock", "in_stock", false),
            (MadeToOrder, 5, true, None, "InStock", "in_stock", false),
            (MadeToOrder, 5, true, Some(0), "InStock", "in_stock", false),
            (MadeToOrder, 5, true, Some(7), "InStock", "in_stock", false),
            (Untracked, 0, false, None, "InStock", "in_stock", false),
            (Untracked, 0, false, Some(0), "InStock", "in_stock", false),
            (Untracked, 0, false, Some(7), "InStock", "in_stock", false),
            (Untracked, 0, true, None, "MadeToOrder", "in_stock", false),
            (Untracked, 0, true, Some(0), "MadeToOrder", "in_stock", false),
            (Untracked, 0, true, Some(7), "MadeToOrder", "backorder", true),
            (Untracked, 5, false, None, "InStock", "in_stock", false),
            (Untracked, 5, false, Some(0), "InStock", "in_stock", false),
            (Untracked, 5, false, Some(7), "InStock", "in_stock", false),
            (Untracked, 5, true, None, "MadeToOrder", "in_stock", false),
            (Untracked, 5, true, Some(0), "MadeToOrder", "in_stock", false),
            (Untracked, 5, true, Some(7), "MadeToOrder", "backorder", true),
        ];
        let today = NaiveDate::from_ymd_opt(2030, 12, 28).expect("a day");
        for (policy, on_hand, to_order, lead_time_days, schema, merchant, is_dated) in table {
            let found = availability(policy, on_hand, Making { to_order, lead_time_days });
            let said = (found.in_schema_org(), found.in_merchant_center(), found.starts(today));
            assert_eq!(
                said,
                (schema, merchant, is_dated.then(|| "2031-01-04T00:00Z".to_owned())),
                "{policy:?} {on_hand} {to_order} {lead_time_days:?}"
            );
            assert_eq!(merchant == "backorder", is_dated, "no backorder without its day, and no day without it");
            assert_eq!(found.can_be_ordered(), merchant != "out_of_stock");
        }
    }

    #[test]
    fn a_product_has_the_number_of_the_variant_whose_price_it_says() {
        assert_eq!(identifier([(2, None), (1, Some("96385074"))].into_iter()), Identifier::Gtin("96385074"));
        assert_eq!(identifier([(1, None), (1, Some("96385074"))].into_iter()), Identifier::Gtin("96385074"));
        assert_eq!(identifier([(1, None), (2, Some("96385074"))].into_iter()), Identifier::OfAnotherVariant);
        assert_eq!(identifier([(1, None), (2, None)].into_iter()), Identifier::None);
    }
}
