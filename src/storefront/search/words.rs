//! Words: how texts and queries are taken apart, and which words mean the same to a buyer.
//!
//! A word is compared in several forms: as it was written, its stem, and the word that stands for its synonyms. Two words
//! match if any of their forms do.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use sastrawi::{Dictionary, Stemmer as Indonesian};
use snowball_stemmers_rs::{Algorithm, Stemmer as Snowball};

use crate::values::{Language, fold, reading::is_invisible};

/// Words that mean one thing to a buyer; the first stands for all.
const SYNONYMS: &[&[&str]] = &[
    &["anak", "kids", "kid", "children", "child"],
    &["anyam", "woven", "plaited", "wicker"],
    &["ayam", "chicken"],
    &["bambu", "bamboo"],
    &["batang", "stick", "sticks"],
    &["bordir", "sulam", "embroidery", "embroidered"],
    &["bumbu", "spice", "spices", "seasoning", "rempah"],
    &["cokelat", "coklat", "chocolate"],
    &["dompet", "wallet", "wallets", "purse"],
    &["gaun", "dress", "dresses"],
    &["hias", "dekorasi", "decoration", "decor", "ornament"],
    &["ikan", "fish"],
    &["jahe", "ginger"],
    &["kacang", "peanut", "peanuts", "nuts"],
    &["kain", "fabric", "cloth"],
    &["kaos", "kaus", "tshirt", "tshirts"],
    &["kayu", "wood", "wooden"],
    &["kelapa", "coconut"],
    &["kemeja", "shirt", "shirts"],
    &["keripik", "kripik", "chips", "chip", "crisps"],
    &["kerupuk", "krupuk", "crackers", "cracker"],
    &["keranjang", "basket", "baskets"],
    &["kerajinan", "craft", "crafts", "handicraft", "handicrafts"],
    &["kopi", "coffee"],
    &["kue", "cake", "cakes", "cookie", "cookies", "kukis"],
    &["kulit", "leather"],
    &["kursi", "chair", "chairs"],
    &["lampu", "lamp", "lamps"],
    &["limbah", "waste", "bekas", "upcycled", "upcycling", "recycled"],
    &["madu", "honey"],
    &["manis", "sweet"],
    &["mebel", "furniture", "furnitur", "perabot"],
    &["meja", "table", "tables"],
    &["minyak", "oil"],
    &["pakaian", "baju", "busana", "garment", "garments", "clothes", "clothing", "apparel"],
    &["pedas", "spicy", "hot"],
    &["pisang", "banana", "bananas"],
    &["pria", "men", "mens"],
    &["rotan", "rattan"],
    &["roti", "bread", "breads"],
    &["sambal", "sambel", "chili", "chilli"],
    &["sapi", "beef"],
    &["sepatu", "shoe", "shoes"],
    &["singkong", "cassava", "ketela"],
    &["susu", "milk"],
    &["surakarta", "solo"],
    &["suvenir", "souvenir", "souvenirs", "cenderamata", "cinderamata", "buah tangan", "oleh oleh"],
    &["syal", "selendang", "scarf", "scarves", "shawl"],
    &["tahu", "tofu"],
    &["tas", "bag", "bags", "handbag", "handbags"],
    &["teh", "tea"],
    &["tempe", "tempeh"],
    &["topi", "hat", "hats", "cap"],
    &["udang", "shrimp", "prawn"],
    &["ukir", "carving", "carvings", "carved"],
    &["ikm", "umkm", "ukm"],
    &["wanita", "perempuan", "women", "woman", "womens", "ladies"],
];

/// Two words that mean one thing together, and the word that stands for them.
const PAIRS: &[(&str, &str, &str)] = &[
    ("oleh", "oleh", "suvenir"),
    ("buah", "tangan", "suvenir"),
    ("cendera", "mata", "suvenir"),
    ("ubi", "kayu", "singkong"),
    ("daur", "ulang", "limbah"),
];

/// Words that narrow nothing.
const STOP_WORDS: &[&str] = &[
    "a", "an", "and", "atau", "dan", "dari", "dengan", "di", "for", "from", "in", "ini", "itu", "ke", "made", "of", "on", "or", "pada", "para",
    "the", "to", "untuk", "utk", "with", "yang", "yg",
];

