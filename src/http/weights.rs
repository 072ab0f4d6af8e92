//! Lists of what a client would rather have (RFC 9110, 12.4.2): elements with weights, over all lines of a header field.

use poem::http::{HeaderMap, header::HeaderName};

/// The weight of an element that states none, in thousandths.
pub const WHOLE: u16 = 1000;

/// The elements of `field` in order, each with its weight in thousandths; `None` where the weight can't be read.
pub fn weighted<'a>(headers: &'a HeaderMap, field: &HeaderName) -> impl Iterator<Item = (&'a str, Option<u16>)> {
    // Several lines of one field are one list (RFC 9110, 5.3).
    let lines = headers.get_all(field).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(element)
}

fn element(text: &str) -> Option<(&str, Option<u16>)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let mut weights = parts.filter_map(|parameter| {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        key.trim().eq_ignore_ascii_case("q").then(|| weight(value.trim()))
    });
    Some((name, weights.next().unwrap_or(Some(WHOLE))))
}

/// 0 to 1 with at most three decimals, in thousandths.
fn weight(value: &str) -> Option<u16> {
    let is_short = value.len() <= "0.000".len() && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let weight: f32 = value.parse().ok().filter(|weight| is_short && (0.0..=1.0).contains(weight))?;
    Some((weight * f32::from(WHOLE)).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_read_with_any_spaces_and_in_any_case() {
        for (text, read) in [
            ("en", Some(("en", Some(1000)))),
            (" en ; q=0.4", Some(("en", Some(400)))),
            ("en;Q = 0.29", Some(("en", Some(290)))),
            ("en;level=1;q=0", Some(("en", Some(0)))),
            ("*;q=.5", Some(("*", Some(500)))),
            ("en;q=2", Some(("en", None))),
            ("en;q=x", Some(("en", None))),
            ("en;q", Some(("en", None))),
            ("en;q=1e-1", Some(("en", None))),
            ("en;q=-0", Some(("en", None))),
            ("", None),
            (" ;q=1", None),
        ] {
            assert_eq!(element(text), read, "{text}");
        }
    }
}
