//! Reads JSON in one pass, and refuses an object in which a name is there twice: readers differ in which of both they take
//! (RFC 8259, section 4), so that a body would mean one thing to whoever checks it on the way and another here.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, map::Entry};

use super::problem::below;

/// Why bytes are no body.
#[derive(Debug)]
pub enum Unread {
    Malformed(serde_json::Error),
    /// The member at this JSON Pointer is there twice.
    Twice(String),
}

pub fn read(bytes: &[u8]) -> Result<Value, Unread> {
    let mut way = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Distinct(&mut way).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| if way.is_empty() { Unread::Malformed(error) } else { Unread::Twice(way.iter().rev().map(|step| below(step)).collect()) })
}

/// A value whose objects have no name twice. Where one has, the way to it is left here, its own name first.
struct Distinct<'a>(&'a mut Vec<String>);

impl Distinct<'_> {
    /// The same error, one step further out.
    fn leave<E>(&mut self, step: impl FnOnce() -> String, error: E) -> E {
        if !self.0.is_empty() {
            self.0.push(step());
        }
        error
    }
}

impl<'de> DeserializeSeed<'de> for Distinct<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Distinct<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            match access.next_element_seed(Distinct(&mut *self.0)) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => return Ok(Value::Array(items)),
                Err(error) => return Err(self.leave(|| items.len().to_string(), error)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            match members.entry(name) {
                Entry::Occupied(member) => {
                    self.0.push(member.key().clone());
                    return Err(A::Error::custom("a name is there twice"));
                }
                Entry::Vacant(place) => match access.next_value_seed(Distinct(&mut *self.0)) {
                    Ok(member) => {
                        place.insert(member);
                    }
                    Err(error) => return Err(self.leave(|| place.key().clone(), error)),
                },
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_there_twice_is_pointed_to_at_any_depth() {
        for (text, pointer) in [
            (r#"{"a": 1, "a": 2}"#, "/a"),
            (r#"{"a": 1, "\u0061": 1}"#, "/a"),
            (r#"{"list": [{"x": 0}, {"x": {"y/z": 1, "y/z": 1}}]}"#, "/list/1/x/y~1z"),
            (r#"[{"": 1, "": 1}]"#, "/0/"),
        ] {
            assert!(matches!(read(text.as_bytes()), Err(Unread::Twice(at)) if at == pointer), "{text}");
        }
    }

    #[test]
    fn everything_else_is_read_as_the_library_reads_it() {
        for text in [
            r#"{"a": {"a": [null, true, -1, 18446744073709551615, 1e300, 0.1, "é", {"a": {}}]}, "b": {"a": 1}}"#,
            "1",
            "[]",
            "{\"a\": ",
            "{} x",
            "",
            "1e999",
        ] {
            assert_eq!(read(text.as_bytes()).ok(), serde_json::from_str(text).ok(), "{text}");
        }
        assert!(matches!(read("[".repeat(1_000).as_bytes()), Err(Unread::Malformed(_))), "no deeper than the library goes");
    }
}
