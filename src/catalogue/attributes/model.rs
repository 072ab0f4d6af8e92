//! Definitions of attributes, their JSON Schema, and whether values match them.

use std::collections::BTreeSet;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    fault::{FieldFault, field, say},
    values::{Language, Localized, reading::read_twice},
};

/// What values of an attribute look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// One of the choices.
    Choice,
    /// A list of choices, each once.
    Several,
    /// A whole number, in the unit.
    Integer,
    Boolean,
}

/// An attribute that a category asks for.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct AttributeDefinition {
    /// Small letters, digits and `_`, such as `taste`; what filters and values go by.
    #[oai(validator(max_length = 60))]
    pub name: String,
    pub label: Localized,
    pub kind: AttributeKind,
    /// For `choice` and `several`.
    #[serde(default)]
    #[oai(default)]
    #[oai(validator(max_items = 200))]
    pub choices: Vec<AttributeChoice>,
    /// For `integer`.
    #[serde(default)]
    pub minimum: Option<i64>,
    /// For `integer`.
    #[serde(default)]
    pub maximum: Option<i64>,
    /// For `integer`, such as `mm` or `g`.
    #[serde(default)]
    #[oai(validator(max_length = 20))]
    pub unit: Option<String>,
    /// Whether a product can't be submitted without it.
    #[serde(default)]
    #[oai(default)]
    pub required: bool,
}

/// A value to choose.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct AttributeChoice {
    /// Small letters, digits, `_` and `-`, such as `hot`.
    #[oai(validator(max_length = 60))]
    pub value: String,
    pub label: Localized,
}

const MOST_DEFINITIONS: usize = 30;
const MOST_CHOICES: usize = 100;

fn is_name(text: &str, more: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || more.contains(c);
    (1..=40).contains(&text.len()) && text.chars().all(fits)
}

/// Validates definitions: names and values that occur once, choices and bounds only for kinds that have them.
pub fn check_definitions(definitions: &[AttributeDefinition], faults: &mut Vec<FieldFault>) {
    if definitions.len() > MOST_DEFINITIONS {
        faults.push(field("/attributes", "too_many", say("Paling banyak 30.", "At most 30.")));
    }
    let mut names = BTreeSet::new();
    for (number, definition) in definitions.iter().enumerate() {
        let at = |part: &str| format!("/attributes/{number}/{part}");
        if !is_name(&definition.name, "") || !names.insert(&definition.name) {
            faults.push(field(at("name"), "bad_name", say("Huruf kecil, angka, _; sekali saja.", "Small letters, digits, _; once only.")));
        }
        definition.label.check(&at("label"), 80, faults);
        let takes_choices = matches!(definition.kind, AttributeKind::Choice | AttributeKind::Several);
        let mut values = BTreeSet::new();
        if takes_choices == definition.choices.is_empty() || definition.choices.len() > MOST_CHOICES {
            let message = say("Pilihan: 1–100, hanya untuk choice dan several.", "Choices: 1 to 100, for choice and several only.");
            faults.push(field(at("choices"), "bad_choices", message));
        }
        for (place, choice) in definition.choices.iter().enumerate() {
            if !is_name(&choice.value, "-") || !values.insert(&choice.value) {
                let message = say("Huruf kecil, angka, _ dan -; sekali saja.", "Small letters, digits, _ and -; once only.");
                faults.push(field(at(&format!("choices/{place}/value")), "bad_value", message));
            }
            choice.label.check(&at(&format!("choices/{place}/label")), 80, faults);
        }
        let alike: BTreeSet<usize> = [Language::Id, Language::En]
            .into_iter()
            .flat_map(|language| read_twice(definition.choices.iter().map(|choice| choice.label.in_language(language))))
            .collect();
        for place in alike {
            let message = say("Pilihan lain sudah punya label ini.", "Another choice has this label.");
            faults.push(field(at(&format!("choices/{place}/label")), "same_label", message));
        }
        let has_bounds = definition.minimum.is_some() || definition.maximum.is_some() || definition.unit.is_some();
        let is_upside_down = definition.minimum.zip(definition.maximum).is_some_and(|(least, most)| least > most);
        if (has_bounds && definition.kind != AttributeKind::Integer) || is_upside_down {
            faults.push(field(
                at("minimum"),
                "bad_bounds",
                say("Hanya untuk integer, dan minimum ≤ maksimum.", "For integer only, and minimum ≤ maximum."),
            ));
        }
    }
}

