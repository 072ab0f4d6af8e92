//! Texts that are secret or typed from paper, and so are read otherwise than all others: [`Secret`] for passwords, by the profile
//! OpaqueString (RFC 8265, 4.2), and [`Passcode`] for codes, without spaces, hyphens and case. Every other text is cleaned by
//! `http::shape` before anybody reads it.

use std::{borrow::Cow, fmt, ops::Deref};

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::text::{Unclean, is_forbidden};
use crate::fault::{FieldFault, Say, field, say};

/// Why a text is refused: a stable code, and the sentence for the person who wrote it.
pub struct Refused {
    pub code: &'static str,
    pub message: Say,
}

impl From<Unclean> for Refused {
    fn from(unclean: Unclean) -> Self {
        Self { code: unclean.code(), message: unclean.message() }
    }
}

/// Begins the message of a [`serde`] error that carries a [`Refused`].
const MARK: &str = "refused text: ";

impl Refused {
    /// The refusal as an error of deserializing, which only has room for a message.
    fn into_error<E: de::Error>(self) -> E {
        E::custom(format!("{MARK}{}", json!([self.code, self.message.id, self.message.en])))
    }

    /// The fault of the field at `pointer`, where the message of an error carries one.
    pub fn from_message(message: &str, pointer: &str) -> Option<FieldFault> {
        let (code, id, en): (String, String, String) = serde_json::from_str(message.strip_prefix(MARK)?).ok()?;
        let code = ["bad_character", "unpaired_direction", "required", "too_long", "password_length", "bad_code"]
            .into_iter()
            .find(|known| *known == code)?;
        Some(field(pointer, code, say(id, en)))
    }
}

fn bounded(text: String, most: usize) -> Result<String, Refused> {
    if text.chars().count() > most { Err(Unclean::TooLong(most).into()) } else { Ok(text) }
}

/// The longest password: hashing a longer one would be an attack.
pub const LONGEST_SECRET: usize = 200;

/// A password by the profile OpaqueString: every space is U+0020, normal form C, nothing that can't be typed twice alike.
fn opaque(text: &str) -> Result<String, Refused> {
    let text: String = text.chars().map(|c| if c.is_whitespace() && !c.is_control() { ' ' } else { c }).nfc().collect();
    match text.chars().find(|c| is_forbidden(*c)) {
        Some(c) => Err(Unclean::Control(c).into()),
        None if text.is_empty() => Err(Unclean::Invisible.into()),
        None => bounded(text, LONGEST_SECRET),
    }
}

/// Letters and digits in lower case, whatever was typed around them; digits of other widths are the same digits.
fn bare(text: &str) -> Result<String, Refused> {
    let bare: String = text.nfkc().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    if bare.is_empty() || text.chars().count() > 64 {
        return Err(Refused { code: "bad_code", message: say("Bukan kode.", "Not a code.") });
    }
    Ok(bare)
}

macro_rules! text_types {
    ($($(#[$doc:meta])* $name:ident { reads: $read:expr, format: $format:expr, most: $bound:expr, least: $least:expr })*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Reads what a client sent.
            pub fn new(text: &str) -> Result<Self, Refused> {
                let read: fn(&str) -> Result<String, Refused> = $read;
                read(text).map(Self)
            }

            pub fn into_inner(self) -> String {
                self.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(&Cow::<str>::deserialize(deserializer)?).map_err(Refused::into_error)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                "string".into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new(MetaSchema {
                    format: $format,
                    max_length: Some($bound),
                    min_length: $least,
                    ..MetaSchema::new("string")
                }))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl ParseFromJSON for $name {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                match value.unwrap_or_default() {
                    Value::String(text) => Self::new(&text).map_err(|refused| ParseError::custom(refused.message.en)),
                    other => Err(ParseError::expected_type(other)),
                }
            }
        }

        impl ParseFromParameter for $name {
            fn parse_from_parameter(text: &str) -> ParseResult<Self> {
                Self::new(text).map_err(|refused| ParseError::custom(refused.message.en))
            }
        }

        impl ToJSON for $name {
            fn to_json(&self) -> Option<Value> {
                Some(Value::String(self.0.clone()))
            }
        }
    )*};
}

text_types! {
    /// A password, of at most 200 characters; never trimmed.
    Secret { reads: opaque, format: Some("password"), most: LONGEST_SECRET, least: Some(1) }
    /// A code as a person types it, at most 64 characters; kept as bare letters and digits in lower case.
    Passcode { reads: bare, format: None, most: 64, least: Some(1) }
}

/// Never shown, not even in a log of what went wrong.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Debug for Passcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passcode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_it_is_typed() {
        for typed in ["346 438", "346438", "346-438", " 346438\n", "３４６４３８", "346\u{a0}438"] {
            assert_eq!(&*Passcode::new(typed).ok().expect(typed), "346438");
        }
        assert_eq!(&*Passcode::new("0CCEZ-ADOTM").ok().expect("a code"), "0ccezadotm");
        assert!(Passcode::new(" - ").is_err());
    }

    #[test]
    fn a_password_is_the_same_in_every_unicode_form_and_keeps_its_spaces() {
        assert_eq!(&*Secret::new("kopi e\u{301} \u{3000}").ok().expect("a password"), "kopi é  ");
        assert!(Secret::new("nul\u{0}").is_err());
    }

    #[test]
    fn a_refusal_survives_deserializing_with_its_code_and_both_sentences() {
        let error = serde_json::from_str::<Passcode>("\" - \"").expect_err("no code").to_string();
        let message = error.split(" at line ").next().unwrap_or_default();
        let fault = Refused::from_message(message, "/code").expect("a refusal");
        assert_eq!((fault.code, &*fault.message.id), ("bad_code", "Bukan kode."));
    }
}
