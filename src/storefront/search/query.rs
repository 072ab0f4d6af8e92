//! What a buyer typed, and how well a word of a product matches it.

use serde::{Deserialize, Serialize};

use super::words::{Word, forms, is_one_slip, is_stop_word, known_forms, words};
use crate::values::reading::is_invisible;

/// Words of a query beyond this many are ignored.
const MOST_WORDS: usize = 8;
/// A typo is forgiven in words of at least this many letters.
const SHORTEST_WITH_SLIP: usize = 5;

/// How a word is looked for: the first way that finds anything. A cursor carries it, so that all pages look in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Way {
    /// The word, a word of the same stem, or a synonym.
    Word,
    /// The beginning of a word: the last one may not be typed to its end.
    Beginning,
    /// With one typo.
    Slip,
    /// Not at all: nothing is like it.
    Nowhere,
}

/// A word that was typed.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub written: String,
    pub forms: Vec<String>,
    /// May be unfinished.
    is_last: bool,
}

impl Wanted {
    /// Whether a typo may be looked for.
    pub fn may_slip(&self) -> bool {
        self.written.chars().count() >= SHORTEST_WITH_SLIP
    }

    pub fn may_be_a_beginning(&self) -> bool {
        self.is_last
    }

    /// How well `form`, one form of a word of a product, matches: per cent, 0 if it does not.
    pub fn answered_by(&self, form: &str, way: Way) -> u32 {
        if self.written == form {
            return 100;
        }
        if self.forms.iter().any(|known| known == form) {
            return 90;
        }
        match way {
            Way::Beginning if form.starts_with(&self.written) => 80,
            Way::Slip if is_one_slip(&self.written, form) => 60,
            Way::Slip if self.is_last && self.begins_with_slip(form) => 45,
            _ => 0,
        }
    }

    /// Whether `form` may match with a typo, by a look at its first two letters: one typo leaves one of them near its
    /// place.
    pub fn may_be_near(&self, form: &str) -> bool {
        match (self.written.as_bytes(), form.as_bytes()) {
            ([a0, a1, ..], [b0, b1, ..]) if [a0, a1, b0, b1].iter().all(|byte| byte.is_ascii()) => {
                a0 == b0 || a1 == b1 || a0 == b1 || a1 == b0 || self.forms.iter().any(|known| known == form)
            }
            _ => true,
        }
    }

    fn begins_with_slip(&self, form: &str) -> bool {
        let letters = self.written.chars().count();
        let ends = form.char_indices().map(|(at, _)| at).chain([form.len()]).skip(letters - 1).take(3);
        ends.into_iter().any(|end| is_one_slip(&self.written, &form[..end]))
    }
}

/// The words of a query. Words that narrow nothing are left out, unless there is nothing else. Where something was typed, but no
/// word in it, such as an emoji, that is a word that no product has.
pub fn parse(text: &str) -> Vec<Wanted> {
    let typed: Vec<Word> = words(text);
    let is_blank = text.chars().all(|c| c.is_whitespace() || is_invisible(c));
    if typed.is_empty() && !is_blank {
        return vec![Wanted { written: String::new(), forms: Vec::new(), is_last: false }];
    }
    let ends_open = text.chars().rfind(|c| !is_invisible(*c)).is_some_and(char::is_alphanumeric);
    let count = typed.len();
    let only_stop_words = typed.iter().all(|word| is_stop_word(&word.written));
    let wanted = typed.into_iter().enumerate().filter(|(_, word)| only_stop_words || !is_stop_word(&word.written));
    let wanted = wanted.map(|(at, word)| Wanted { forms: forms(&word.written, None), written: word.written, is_last: ends_open && at + 1 == count });
    wanted.take(MOST_WORDS).collect()
}

/// `text` as HTML with what matches the query in `<mark>`; `None` if nothing does.
pub fn highlight(text: &str, wanted: &[Wanted], ways: &[Way], language: crate::values::Language) -> Option<String> {
    let mut html = String::new();
    let mut done = 0;
    for word in words(text) {
        let forms = known_forms(&word.written, language);
        let is_meant = wanted.iter().zip(ways).any(|(wanted, way)| forms.iter().any(|form| wanted.answered_by(form, *way) > 0));
        if is_meant {
            escape(&text[done..word.at.start], &mut html);
            html.push_str("<mark>");
            escape(&text[word.at.clone()], &mut html);
            html.push_str("</mark>");
            done = word.at.end;
        }
    }
    if done == 0 {
        return None;
    }
    escape(&text[done..], &mut html);
    Some(html)
}

/// `text` as HTML.
pub fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    escape(text, &mut html);
    html
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::Language;

    #[test]
    fn what_was_found_is_marked_and_the_rest_is_escaped() {
        let wanted = parse("kripik pedas");
        let html = highlight("Keripik <b>super pedas</b>", &wanted, &[Way::Word, Way::Word], Language::Id);
        assert_eq!(html.as_deref(), Some("<mark>Keripik</mark> &lt;b&gt;super <mark>pedas</mark>&lt;/b&gt;"));
        assert_eq!(highlight("Batik", &wanted, &[Way::Word, Way::Word], Language::Id), None);
    }

    #[test]
    fn words_that_narrow_nothing_are_left_out() {
        let typed = |text| parse(text).into_iter().map(|wanted| wanted.written).collect::<Vec<_>>();
        assert_eq!(typed("tas untuk wanita"), ["tas", "wanita"]);
        assert_eq!(typed("yang"), ["yang"]);
        for nothing in ["", " ", "\u{200b}"] {
            assert!(parse(nothing).is_empty(), "{nothing:?}");
        }
        for no_word in ["!!!", "🍌", "\u{fffd}\u{fffd}", "'"] {
            assert_eq!(typed(no_word), [""], "{no_word:?}");
            assert_eq!(highlight("Dodol 🍌!!!", &parse(no_word), &[Way::Nowhere], Language::Id), None);
        }
    }

    proptest! {
        #[test]
        fn what_answers_with_a_slip_is_near(typed in "[a-dé]{5,8}", form in "[a-dé]{1,9}") {
            for wanted in parse(&typed) {
                prop_assert!(wanted.answered_by(&form, Way::Slip) == 0 || wanted.may_be_near(&form), "{} {}", typed, form);
            }
        }

        #[test]
        fn a_highlight_holds_no_markup_but_marks(text in ".*", typed in ".*") {
            let wanted = parse(&typed);
            let ways = vec![Way::Slip; wanted.len()];
            if let Some(html) = highlight(&text, &wanted, &ways, Language::Id) {
                let plain = html.replace("<mark>", "").replace("</mark>", "");
                prop_assert!(!plain.contains(['<', '>', '"']));
                let back = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
                prop_assert_eq!(back, text);
            }
        }
    }
}