/// Definitions as JSON Schema (draft 2020-12) of a product's `attributes`.
pub fn json_schema(definitions: &[AttributeDefinition]) -> Value {
    let property = |definition: &AttributeDefinition| {
        let choices: Vec<&str> = definition.choices.iter().map(|choice| choice.value.as_str()).collect();
        let mut schema = match definition.kind {
            AttributeKind::Choice => json!({ "type": "string", "enum": choices }),
            AttributeKind::Several => {
                json!({ "type": "array", "items": { "type": "string", "enum": choices }, "minItems": 1, "uniqueItems": true })
            }
            AttributeKind::Integer => json!({ "type": "integer" }),
            AttributeKind::Boolean => json!({ "type": "boolean" }),
        };
        schema["title"] = definition.label.id.as_str().into();
        for (name, bound) in [("minimum", definition.minimum), ("maximum", definition.maximum)] {
            if let Some(bound) = bound {
                schema[name] = bound.into();
            }
        }
        (definition.name.clone(), schema)
    };
    let required: Vec<&str> = definitions.iter().filter(|definition| definition.required).map(|definition| definition.name.as_str()).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "properties": definitions.iter().map(property).collect::<Map<_, _>>(),
        "required": required,
    })
}

/// Validates values against the definitions. A required value may still be missing: see [`missing`].
pub fn check_values(definitions: &[AttributeDefinition], values: &Map<String, Value>, faults: &mut Vec<FieldFault>) {
    for (name, value) in values {
        let pointer = format!("/attributes/{}", name.replace('~', "~0").replace('/', "~1"));
        let Some(definition) = definitions.iter().find(|definition| definition.name == *name) else {
            let known = definitions.iter().map(|definition| definition.name.as_str()).collect::<Vec<_>>().join(", ");
            let message = say(format!("Tidak dikenal; yang dikenal: {known}."), format!("Not known; known ones: {known}."));
            faults.push(field(pointer, "unknown_attribute", message));
            continue;
        };
        if !holds(definition, value) {
            faults.push(field(pointer, "bad_attribute", expectation(definition)));
        }
    }
}

/// What is required and has no value.
pub fn missing<'a>(definitions: &'a [AttributeDefinition], values: &'a Map<String, Value>) -> impl Iterator<Item = &'a AttributeDefinition> {
    definitions.iter().filter(|definition| definition.required && !values.contains_key(&definition.name))
}

fn holds(definition: &AttributeDefinition, value: &Value) -> bool {
    let is_choice = |value: &Value| value.as_str().is_some_and(|text| definition.choices.iter().any(|choice| choice.value == text));
    match definition.kind {
        AttributeKind::Choice => is_choice(value),
        AttributeKind::Several => value.as_array().is_some_and(|values| {
            let once: BTreeSet<Option<&str>> = values.iter().map(Value::as_str).collect();
            !values.is_empty() && once.len() == values.len() && values.iter().all(is_choice)
        }),
        AttributeKind::Integer => value
            .as_i64()
            .is_some_and(|number| definition.minimum.is_none_or(|least| number >= least) && definition.maximum.is_none_or(|most| number <= most)),
        AttributeKind::Boolean => value.is_boolean(),
    }
}

fn expectation(definition: &AttributeDefinition) -> crate::fault::Say {
    let choices = || definition.choices.iter().map(|choice| choice.value.as_str()).collect::<Vec<_>>().join(", ");
    match definition.kind {
        AttributeKind::Choice => say(format!("Salah satu dari: {}.", choices()), format!("One of: {}.", choices())),
        AttributeKind::Several => say(format!("Daftar dari: {}; masing-masing sekali.", choices()), format!("A list of: {}; each once.", choices())),
        AttributeKind::Integer => {
            let (least, most) = (definition.minimum.map(|n| n.to_string()), definition.maximum.map(|n| n.to_string()));
            let range = format!("{}…{}", least.unwrap_or_default(), most.unwrap_or_default());
            say(format!("Bilangan bulat {range}."), format!("A whole number {range}."))
        }
        AttributeKind::Boolean => say("true atau false.", "true or false."),
    }
}

