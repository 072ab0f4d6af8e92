//! Value objects that every capability shares: bilingual text, money, handles.

pub mod contact;
mod handle;
pub mod input;
pub mod places;
pub mod reading;
pub mod text;
pub mod xml;

use poem_openapi::{Enum, Object};
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use self::text::is_visible;
use crate::fault::{FieldFault, field, say};

pub use handle::{MOST_TRIES, check_handle, common_beginning, first_free, handle_from};

/// A language of the service (BCP 47).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Language {
    Id,
    En,
}

impl Language {
    /// Its tag (BCP 47), which is also the suffix of columns that hold a text rendered in it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::En => "en",
        }
    }
}

/// Text in Indonesian, which is required, and English, which falls back to Indonesian (row C16).
#[derive(Debug, Clone, PartialEq, Eq, Default, Object, Serialize, Deserialize, FromJsonQueryResult)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct Localized {
    /// Indonesian.
    #[oai(validator(max_length = 10000))]
    pub id: String,
    /// English; where absent, readers are shown the Indonesian text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none, validator(max_length = 10000))]
    pub en: Option<String>,
}

impl Localized {
    pub fn new(id: &str, en: &str) -> Self {
        Self { id: id.to_owned(), en: Some(en.to_owned()) }
    }

    /// The text in `language`, or in Indonesian if there is none.
    pub fn in_language(&self, language: Language) -> &str {
        match (language, &self.en) {
            (Language::En, Some(en)) if !en.trim().is_empty() => en,
            _ => &self.id,
        }
    }

    /// Validates both texts: adds a fault if the Indonesian one is blank or a text is longer than `most` characters.
    pub fn check(&self, pointer: &str, most: usize, faults: &mut Vec<FieldFault>) {
        check_text(&self.id, &format!("{pointer}/id"), most, faults);
        if let Some(en) = &self.en
            && !en.is_empty()
        {
            check_text(en, &format!("{pointer}/en"), most, faults);
        }
    }
}

/// A text with a limit of at most this many characters is one line: a title, a name, a number. Longer ones may have
/// paragraphs.
pub const LONGEST_LINE: usize = 300;

/// Adds a fault if nothing of `text` can be seen, if it is longer than `most` characters, or if it has several lines
/// where one is expected.
pub fn check_text(text: &str, pointer: &str, most: usize, faults: &mut Vec<FieldFault>) {
    if !is_visible(text) {
        faults.push(field(pointer, "required", say("Wajib diisi.", "Required.")));
    } else if most <= LONGEST_LINE && text.contains(['\n', '\t']) {
        faults.push(field(pointer, "one_line", say("Tulis dalam satu baris.", "Write it in one line.")));
    } else if text.chars().count() > most {
        faults.push(too_long(pointer.to_owned(), most));
    }
}

fn too_long(pointer: String, most: usize) -> FieldFault {
    field(pointer, "too_long", say(format!("Paling banyak {most} karakter."), format!("At most {most} characters.")))
}

/// Money as it is read: minor units of exponent 2, and the same as text (product.md section 3).
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Money {
    /// Hundredths of the currency unit: Rp15.000 is 1500000.
    pub amount_minor: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// Digits after the decimal separator of `value`: always 2.
    pub exponent: u8,
    /// Decimal text with a dot, such as `15000.00`.
    pub value: String,
    /// For people, in Indonesian notation: `Rp15.000`.
    pub display: String,
}

impl Money {
    /// Rupiah from minor units.
    pub fn idr(amount_minor: i64) -> Self {
        Self {
            amount_minor,
            currency: "IDR".into(),
            exponent: 2,
            value: format!("{}.{:02}", amount_minor / 100, amount_minor % 100),
            display: format!("Rp{}", with_dots(amount_minor / 100)),
        }
    }
}

fn with_dots(units: i64) -> String {
    let digits = units.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('.');
        }
        out.push(digit);
    }
    out
}

