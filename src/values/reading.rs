//! Texts as people read them: what looks the same, or would be read out alike, is the same.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use super::text::{BRAILLE_BLANK, is_ignorable};

/// Characters that show nothing: the soft hyphen, zero-width spaces and joiners, marks of direction, the byte order mark.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Marks around a note between lines (Unicode, 23.8), which nothing draws.
fn is_interlinear(c: char) -> bool {
    matches!(c, '\u{fff9}'..='\u{fffb}')
}

/// The character of a keyboard for those that are drawn like it: a hyphen for every dash, an apostrophe for single quotes, accents
/// that stand alone and primes, `x` for the sign of multiplication, a space for what is drawn as one.
fn as_typed(c: char) -> char {
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
        '`' | '\u{b4}' | '\u{2bb}' | '\u{2bc}' | '\u{1ffd}' | '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' => '\'',
        '\u{d7}' => 'x',
        BRAILLE_BLANK => ' ',
        c => c,
    }
}

/// `text` without regard to case, width, invisible characters, variants of dashes and apostrophes, and white space at its edges or in
/// a row (Unicode, 3.13: caseless matching of compatible forms).
pub fn as_read(text: &str) -> String {
    // Before compatible forms are taken as well, since an accent that stands alone has one with a space.
    let typed = text.chars().map(as_typed).nfkc().map(as_typed).filter(|c| !is_ignorable(*c) && !is_interlinear(*c));
    // By way of capitals, so that what has two small forms (`ß` and `ss`, both sigmas) comes out as one.
    let folded: String = typed.flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The places in a list of those names that a person reads like one before them.
pub fn read_twice<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
    let mut known = HashSet::new();
    names.into_iter().enumerate().filter(|(_, name)| !known.insert(as_read(name))).map(|(place, _)| place).collect()
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
            ("merah\u{fe0f}", "merah"),
            ("me\u{e0101}rah", "merah"),
            ("me\u{fff9}ra\u{fffb}h", "merah"),
            ("A\u{2013}1", "a-1"),
            ("A\u{2212}1", "A\u{2011}1"),
            ("A\u{ff0d}1", "A\u{2014}1"),
            ("Qur\u{2019}an", "Qur'an"),
            ("Qur\u{2bc}an", "qur`an"),
            ("Qur\u{b4}an", "Qur\u{2032}an"),
            ("10 \u{d7} 20", "10 X 20"),
            ("merah\u{2800}tua", "merah tua"),
        ] {
            assert_eq!(as_read(one), as_read(other), "{one} {other}");
        }
        assert_ne!(as_read("merah"), as_read("merah tua"));
        assert_ne!(as_read("A-1"), as_read("A1"));
    }

    #[test]
    fn the_second_of_two_names_that_read_the_same_is_found() {
        assert_eq!(read_twice(["Aula A", "Aula B", "aula\u{a0}a", "AULA B"]), [2, 3]);
        assert!(read_twice(["A", "B"]).is_empty());
    }

    proptest! {
        #[test]
        fn reading_twice_changes_nothing_more(text in ".*") {
            prop_assert_eq!(as_read(&as_read(&text)), as_read(&text));
        }
    }
}
