//! Parts of products: which may be asked for, what they cost, and how an answer is cut to them.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

use crate::fault::{Fault, INVALID_PARAMETER, Outcome, say};

/// Parts that a product in a list has, whatever is asked for.
const CARD: &[&str] = &[
    "id",
    "handle",
    "sme",
    "title",
    "summary",
    "category",
    "region",
    "price",
    "price_is_from",
    "made_to_order",
    "lead_time_days",
    "material_origins",
    "image",
    "published_at",
];

/// Parts that only a product by itself has, unless they are asked for, and what each costs: about a kilobyte.
const MORE: &[(&str, u32)] = &[
    ("description", 1),
    ("variants", 2),
    ("materials", 1),
    ("images", 4),
    ("shelf_life_days", 0),
    ("storage", 0),
    ("ingredients", 1),
    ("allergens", 0),
    ("attributes", 1),
];

/// What the card costs, and what an answer may cost in all.
const CARD_COST: u32 = 2;
const MOST_COST: u32 = 400;

/// The parts that an answer is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    names: Vec<&'static str>,
    has_more: bool,
    cost: u32,
}

fn known(name: &str) -> Option<(&'static str, u32, bool)> {
    let card = CARD.iter().find(|known| **known == name).map(|known| (*known, 0, false));
    card.or_else(|| MORE.iter().find(|(known, _)| *known == name).map(|(known, cost)| (*known, *cost, true)))
}

impl Parts {
    /// A card, with `include` beside it.
    pub fn with(include: &str) -> Outcome<Self> {
        let mut parts = Self { names: CARD.to_vec(), has_more: false, cost: CARD_COST };
        parts.add(include, |(_, _, is_more)| *is_more)?;
        Ok(parts)
    }

    /// The id, and `fields` alone.
    pub fn only(fields: &str) -> Outcome<Self> {
        let mut parts = Self { names: vec!["id"], has_more: false, cost: 1 };
        parts.add(fields, |_| true)?;
        Ok(parts)
    }

    fn add(&mut self, names: &str, may: impl Fn(&(&'static str, u32, bool)) -> bool) -> Outcome<()> {
        for name in names.split(',') {
            let (name, cost, is_more) = known(name).filter(&may).ok_or_else(|| unknown(name, &may))?;
            if !self.names.contains(&name) {
                self.names.push(name);
                self.cost += cost;
                self.has_more |= is_more;
            }
        }
        Ok(())
    }

    /// Whether more is asked for than a card has.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Refuses this many products with these parts if that is too much for one answer.
    pub fn check_cost(&self, products: u32) -> Outcome<()> {
        let cost = self.cost * products;
        if cost <= MOST_COST {
            return Ok(());
        }
        let most = MOST_COST / self.cost;
        let detail = say(
            format!("Terlalu banyak sekaligus: {products} produk dengan bagian ini berbobot {cost}, paling banyak {MOST_COST}; minta {most} produk."),
            format!("Too much at once: {products} products with these parts weigh {cost}, at most {MOST_COST}; ask for {most} products."),
        );
        Err(Fault::new(&INVALID_PARAMETER).with("cost", cost.into()).with("most_cost", MOST_COST.into()).detail(detail))
    }

    /// `json`, an object, cut to the parts.
    pub fn cut(&self, json: &str) -> Outcome<String> {
        let all: BTreeMap<Cow<str>, &RawValue> = serde_json::from_str(json).map_err(Fault::internal)?;
        let kept: BTreeMap<&str, &RawValue> = self.names.iter().filter_map(|name| Some((*name, *all.get(*name)?))).collect();
        serde_json::to_string(&kept).map_err(Fault::internal)
    }
}

fn unknown(name: &str, may: impl Fn(&(&'static str, u32, bool)) -> bool) -> Fault {
    let card = CARD.iter().map(|name| (*name, 0, false));
    let all = card.chain(MORE.iter().map(|(name, cost)| (*name, *cost, true))).filter(may).map(|(name, ..)| name).collect::<Vec<_>>().join(", ");
    Fault::new(&INVALID_PARAMETER)
        .detail(say(format!("Tidak ada bagian `{name}`; ada {all}."), format!("There is no part `{name}`; there are {all}.")))
}

#[cfg(test)]
mod tests {
    use poem_openapi::{
        registry::{MetaSchemaRef, Registry},
        types::Type,
    };

    use super::*;
    use crate::storefront::model::{Card, Detail};

    fn documented<T: Type>() -> Vec<&'static str> {
        let mut registry = Registry::new();
        T::register(&mut registry);
        let name = T::name().into_owned();
        let schema = registry.schemas.remove(&name).expect("registered");
        let mut own: Vec<&str> = schema.properties.iter().map(|(name, _)| *name).collect();
        for part in &schema.all_of {
            if let MetaSchemaRef::Inline(part) = part {
                own.extend(part.properties.iter().map(|(name, _)| *name));
            }
        }
        own
    }

    #[test]
    fn the_parts_are_those_that_the_document_names() {
        assert_eq!(documented::<Card>(), CARD);
        let more: Vec<&str> = MORE.iter().map(|(name, _)| *name).collect();
        let detail: Vec<&str> = documented::<Detail>().into_iter().filter(|name| !CARD.contains(name)).collect();
        assert_eq!(detail, more);
    }

    #[test]
    fn an_answer_is_cut_to_what_is_asked_for_and_bounded_by_its_cost() {
        let json = r#"{"id":"1","title":"Dodol","variants":[{"id":"2"}],"description":"manis"}"#;
        assert_eq!(Parts::only("title").expect("known").cut(json).expect("JSON"), r#"{"id":"1","title":"Dodol"}"#);
        let with = Parts::with("variants").expect("known");
        assert_eq!(with.cut(json).expect("JSON"), r#"{"id":"1","title":"Dodol","variants":[{"id":"2"}]}"#);
        assert!(with.check_cost(100).is_ok() && with.check_cost(101).is_err());
        assert!(Parts::with("title").is_err() && Parts::only("colour").is_err());
        assert!(Parts::only("title,title").is_ok_and(|parts| parts.cost == 1));
    }
}
