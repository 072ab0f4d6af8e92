//! Texts as people read them: what looks the same, or would be read out alike, is the same.

use unicode_normalization::UnicodeNormalization;

/// Characters that show nothing: the soft hyphen, zero-width spaces and joiners, marks of direction, the byte order mark.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `text` without regard to case, width, invisible characters and white space at its edges or in a row (Unicode, 3.13: caseless
/// matching of compatible forms).
pub fn as_read(text: &str) -> String {
    // By way of capitals, so that what has two small forms (`ß` and `ss`, both sigmas) comes out as one.
    let folded = text.nfkc().filter(|c| !is_invisible(*c)).flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    let folded: String = folded.nfkc().collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_person_reads_alike_is_alike() {
        for (one, other) in [
            ("Merah", " merah "),
            ("UJI-SKU-1", "uji-sku-1"),
            ("merah  tua", "Merah\u{a0}Tua"),
            ("ＭＥＲＡＨ", "merah"),
            ("Straße", "STRASSE"),
            ("e\u{301}", "É"),
            ("me\u{200b}rah", "merah"),
            ("ὈΔΟΣ", "ὀδος"),
        ] {
            assert_eq!(as_read(one), as_read(other), "{one} {other}");
        }
        assert_ne!(as_read("merah"), as_read("merah tua"));
    }

    proptest! {
        #[test]
        fn reading_twice_changes_nothing_more(text in ".*") {
            prop_assert_eq!(as_read(&as_read(&text)), as_read(&text));
        }
    }
}
