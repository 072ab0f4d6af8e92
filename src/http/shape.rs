//! Holds a body to what the OpenAPI document says of it, and brings its texts through the gate of [`crate::values::text`]: lists,
//! numbers, dates and texts within their bounds, whatever type they are read into. The document and this check read the same
//! schema, so that a stated limit is an enforced one, and every operation has it without asking.

use std::{
    any::TypeId,
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
    sync::{Arc, LazyLock, RwLock},
};

use chrono::{DateTime, Datelike, NaiveDate};
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use serde_json::{Map, Number, Value};

use crate::{
    fault::{FieldFault, field, say},
    values::{
        LONGEST_LINE,
        text::{Layout, Unclean, clean, is_visible},
    },
};

/// Years that a calendar of this service can mean; all of them survive every database and every backup.
pub const YEARS: RangeInclusive<i32> = 1900..=2200;
/// The longest text that has no narrower bound, in characters.
pub const LONGEST_TEXT: usize = 10_000;
/// The longest list or map that has no narrower bound.
pub const LONGEST_LIST: usize = 1_000;
/// The longest name in a map.
const LONGEST_NAME: usize = 100;
/// Whole numbers that every client can hold exactly (RFC 8259, section 6).
pub const LARGEST_WHOLE: f64 = 9_007_199_254_740_991.0;
/// No more faults than this are reported: nobody corrects more at once.
const MOST_FAULTS: usize = 50;

/// The schema of a body with all that it refers to.
pub struct Shape {
    root: MetaSchemaRef,
    schemas: BTreeMap<String, MetaSchema>,
}

static SHAPES: LazyLock<RwLock<HashMap<TypeId, Arc<Shape>>>> = LazyLock::new(RwLock::default);

/// What was found on the way through a body.
#[derive(Default)]
struct Findings {
    /// Where in the body, as a JSON Pointer.
    pointer: String,
    faults: Vec<FieldFault>,
}

impl Findings {
    fn add(&mut self, code: &'static str, id: String, en: String) {
        self.faults.push(field(&*self.pointer, code, say(id, en)));
    }

    fn refuse(&mut self, unclean: Unclean) {
        self.faults.push(field(&*self.pointer, unclean.code(), unclean.message()));
    }

    /// Goes into a member or an item, and comes back.
    fn below(&mut self, segment: &str, look: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&segment.replace('~', "~0").replace('/', "~1"));
        look(self);
        self.pointer.truncate(length);
    }
}

