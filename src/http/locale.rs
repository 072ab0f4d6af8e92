//! The language a client reads, by `Accept-Language` (RFC 9110, 12.5.4); Indonesian where unsure.

use poem::{FromRequest, Request, RequestBody, http::header::ACCEPT_LANGUAGE};

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
    request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).map_or(Language::Id, preferred)
}

fn preferred(header: &str) -> Language {
    let mut best = (Language::Id, 0.0);
    for part in header.split(',') {
        let (tag, parameters) = part.trim().split_once(';').unwrap_or((part.trim(), ""));
        let quality: f32 = parameters.trim().strip_prefix("q=").and_then(|q| q.parse().ok()).unwrap_or(1.0);
        let language = match tag.split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "en" => Language::En,
            "id" | "in" => Language::Id,
            _ => continue,
        };
        if quality > best.1 {
            best = (language, quality);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_quality_wins_and_indonesian_is_the_default() {
        assert_eq!(preferred("en-GB,id;q=0.8"), Language::En);
        assert_eq!(preferred("fr, en;q=0.4, id;q=0.5"), Language::Id);
        assert_eq!(preferred("fr"), Language::Id);
        assert_eq!(preferred("en;q=0"), Language::Id);
    }
}
