//! The text that search looks at: folded words with synonyms made one. Both databases index this text, so
//! that both find the same.

use crate::values::fold;

/// Words that mean one thing to a buyer; the first stands for all.
const SYNONYMS: &[&[&str]] = &[
    &["keripik", "kripik", "chips"],
    &["kerupuk", "krupuk", "crackers"],
    &["surakarta", "solo"],
    &["suvenir", "souvenir", "cenderamata"],
    &["singkong", "cassava", "ubi"],
    &["tas", "bag", "bags"],
    &["lampu", "lamp", "lamps"],
    &["pakaian", "baju", "busana", "garment", "garments"],
    &["limbah", "waste", "upcycled"],
];

/// The words of `text`, each in the form that is indexed.
pub fn words(text: &str) -> Vec<String> {
    let folded = fold(text).replace("oleh-oleh", "suvenir");
    let split = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    split.map(|word| SYNONYMS.iter().find(|set| set.contains(&word)).map_or(word, |set| set[0]).to_owned()).collect()
}

/// The column that is indexed, of all texts of a product.
pub fn index_text<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut all: Vec<String> = texts.into_iter().flat_map(words).collect();
    all.sort_unstable();
    all.dedup();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn synonyms_and_accents_find_each_other() {
        assert_eq!(words("Kripik Témpe, oleh-oleh Solo"), ["keripik", "tempe", "suvenir", "surakarta"]);
        assert_eq!(words("CHIPS"), words("keripik"));
    }

    proptest! {
        #[test]
        fn words_hold_no_operator_of_either_engine(text in ".*") {
            prop_assert!(words(&text).iter().all(|word| word.chars().all(char::is_alphanumeric)));
        }
    }
}