impl Shape {
    /// The shape of `T`, made once.
    pub fn of<T: Type + 'static>() -> Arc<Self> {
        let id = TypeId::of::<T>();
        let known = SHAPES.read().ok().and_then(|shapes| shapes.get(&id).cloned());
        known.unwrap_or_else(|| {
            let mut registry = Registry::new();
            T::register(&mut registry);
            let shape = Arc::new(Self { root: T::schema_ref(), schemas: registry.schemas });
            if let Ok(mut shapes) = SHAPES.write() {
                shapes.insert(id, Arc::clone(&shape));
            }
            shape
        })
    }

    /// Cleans the texts of `value`, and says what of it is outside its bounds. What has another type altogether is told when
    /// it is read.
    pub fn admit(&self, value: &mut Value) -> Vec<FieldFault> {
        let mut findings = Findings::default();
        self.look(value, &self.root, &mut findings);
        findings.faults
    }

    fn look(&self, value: &mut Value, schema: &MetaSchemaRef, findings: &mut Findings) {
        if findings.faults.len() >= MOST_FAULTS {
            return;
        }
        let schema = match schema {
            MetaSchemaRef::Inline(schema) => schema,
            MetaSchemaRef::Reference(name) => match self.schemas.get(name) {
                Some(schema) => schema,
                None => return,
            },
        };
        if let [of] = schema.all_of.iter().filter(|part| matches!(part, MetaSchemaRef::Reference(_))).collect::<Vec<_>>()[..] {
            return self.look(value, of, findings);
        }
        match value {
            Value::String(text) => look_at_text(text, schema, findings),
            Value::Number(number) => look_at_number(number, schema, findings),
            Value::Array(items) => {
                if counts(items.len(), schema.min_items.unwrap_or(0), schema.max_items.unwrap_or(LONGEST_LIST), findings) {
                    for (index, item) in items.iter_mut().enumerate() {
                        findings.below(&index.to_string(), |findings| self.look_at_part(item, schema.items.as_deref(), findings));
                    }
                }
            }
            Value::Object(members) if schema.properties.is_empty() => self.look_at_map(members, schema, findings),
            Value::Object(members) => {
                for (name, member) in members.iter_mut() {
                    let of = schema.properties.iter().find(|(known, _)| known == name).map(|(_, of)| of);
                    findings.below(name, |findings| self.look_at_part(member, of, findings));
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// A member that the schema says nothing of is bounded all the same.
    fn look_at_part(&self, value: &mut Value, schema: Option<&MetaSchemaRef>, findings: &mut Findings) {
        match schema {
            Some(schema) => self.look(value, schema, findings),
            None => self.look(value, &MetaSchemaRef::Inline(Box::new(MetaSchema::ANY)), findings),
        }
    }

    /// Names in a map come from outside like everything else.
    fn look_at_map(&self, members: &mut Map<String, Value>, schema: &MetaSchema, findings: &mut Findings) {
        if !counts(members.len(), 0, schema.max_properties.unwrap_or(LONGEST_LIST), findings) {
            return;
        }
        for (name, mut member) in std::mem::take(members) {
            findings.below(&name, |findings| {
                self.look_at_part(&mut member, schema.additional_properties.as_deref(), findings);
                match clean(&name, Layout::Line) {
                    Err(unclean) => findings.refuse(unclean),
                    Ok(name) if name.chars().count() > LONGEST_NAME => findings.refuse(Unclean::TooLong(LONGEST_NAME)),
                    Ok(name) if !is_visible(&name) => findings.refuse(Unclean::Invisible),
                    Ok(name) if members.contains_key(&name) => {
                        findings.add("given_twice", "Nama ini ada dua kali.".into(), "This name is there twice.".into());
                    }
                    Ok(name) => {
                        members.insert(name, member);
                    }
                }
            });
        }
    }
}

fn counts(count: usize, least: usize, most: usize, findings: &mut Findings) -> bool {
    if count > most {
        findings.add("too_many", format!("Paling banyak {most}; ada {count}."), format!("At most {most}; there are {count}."));
    } else if count < least {
        findings.add("too_few", format!("Sedikitnya {least}."), format!("At least {least}."));
    }
    count <= most
}

fn look_at_text(text: &mut String, schema: &MetaSchema, findings: &mut Findings) {
    match schema.format {
        Some("naive-date" | "date") => look_at_year(text.parse().ok().map(|date: NaiveDate| date.year()), "2026-05-01", findings),
        Some("date-time") => {
            let year = DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.year());
            look_at_year(year, "2026-05-01T09:00:00Z", findings);
        }
        // Passwords keep what they have; their type reads them.
        Some("password" | "uuid") => {}
        _ => {
            let most = schema.max_length.unwrap_or(LONGEST_TEXT);
            // What is far too long is not worth cleaning.
            if text.len() > most.saturating_mul(8).max(4_096) {
                return findings.refuse(Unclean::TooLong(most));
            }
            let layout = if most <= LONGEST_LINE { Layout::Line } else { Layout::Paragraphs };
            match clean(text, layout) {
                Err(unclean) => findings.refuse(unclean),
                Ok(cleaned) if cleaned.chars().count() > most => findings.refuse(Unclean::TooLong(most)),
                Ok(cleaned) if schema.min_length.is_some_and(|least| least > 1 && cleaned.chars().count() < least) => {
                    let least = schema.min_length.unwrap_or_default();
                    findings.add("too_short", format!("Sedikitnya {least} karakter."), format!("At least {least} characters."));
                }
                Ok(cleaned) if schema.min_length.is_some_and(|least| least > 0) && !is_visible(&cleaned) => findings.refuse(Unclean::Invisible),
                Ok(cleaned) => *text = cleaned,
            }
        }
    }
}

fn look_at_year(year: Option<i32>, example: &str, findings: &mut Findings) {
    if !year.is_some_and(|year| YEARS.contains(&year)) {
        let (first, last) = (YEARS.start(), YEARS.end());
        findings.add(
            "bad_date",
            format!("Tulis seperti {example}, tahun {first} sampai {last}."),
            format!("Write it like {example}, in the years {first} to {last}."),
        );
    }
}

fn look_at_number(number: &Number, schema: &MetaSchema, findings: &mut Findings) {
    let (least, most) = (schema.minimum.unwrap_or(-LARGEST_WHOLE), schema.maximum.unwrap_or(LARGEST_WHOLE));
    if !number.as_f64().is_some_and(|number| (least..=most).contains(&number)) {
        findings.add("out_of_range", format!("Antara {least} dan {most}."), format!("Between {least} and {most}."));
    }
}
