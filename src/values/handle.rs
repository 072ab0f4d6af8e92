//! Handles: the parts of public addresses that name an SME, a product or an exhibition.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use crate::fault::{FieldFault, field, say};

const LONGEST: usize = 80;
const SHORTEST: usize = 2;
/// How often another free handle is tried for a generated one, when somebody else took the last one first.
pub const MOST_TRIES: usize = 20;

/// A handle from a name in any script: `Kue Dodol Asli` becomes `kue-dodol-asli`. Where too little of it can be written in Latin
/// letters, `otherwise`, which says what is named, stands before that or alone.
pub fn handle_from(name: &str, otherwise: &str) -> String {
    // Composed, because scripts are transliterated by whole letters: a voiced kana or a syllable of Hangul is one.
    let composed: String = name.nfkc().collect();
    let mut handle = String::new();
    for c in deunicode::deunicode_with_tofu(&composed, "-").chars() {
        if c.is_ascii_alphanumeric() {
            handle.push(c.to_ascii_lowercase());
        } else if !handle.is_empty() && !handle.ends_with('-') {
            handle.push('-');
        }
        if handle.len() == LONGEST {
            break;
        }
    }
    let handle = handle.trim_end_matches('-');
    match handle.len() {
        0 => otherwise.to_owned(),
        length if length < SHORTEST => format!("{otherwise}-{handle}"),
        _ => handle.to_owned(),
    }
}

/// Validates a handle; adds a fault unless it is one.
pub fn check_handle(handle: &str, pointer: &str, faults: &mut Vec<FieldFault>) {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !(SHORTEST..=LONGEST).contains(&handle.len()) || !handle.split('-').all(is_word) {
        let message = say("Huruf kecil, angka dan tanda hubung; 2–80 karakter.", "Lower case letters, digits and hyphens; 2–80 characters.");
        faults.push(field(pointer, "bad_handle", message));
    }
}

/// The first of `base`, `base-2`, `base-3` and so on that nobody has.
pub fn first_free(base: &str, taken: &HashSet<String>) -> String {
    let numbered = |number: usize| {
        let end = format!("-{number}");
        let kept = &base[..base.len().min(LONGEST - end.len())];
        format!("{}{end}", kept.trim_end_matches('-'))
    };
    let mut numbers = (2..).map(numbered);
    let mut free = base.to_owned();
    while taken.contains(&free) {
        match numbers.next() {
            Some(next) => free = next,
            None => break,
        }
    }
    free
}

/// What all handles begin with that [`first_free`] may give for `base`.
pub fn common_beginning(base: &str) -> &str {
    let longest_number = 10;
    base[..base.len().min(LONGEST - longest_number)].trim_end_matches('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_in_any_script_makes_a_handle_that_can_be_read() {
        for (name, handle) in [
            ("Kue Dodol Asli", "kue-dodol-asli"),
            ("Kopi \u{201c}Gayo\u{201d} – é", "kopi-gayo-e"),
            ("ﬁlm ＡＢＣ", "film-abc"),
            ("Straße", "strasse"),
            ("日本のおみやげ", "ri-ben-noomiyage"),
            ("가방", "gabang"),
            ("🍌🍌", "banana-banana"),
            ("Тапочки", "tapochki"),
            ("", "produk"),
            ("!!!", "produk"),
            ("\u{10ffff}", "produk"),
            ("A", "produk-a"),
            ("7", "produk-7"),
        ] {
            assert_eq!(handle_from(name, "produk"), handle, "{name}");
        }
    }

    #[test]
    fn the_first_number_that_nobody_has_is_put_behind() {
        let taken = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<HashSet<_>>();
        assert_eq!(first_free("dodol", &taken(&[])), "dodol");
        assert_eq!(first_free("dodol", &taken(&["dodol", "dodol-2", "dodol-4"])), "dodol-3");
        let long = format!("{}-bb", "a".repeat(77));
        assert_eq!(first_free(&long, &taken(&[&long])), format!("{}-2", "a".repeat(77)));
    }

    proptest! {
        #[test]
        fn every_text_makes_a_handle_that_is_accepted(text in ".*", others in 0_usize..12) {
            let handle = handle_from(&text, "produk");
            let mut taken = HashSet::new();
            for _ in 0..=others {
                let free = first_free(&handle, &taken);
                let mut faults = Vec::new();
                check_handle(&free, "/handle", &mut faults);
                prop_assert!(faults.is_empty(), "{}", free);
                prop_assert!(free.starts_with(common_beginning(&handle)));
                prop_assert!(taken.insert(free));
            }
        }
    }
}
