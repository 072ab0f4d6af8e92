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

/// What one variant is offered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    pub price: &'a Money,
    pub availability: Availability,
    pub gtin: Option<&'a str>,
}

/// The offer that a product is told by where only one can be named: the cheapest that can be ordered, or the cheapest if none can. Of
/// several, one that is there sooner, and one with a number. Its price, its number and whether it can be had go together.
pub fn leading<'a>(offers: &[Offer<'a>]) -> Option<Offer<'a>> {
    let rank = |offer: &Offer| (!offer.availability.can_be_ordered(), offer.price.amount_minor, offer.availability, offer.gtin.is_none());
    offers.iter().copied().min_by_key(rank)
}

/// The number that identifies what a product is told by.
#[derive(Debug, PartialEq, Eq)]
pub enum Identifier<'a> {
    Gtin(&'a str),
    /// Only other variants have one: there is nothing to give, and it would be wrong to say that none exists.
    OfAnotherVariant,
    None,
}

/// The number of the leading offer.
pub fn identifier<'a>(leading: &Offer<'a>, offers: &[Offer<'a>]) -> Identifier<'a> {
    match leading.gtin {
        Some(gtin) => Identifier::Gtin(gtin),
        None if offers.iter().any(|offer| offer.gtin.is_some()) => Identifier::OfAnotherVariant,
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
    fn a_product_is_told_by_one_variant_the_cheapest_that_can_be_ordered() {
        use Availability::{InStock, MadeToOrder, OutOfStock};
        let number = Some("96385074");
        let later = MadeToOrder { days: Some(7) };
        for (offers, price, availability, identified) in [
            (vec![(200, InStock, None), (100, InStock, number)], 100, InStock, Identifier::Gtin("96385074")),
            (vec![(100, InStock, None), (100, InStock, number)], 100, InStock, Identifier::Gtin("96385074")),
            (vec![(100, InStock, None), (200, InStock, number)], 100, InStock, Identifier::OfAnotherVariant),
            (vec![(100, InStock, None), (200, InStock, None)], 100, InStock, Identifier::None),
            (vec![(100, OutOfStock, number), (200, later, None)], 200, later, Identifier::OfAnotherVariant),
            (vec![(200, OutOfStock, None), (100, OutOfStock, number)], 100, OutOfStock, Identifier::Gtin("96385074")),
            (vec![(100, later, number), (100, InStock, None)], 100, InStock, Identifier::OfAnotherVariant),
            (vec![(100, later, None), (200, InStock, None)], 100, later, Identifier::None),
        ] {
            let prices: Vec<Money> = offers.iter().map(|(price, ..)| Money::idr(*price)).collect();
            let offers: Vec<Offer> = prices
                .iter()
                .zip(&offers)
                .map(|(price, (_, availability, gtin))| Offer { price, availability: *availability, gtin: *gtin })
                .collect();
            let found = leading(&offers).expect("an offer");
            assert_eq!((found.price.amount_minor, found.availability, identifier(&found, &offers)), (price, availability, identified), "{offers:?}");
        }
        assert_eq!(leading(&[]), None);
    }
}