/// Money as it is written: exactly one of `amount_minor` and `value`, so that `15000` can't silently
/// mean Rp150 (risk 5 of product.md).
#[derive(Debug, Clone, Default, Object, Serialize, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub struct MoneyInput {
    /// Hundredths of a rupiah; a multiple of 100.
    #[serde(default)]
    pub amount_minor: Option<i64>,
    /// Decimal text with a dot and at most two decimals: `15000` or `15000.00`.
    #[serde(default)]
    #[oai(validator(max_length = 20))]
    pub value: Option<String>,
    /// ISO 4217 code; only `IDR` so far.
    #[serde(default)]
    #[oai(validator(max_length = 3))]
    pub currency: Option<String>,
}

/// The lowest price that is taken without `confirm_low_price`: Rp500.
pub const SUSPICIOUSLY_LOW_MINOR: i64 = 50_000;
/// The highest price: Rp100 billion, so that sums over a catalogue stay inside 64 bits.
const HIGHEST_MINOR: i64 = 10_000_000_000_000;

impl MoneyInput {
    /// The amount in minor units, or what is wrong with it. A price with sen is refused.
    pub fn to_minor(&self, pointer: &str, confirm_low: bool) -> Result<i64, FieldFault> {
        if self.currency.as_deref().is_some_and(|currency| currency != "IDR") {
            return Err(field(format!("{pointer}/currency"), "unsupported_currency", say("Hanya IDR.", "IDR only.")));
        }
        let minor = match (self.amount_minor, &self.value) {
            (Some(minor), None) => minor,
            (None, Some(value)) => parse_decimal(value).ok_or_else(|| {
                let message = say("Tulis seperti 15000 atau 15000.00.", "Write it like 15000 or 15000.00.");
                field(format!("{pointer}/value"), "not_a_decimal", message)
            })?,
            _ => {
                let message = say("Isi salah satu: amount_minor atau value.", "Give either amount_minor or value.");
                return Err(field(pointer, "one_of", message));
            }
        };
        if !(0..=HIGHEST_MINOR).contains(&minor) {
            return Err(field(pointer, "out_of_range", say("Di luar batas harga.", "Outside the range of prices.")));
        }
        if minor % 100 != 0 {
            return Err(field(pointer, "sen_not_allowed", say("Rupiah tanpa sen.", "Rupiah without sen.")));
        }
        if minor < SUSPICIOUSLY_LOW_MINOR && !confirm_low {
            let message = say(
                format!("{} sangat rendah; kirim confirm_low_price=true bila benar.", Money::idr(minor).display),
                format!("{} is very low; send confirm_low_price=true if it is right.", Money::idr(minor).display),
            );
            return Err(field(pointer, "price_suspiciously_low", message));
        }
        Ok(minor)
    }
}

/// `15000` or `15000.5` or `15000.50`, in minor units; anything else is refused, never guessed.
fn parse_decimal(text: &str) -> Option<i64> {
    let (units, cents) = text.split_once('.').unwrap_or((text, "00"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(units) || !all_digits(cents) || cents.len() > 2 || units.len() > 15 {
        return None;
    }
    let cents: i64 = format!("{cents:0<2}").parse().ok()?;
    units.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)
}

/// Lower case, accents removed: what handles and search text are made of.
pub fn fold(text: &str) -> String {
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_price_with_sen_is_refused() {
        let price = MoneyInput { value: Some("15000.50".into()), ..MoneyInput::default() };
        assert_eq!(price.to_minor("/price", false).expect_err("sen").code, "sen_not_allowed");
    }

    #[test]
    fn a_price_that_looks_a_hundred_times_too_low_needs_a_confirmation() {
        let price = MoneyInput { amount_minor: Some(15_000), ..MoneyInput::default() };
        assert_eq!(price.to_minor("/price", false).expect_err("low").code, "price_suspiciously_low");
        assert_eq!(price.to_minor("/price", true).expect("confirmed"), 15_000);
    }

    #[test]
    fn indonesian_thousands_are_refused_rather_than_guessed() {
        for text in ["15.000", "15,000", "Rp15000", "-5", "1e5", "", "15000."] {
            let price = MoneyInput { value: Some(text.into()), ..MoneyInput::default() };
            assert!(price.to_minor("/price", false).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_as_value_reads_back_as_the_same_amount(rupiah in 500_i64..100_000_000_000) {
            let money = Money::idr(rupiah * 100);
            let input = MoneyInput { value: Some(money.value), ..MoneyInput::default() };
            prop_assert_eq!(input.to_minor("/price", false).expect("valid"), rupiah * 100);
        }
    }
}
