//! Holds a body to what the OpenAPI document says of it, and brings its texts through the gate of [`crate::values::text`]: lists,
//! numbers, dates and texts within their bounds, whatever type they are read into. The document and this check read the same
//! schema, so that a stated limit is an enforced one, and every operation has it without asking.

use std::{
    any::TypeId,
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
    sync::{Arc, LazyLock, RwLock},
};

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use serde_json::{Map, Number, Value};

use super::problem::below;
use crate::{
    fault::{FieldFault, Say, field, say},
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
        self.pointer.push_str(&below(segment));
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
        Some(format @ ("naive-date" | "date" | "date-time")) => {
            if let Some(why) = bad_date(text, format) {
                findings.faults.push(field(&*findings.pointer, BAD_DATE, why));
            }
        }
        // Passwords keep what they have; their type reads them.
        Some("password" | "uuid") => {}
        _ => {
            let (least, most) = (schema.min_length.unwrap_or(0), schema.max_length.unwrap_or(LONGEST_TEXT));
            let layout = if most <= LONGEST_LINE { Layout::Line } else { Layout::Paragraphs };
            match admit_text(text, most, layout) {
                Err(unclean) => findings.refuse(unclean),
                Ok(cleaned) if least > 1 && cleaned.chars().count() < least => {
                    findings.add("too_short", format!("Sedikitnya {least} karakter."), format!("At least {least} characters."));
                }
                Ok(cleaned) if least > 0 && !is_visible(&cleaned) => findings.refuse(Unclean::Invisible),
                Ok(cleaned) => *text = cleaned,
            }
        }
    }
}

/// The code of a date that is none.
pub const BAD_DATE: &str = "bad_date";

/// Why a text is no date, or no instant, that a calendar of this service can mean, where the format of its schema says that it is
/// one. An instant is held to the years where it is written and in UTC, and to seconds that every clock has.
pub fn bad_date(text: &str, format: &str) -> Option<Say> {
    let is_sensible = |date: NaiveDate| YEARS.contains(&date.year());
    let (is_good, example) = match format {
        "naive-date" | "date" => (text.parse().is_ok_and(is_sensible), "2026-05-01"),
        "date-time" => {
            let is_good = DateTime::parse_from_rfc3339(text).is_ok_and(|instant| {
                let is_leap_second = instant.nanosecond() >= 1_000_000_000;
                !is_leap_second && is_sensible(instant.date_naive()) && is_sensible(instant.naive_utc().date())
            });
            (is_good, "2026-05-01T09:00:00Z")
        }
        _ => return None,
    };
    let (first, last) = (YEARS.start(), YEARS.end());
    (!is_good).then(|| {
        say(format!("Tulis seperti {example}, tahun {first} sampai {last}."), format!("Write it like {example}, in the years {first} to {last}."))
    })
}

/// The text as it is kept, if it has no more than `most` characters.
pub fn admit_text(text: &str, most: usize, layout: Layout) -> Result<String, Unclean> {
    // What is far too long is not worth cleaning.
    if text.len() > most.saturating_mul(8).max(4_096) {
        return Err(Unclean::TooLong(most));
    }
    clean(text, layout).and_then(|cleaned| if cleaned.chars().count() > most { Err(Unclean::TooLong(most)) } else { Ok(cleaned) })
}

fn look_at_number(number: &Number, schema: &MetaSchema, findings: &mut Findings) {
    let (least, most) = (schema.minimum.unwrap_or(-LARGEST_WHOLE), schema.maximum.unwrap_or(LARGEST_WHOLE));
    if !number.as_f64().is_some_and(|number| (least..=most).contains(&number)) {
        findings.add("out_of_range", format!("Antara {least} dan {most}."), format!("Between {least} and {most}."));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_one_in_every_calendar_that_shows_it() {
        for (text, format) in [
            ("1900-01-01", "naive-date"),
            ("2200-12-31", "date"),
            ("2200-12-31T23:59:59.999999999Z", "date-time"),
            ("1900-01-01T00:00:00-23:59", "date-time"),
            ("2028-02-29T09:00:00+07:00", "date-time"),
            ("whatever", "uuid"),
        ] {
            assert_eq!(bad_date(text, format), None, "{text}");
        }
        for (text, format) in [
            ("1899-12-31", "naive-date"),
            ("9999-12-31", "naive-date"),
            ("+262142-12-31", "date"),
            ("2026-02-29", "date"),
            ("2200-12-31T23:59:59.999999999-23:59", "date-time"),
            ("1900-01-01T00:00:00+00:01", "date-time"),
            ("2016-12-31T23:59:60Z", "date-time"),
            ("2026-05-01", "date-time"),
        ] {
            assert!(bad_date(text, format).is_some(), "{text}");
        }
    }
}
