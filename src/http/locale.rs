//! The language a client reads, by `Accept-Language` (RFC 9110, 12.5.4); Indonesian where unsure.

use poem::{FromRequest, Request, RequestBody, http::header::ACCEPT_LANGUAGE};

use super::weights::{WHOLE, weighted};
use crate::values::Language;

/// The language to answer in.
#[derive(Clone, Copy)]
pub struct Locale(pub Language);

impl<'a> FromRequest<'a> for Locale {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(language_of(request)))
    }
}

/// The language of `request`.
pub fn language_of(request: &Request) -> Language {
    preferred(weighted(request.headers(), &ACCEPT_LANGUAGE))
}

/// The language with the most weight, of equal ones the first in the list. One that is not named has the weight of `*`, and one
/// of weight 0 is not wanted.
fn preferred<'a>(ranges: impl Iterator<Item = (&'a str, Option<u16>)>) -> Language {
    let (mut named, mut others) = (Vec::new(), 0);
    for (range, weight) in ranges {
        // A weight that can't be read is as good as none.
        let weight = weight.unwrap_or(WHOLE);
        match range.split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "en" => named.push((Language::En, weight)),
            "id" | "in" => named.push((Language::Id, weight)),
            "*" => others = weight,
            _ => {}
        }
    }
    for language in [Language::Id, Language::En] {
        if named.iter().all(|(known, _)| *known != language) {
            named.push((language, others));
        }
    }
    let mut best = (Language::Id, 0);
    for (language, weight) in named {
        if weight > best.1 {
            best = (language, weight);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use poem::http::{HeaderMap, HeaderValue};

    use super::*;

    #[test]
    fn the_language_follows_the_weights_over_all_lines_and_is_indonesian_by_default() {
        use Language::{En, Id};
        for (lines, expected) in [
            (&[][..], Id),
            (&["en-GB,id;q=0.8"], En),
            (&["fr, en;q=0.4, id;q=0.5"], Id),
            (&["fr"], Id),
            (&["en, id"], En),
            (&["en;q=0"], Id),
            (&["fr", "en"], En),
            (&["id;q=0.5", "en ; q=0.6"], En),
            (&["en; Q=0.1, id; q = 0.2"], Id),
            (&["*"], Id),
            (&["id;q=0, *"], En),
            (&["en;q=0.5, *;q=0.7"], Id),
            (&["en, *;q=0.1"], En),
            (&["id;q=0.9, en;q=high"], En),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(ACCEPT_LANGUAGE, HeaderValue::from_static(line));
            }
            assert_eq!(preferred(weighted(&headers, &ACCEPT_LANGUAGE)), expected, "{lines:?}");
        }
    }
}