/// A value that a product has, as it is shown and filtered by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    pub name: String,
    pub label: Localized,
    pub value: String,
    pub shown: Localized,
}

/// The values of a product by the definitions of today; what these no longer know is left out.
pub fn stated(definitions: &[AttributeDefinition], values: &Map<String, Value>) -> Vec<Stated> {
    let mut all = Vec::new();
    for definition in definitions {
        let Some(value) = values.get(&definition.name).filter(|value| holds(definition, value)) else { continue };
        let mut state = |value: String, shown: Localized| {
            all.push(Stated { name: definition.name.clone(), label: definition.label.clone(), value, shown });
        };
        let chosen: Vec<&str> =
            value.as_array().map_or_else(|| value.as_str().into_iter().collect(), |list| list.iter().filter_map(Value::as_str).collect());
        for choice in definition.choices.iter().filter(|choice| chosen.contains(&choice.value.as_str())) {
            state(choice.value.clone(), choice.label.clone());
        }
        if let Some(number) = value.as_i64() {
            let text = definition.unit.as_ref().map_or_else(|| number.to_string(), |unit| format!("{number} {unit}"));
            state(number.to_string(), Localized { id: text, en: None });
        }
        if let Some(truth) = value.as_bool() {
            state(truth.to_string(), if truth { Localized::new("Ya", "Yes") } else { Localized::new("Tidak", "No") });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn definition(name: &str, kind: AttributeKind) -> AttributeDefinition {
        let label = Localized::new("Label", "Label");
        let choices = if matches!(kind, AttributeKind::Choice | AttributeKind::Several) { ["asin", "pedas"].as_slice() } else { &[] };
        let choices = choices.iter().map(|value| AttributeChoice { value: (*value).into(), label: Localized::new(value, value) }).collect();
        let minimum = (kind == AttributeKind::Integer).then_some(1);
        let maximum = (kind == AttributeKind::Integer).then_some(10);
        AttributeDefinition { name: name.into(), label, kind, choices, minimum, maximum, unit: None, required: name == "rasa" }
    }

    fn definitions() -> Vec<AttributeDefinition> {
        vec![
            definition("rasa", AttributeKind::Choice),
            definition("ukuran", AttributeKind::Several),
            definition("tingkat", AttributeKind::Integer),
            definition("organik", AttributeKind::Boolean),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (-2_i64..13).prop_map(Value::from),
            Just(json!(1.5)),
            Just(Value::Null),
            prop::sample::select(vec!["asin", "pedas", "lain"]).prop_map(Value::from),
        ];
        prop_oneof![scalar.clone(), vec(scalar, 0..3).prop_map(Value::from)]
    }

    proptest! {
        #[test]
        fn values_are_taken_if_and_only_if_the_json_schema_takes_them(
            values in prop::collection::btree_map(prop::sample::select(vec!["rasa", "ukuran", "tingkat", "organik", "lain"]), value(), 0..4),
        ) {
            let values: Map<String, Value> = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let definitions = definitions();
            let mut faults = Vec::new();
            check_values(&definitions, &values, &mut faults);
            let is_taken = faults.is_empty() && missing(&definitions, &values).next().is_none();
            prop_assert_eq!(is_taken, jsonschema::is_valid(&json_schema(&definitions), &Value::Object(values)));
        }
    }

    #[test]
    fn definitions_that_nothing_could_keep_to_are_refused() {
        let complain = |definition: AttributeDefinition| {
            let mut faults = Vec::new();
            check_definitions(&[definition], &mut faults);
            faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
        };
        for fine in definitions() {
            assert_eq!(complain(fine), Vec::<String>::new());
        }
        let taste = || definition("rasa", AttributeKind::Choice);
        assert_eq!(complain(AttributeDefinition { name: "Rasa".into(), ..taste() }), ["/attributes/0/name"]);
        assert_eq!(complain(AttributeDefinition { choices: Vec::new(), ..taste() }), ["/attributes/0/choices"]);
        assert_eq!(complain(AttributeDefinition { minimum: Some(1), ..taste() }), ["/attributes/0/minimum"]);
        let level = AttributeDefinition { minimum: Some(11), ..definition("tingkat", AttributeKind::Integer) };
        assert_eq!(complain(level), ["/attributes/0/minimum"]);
    }
}