static INDONESIAN: LazyLock<Dictionary> = LazyLock::new(Dictionary::new);
static STEM_INDONESIAN: LazyLock<Indonesian<'static>> = LazyLock::new(|| Indonesian::new(&INDONESIAN));
static STEM_ENGLISH: LazyLock<Snowball> = LazyLock::new(|| Snowball::create(Algorithm::English));

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Lower case, without accents; two words that are one are joined by a space.
    pub written: String,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
}

/// Apostrophes, in all the forms that keyboards and word processors make of them. Within a word they are spelling: who writes
/// Jum'at and who writes jumat mean one thing.
fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '`' | '´' | '\u{2b9}'..='\u{2bd}' | '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' | '\u{ff07}')
}

/// Letters and digits; some apostrophes are letters to Unicode.
fn is_written(c: char) -> bool {
    c.is_alphanumeric() && !is_apostrophe(c)
}

/// The words of a text, in order. What can't be seen divides no word.
pub fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let goes_on = || text[at + c.len_utf8()..].chars().find(|next| !is_invisible(*next)).is_some_and(is_written);
        // Marks that combine belong to the letter before them.
        let is_part = || unicode_normalization::char::is_combining_mark(c) || is_invisible(c) || (is_apostrophe(c) && goes_on());
        let is_inside = is_written(c) || (start.is_some() && is_part());
        match (is_inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                start = None;
                let written: String = fold(&text[from..at]).chars().filter(|c| is_written(*c)).collect();
                let joined = words.last().filter(|last| PAIRS.iter().any(|(one, two, _)| last.written == *one && written == *two)).cloned();
                if let Some(first) = joined {
                    words.pop();
                    words.push(Word { written: format!("{} {written}", first.written), at: first.at.start..at });
                } else if !written.is_empty() {
                    words.push(Word { written, at: from..at });
                }
            }
            _ => {}
        }
    }
    words
}

/// Whether a word narrows nothing.
pub fn is_stop_word(written: &str) -> bool {
    STOP_WORDS.contains(&written)
}

/// The forms in which a word of a text in `language` is found, the written one first. A query's language is not known.
pub fn forms(written: &str, language: Option<Language>) -> Vec<String> {
    let mut forms = vec![written.to_owned()];
    let mut add = |form: &str| {
        if !form.is_empty() && !forms.iter().any(|known| known == form) {
            forms.push(form.to_owned());
        }
    };
    if let Some((one, two)) = written.split_once(' ') {
        add(one);
        add(two);
    } else {
        if language != Some(Language::En) {
            add(&STEM_INDONESIAN.stem_word(written));
        }
        if language != Some(Language::Id) {
            add(&STEM_ENGLISH.stem(written));
        }
    }
    for form in forms.clone() {
        let stands_for = PAIRS.iter().find(|(one, two, _)| form.split_once(' ') == Some((one, two))).map(|(_, _, stands)| *stands);
        let head = stands_for.or_else(|| SYNONYMS.iter().find(|set| set.contains(&form.as_str())).map(|set| set[0]));
        if let Some(head) = head.filter(|head| !forms.iter().any(|known| known == head)) {
            forms.push(head.to_owned());
        }
    }
    forms
}

/// Forms of a word, the written one first.
pub type Forms = Arc<[Box<str>]>;

/// Enough for all words of a large catalogue.
const MOST_KNOWN: usize = 200_000;

/// The forms of words of one language.
type Known = RwLock<HashMap<Box<str>, Forms>>;

static KNOWN: LazyLock<[Known; 2]> = LazyLock::new(Default::default);

/// The forms of a word of a text, remembered: a catalogue has few words, often.
pub fn known_forms(written: &str, language: Language) -> Forms {
    let known = &KNOWN[usize::from(language == Language::En)];
    if let Some(forms) = known.read().unwrap_or_else(PoisonError::into_inner).get(written) {
        return Arc::clone(forms);
    }
    let fresh: Forms = forms(written, Some(language)).into_iter().map(String::into_boxed_str).collect();
    let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
    if known.len() > MOST_KNOWN {
        known.clear();
    }
    known.insert(written.into(), Arc::clone(&fresh));
    fresh
}

/// Whether two words differ by at most one typo: a letter too many, too few, another one, or two that changed places.
pub fn is_one_slip(one: &str, other: &str) -> bool {
    // Nearly all words are of ASCII letters, and nearly all pairs differ.
    if one.is_ascii() && other.is_ascii() {
        return differ_by_a_slip(one.as_bytes(), other.as_bytes());
    }
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    differ_by_a_slip(&one, &other)
}

fn differ_by_a_slip<T: PartialEq>(a: &[T], b: &[T]) -> bool {
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    match (&a[same..], &b[same..]) {
        ([], [] | [_]) | ([_], []) => true,
        ([a0, a1, a_rest @ ..], [b0, b1, b_rest @ ..]) if a0 == b1 && a1 == b0 && a_rest == b_rest => true,
        ([_, a_rest @ ..], [_, b_rest @ ..]) if a_rest == b_rest => true,
        ([_, a_rest @ ..], b) if a_rest == b => true,
        (a, [_, b_rest @ ..]) if a == b_rest => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meet(one: &str, other: &str) -> bool {
        let other = forms(other, Some(Language::Id));
        forms(one, None).iter().any(|form| other.contains(form))
    }

    #[test]
    fn words_are_folded_and_keep_their_places() {
        let text = "Kripik Témpe, oleh-oleh Solo";
        let found = words(text);
        let written: Vec<&str> = found.iter().map(|word| word.written.as_str()).collect();
        assert_eq!(written, ["kripik", "tempe", "oleh oleh", "solo"]);
        assert_eq!(&text[found[1].at.clone()], "Témpe");
        assert_eq!(&text[found[2].at.clone()], "oleh-oleh");
    }

    #[test]
    fn apostrophes_and_what_cannot_be_seen_are_no_part_of_a_word() {
        for (text, word) in [
            ("kera\u{ad}wang", "kerawang"),
            ("sar\u{200b}ung", "sarung"),
            ("Jum'at", "jumat"),
            ("Jum\u{2019}at", "jumat"),
            ("Jum\u{2bc}at", "jumat"),
            ("Jum\u{ff07}at", "jumat"),
            ("Qur\u{ad}'\u{200b}an", "quran"),
        ] {
            assert_eq!(words(text).into_iter().map(|word| word.written).collect::<Vec<_>>(), [word], "{text:?}");
        }
        let quoted = words("'manis' dan \u{2018}legit\u{2019} 'n' \u{2bc}");
        assert_eq!(quoted.into_iter().map(|word| word.written).collect::<Vec<_>>(), ["manis", "dan", "legit", "n"]);
    }

    #[test]
    fn affixes_synonyms_and_both_languages_meet() {
        for (one, other) in [
            ("kripik", "keripik"),
            ("chips", "keripik"),
            ("solo", "surakarta"),
            ("menjahit", "jahitan"),
            ("penjahit", "dijahit"),
            ("anyaman", "menganyam"),
            ("olahan", "mengolah"),
            ("oleh oleh", "cenderamata"),
            ("ubi kayu", "singkong"),
            ("daur ulang", "limbah"),
        ] {
            assert!(meet(one, other), "{one} {other}: {:?} {:?}", forms(one, None), forms(other, Some(Language::Id)));
        }
        for (one, other) in [("tas", "kertas"), ("kopi", "kopiah"), ("roti", "rotan"), ("batik", "batu")] {
            assert!(!meet(one, other), "{one} {other}: {:?} {:?}", forms(one, None), forms(other, Some(Language::Id)));
        }
    }

    #[test]
    fn one_slip_is_forgiven_and_no_second() {
        for slipped in ["keripik", "kerpik", "kerripik", "kerikip", "kirepik", "keripikk", "kreipik", "xeripik"] {
            assert_eq!(is_one_slip("keripik", slipped), !["kerikip", "kirepik"].contains(&slipped), "{slipped}");
        }
    }

    proptest! {
        #[test]
        fn words_hold_letters_and_digits_only_and_lie_in_the_text(text in ".*") {
            for word in words(&text) {
                prop_assert!(word.written.chars().all(|c| c.is_alphanumeric() || c == ' '));
                prop_assert!(!text[word.at].is_empty());
            }
        }

        #[test]
        fn a_slip_works_both_ways(one in "[ab]{0,5}", other in "[ab]{0,5}") {
            prop_assert_eq!(is_one_slip(&one, &other), is_one_slip(&other, &one));
        }
    }
}
