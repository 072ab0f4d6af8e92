//! The gate for text: what a string from outside becomes before anything else sees it, or why it is refused.
//!
//! Stored text is in Unicode's normal form C, has no white space at its edges, line feeds alone as line ends, and no character
//! that is neither seen nor needed, so that two texts that look the same are the same, and no reader of a feed, a calendar or a
//! spreadsheet meets a character that its format forbids. [`super::input`] makes types of it.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{BidiClass, DefaultIgnorableCodePoint, ExtendedPictographic, GeneralCategory, NoncharacterCodePoint, Script},
};
use unicode_normalization::UnicodeNormalization;

use crate::fault::{Say, say};

/// How a text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One line: breaks and tabs become spaces.
    Line,
    /// Lines and paragraphs, divided by line feeds.
    Paragraphs,
}

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unclean {
    /// U+0000, another C0 or C1 control, or a noncharacter (Unicode 23.7).
    Control(char),
    /// A mark that turns the direction of what follows, without its end (UAX #9).
    LoneBidi(char),
    /// Nothing in it can be seen.
    Invisible,
    TooLong(usize),
}

impl Unclean {
    /// A stable code for machines.
    pub fn code(self) -> &'static str {
        match self {
            Self::Control(_) => "bad_character",
            Self::LoneBidi(_) => "unpaired_direction",
            Self::Invisible => "required",
            Self::TooLong(_) => "too_long",
        }
    }

    pub fn message(self) -> Say {
        let named = |c: char| format!("U+{:04X}", u32::from(c));
        match self {
            Self::Control(c) => say(format!("Karakter {} tidak boleh ada.", named(c)), format!("The character {} is not allowed.", named(c))),
            Self::LoneBidi(c) => say(
                format!("Penanda arah tulisan {} tanpa penutupnya.", named(c)),
                format!("The mark of writing direction {} is not closed.", named(c)),
            ),
            Self::Invisible => say("Wajib diisi.", "Required."),
            Self::TooLong(most) => say(format!("Paling banyak {most} karakter."), format!("At most {most} characters.")),
        }
    }
}

/// The text as it is kept: normalized, trimmed, without what is invisible. May be empty.
pub fn clean(text: &str, layout: Layout) -> Result<String, Unclean> {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if text.bytes().all(is_plain) {
        return Ok(text.trim().to_owned());
    }
    let mut lined = String::with_capacity(text.len());
    let mut characters = text.nfc().peekable();
    while let Some(c) = characters.next() {
        match (c, layout) {
            ('\r', _) if characters.peek() == Some(&'\n') => {}
            ('\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}', Layout::Paragraphs) => lined.push('\n'),
            ('\t', Layout::Paragraphs) => lined.push('\t'),
            ('\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}', Layout::Line) => lined.push(' '),
            (c, _) if is_forbidden(c) => return Err(Unclean::Control(c)),
            (c, _) => lined.push(c),
        }
    }
    check_direction(&lined)?;
    let seen = without_invisible(&lined);
    // Removing a joiner can bring two characters together that compose.
    let composed: String = seen.nfc().collect();
    Ok(composed.trim_matches(|c: char| c.is_whitespace() || c == BRAILLE_BLANK).to_owned())
}

/// Whether a person sees anything of it.
pub fn is_visible(text: &str) -> bool {
    text.chars().any(|c| {
        let category = CodePointMapData::<GeneralCategory>::new().get(c);
        let is_mark = matches!(category, GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark);
        !(c.is_whitespace() || is_mark || c == BRAILLE_BLANK || is_ignorable(c) || category == GeneralCategory::Format)
    })
}

/// A pattern of Braille without a dot, which is drawn as a space.
pub const BRAILLE_BLANK: char = '\u{2800}';

/// Controls and noncharacters: XML 1.0 has no way to write most of them, PostgreSQL none to store U+0000.
pub fn is_forbidden(c: char) -> bool {
    c.is_control() || CodePointSetData::new::<NoncharacterCodePoint>().contains(c)
}

/// Characters that are not drawn where nobody knows better: joiners, marks of direction, selectors of a variant, fillers of Hangul.
pub fn is_ignorable(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Embeddings, overrides and isolates have to be closed within their paragraph, each by its own mark.
fn check_direction(text: &str) -> Result<(), Unclean> {
    for paragraph in text.split('\n') {
        let mut open = Vec::new();
        for c in paragraph.chars() {
            match c {
                '\u{202a}' | '\u{202b}' | '\u{202d}' | '\u{202e}' => open.push((c, '\u{202c}')),
                '\u{2066}' | '\u{2067}' | '\u{2068}' => open.push((c, '\u{2069}')),
                '\u{202c}' | '\u{2069}' if open.pop().is_none_or(|(_, end)| end != c) => return Err(Unclean::LoneBidi(c)),
                _ => {}
            }
        }
        if let Some((c, _)) = open.pop() {
            return Err(Unclean::LoneBidi(c));
        }
    }
    Ok(())
}

/// Leaves out characters that are not drawn, but for those without which the text would read differently: joiners in emoji and
/// in scripts that need them, selectors of a variant, flags of regions, and marks of direction where a text has both directions.
fn without_invisible(text: &str) -> String {
    if !text.chars().any(is_ignorable) {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().collect();
    let has_right_to_left = characters.iter().any(|c| is_right_to_left(*c));
    let mut kept = String::with_capacity(text.len());
    let mut in_flag = false;
    for (index, &c) in characters.iter().enumerate() {
        let (before, after) = (kept.chars().next_back(), characters.get(index + 1).copied());
        let keeps = match c {
            '\u{200d}' => joins_emoji(before, after) || joins_letters(before),
            '\u{200c}' => joins_letters(before) && after.is_some_and(|after| !after.is_whitespace()),
            '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => before.is_some_and(takes_selector),
            '\u{180b}'..='\u{180d}' | '\u{180f}' => before.is_some_and(|before| script(before) == Script::Mongolian),
            '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => has_right_to_left,
            // A region's flag is a black flag and its code in tags, closed by a last tag (UTS #51, annex C).
            '\u{e0020}'..='\u{e007f}' => in_flag && characters[index..].iter().find(|c| !is_tag(**c) || **c == '\u{e007f}') == Some(&'\u{e007f}'),
            c => !is_ignorable(c),
        };
        in_flag = c == '\u{1f3f4}' || (in_flag && is_tag(c) && c != '\u{e007f}');
        if keeps {
            kept.push(c);
        }
    }
    kept
}

fn is_tag(c: char) -> bool {
    ('\u{e0020}'..='\u{e007f}').contains(&c)
}

fn is_right_to_left(c: char) -> bool {
    matches!(CodePointMapData::<BidiClass>::new().get(c), BidiClass::RightToLeft | BidiClass::ArabicLetter)
}

fn script(c: char) -> Script {
    CodePointMapData::<Script>::new().get(c)
}

fn is_pictograph(c: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(c)
}

/// Emoji are joined to one picture: after a pictograph, its selector or its skin tone, before another.
fn joins_emoji(before: Option<char>, after: Option<char>) -> bool {
    let ends_emoji = |c: char| is_pictograph(c) || c == '\u{fe0f}' || ('\u{1f3fb}'..='\u{1f3ff}').contains(&c);
    before.is_some_and(ends_emoji) && after.is_some_and(is_pictograph)
}

/// Scripts in which a joiner changes how letters are written.
fn joins_letters(before: Option<char>) -> bool {
    before.is_some_and(|c| {
        let common = CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::NonspacingMark && script(c) == Script::Inherited;
        !c.is_ascii()
            && !common
            && matches!(
                script(c),
                Script::Arabic
                    | Script::Syriac
                    | Script::Mongolian
                    | Script::Devanagari
                    | Script::Bengali
                    | Script::Gurmukhi
                    | Script::Gujarati
                    | Script::Oriya
                    | Script::Tamil
                    | Script::Telugu
                    | Script::Kannada
                    | Script::Malayalam
                    | Script::Sinhala
                    | Script::Khmer
                    | Script::Myanmar
                    | Script::Tibetan
                    | Script::Balinese
                    | Script::Javanese
                    | Script::Sundanese
            )
    })
}

/// What a variation selector can follow: pictographs, keycaps, and letters of scripts that have variants.
fn takes_selector(c: char) -> bool {
    is_pictograph(c) || c.is_ascii_digit() || matches!(c, '#' | '*') || matches!(script(c), Script::Han | Script::Mongolian | Script::Myanmar)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> Result<String, Unclean> {
        clean(text, Layout::Line)
    }

    #[test]
    fn what_looks_the_same_becomes_the_same() {
        for (given, kept) in [
            ("  Zebra rotan ", "Zebra rotan"),
            ("kera\u{ad}wang", "kerawang"),
            ("sar\u{200b}ung", "sarung"),
            ("\u{feff}Dodol", "Dodol"),
            ("kopi e\u{301}", "kopi é"),
            ("Dodol\r\ndurian", "Dodol durian"),
            ("a\u{200d}b", "ab"),
            ("\u{3164}", ""),
            ("\u{2800} \u{a0}", ""),
            ("tas\u{200e}", "tas"),
        ] {
            assert_eq!(line(given).as_deref(), Ok(kept), "{given:?}");
        }
        assert_eq!(clean("Baris satu\r\nBaris dua\rtiga\u{2028}empat", Layout::Paragraphs).as_deref(), Ok("Baris satu\nBaris dua\ntiga\nempat"));
    }

    #[test]
    fn what_carries_meaning_stays() {
        for text in [
            "👨‍👩‍👧 keluarga",
            "❤️",
            "1️⃣",
            "🏴\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "葛\u{e0100}",
            "ꦲꦏ꧀ꦱꦫꦗꦮ",
            "\u{2067}שלום\u{2069} toko",
            "Qur'an – “Gayo”",
        ] {
            assert_eq!(line(text).as_deref(), Ok(text), "{text:?}");
        }
    }

    #[test]
    fn what_no_format_can_carry_is_refused() {
        for (text, c) in [
            ("Tas\u{0}rajut", '\u{0}'),
            ("a\u{7}b", '\u{7}'),
            ("a\u{9b}b", '\u{9b}'),
            ("Dodol\u{ffff}", '\u{ffff}'),
            ("Dodol\u{fffe}", '\u{fffe}'),
            ("\u{fdd0}", '\u{fdd0}'),
            ("\u{1ffff}", '\u{1ffff}'),
        ] {
            assert_eq!(line(text), Err(Unclean::Control(c)), "{text:?}");
        }
        for text in ["\u{202e}gpj.exe", "a\u{2069}", "\u{2067}a\u{202c}", "\u{202a}a"] {
            assert!(matches!(line(text), Err(Unclean::LoneBidi(_))), "{text:?}");
        }
    }

    #[test]
    fn a_name_of_nothing_but_marks_and_blanks_is_not_visible() {
        for text in [
            "",
            " ",
            "\u{301}",
            "\u{2800}",
            "\u{200b}\u{200b}",
            "\u{115f}",
            "\u{1160}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{fff9}\u{fffb}",
            "\u{e000}\u{301}".trim_start_matches('\u{e000}'),
        ] {
            assert!(!is_visible(text), "{text:?}");
        }
        for text in ["a", "🍌", "日本", "é", "-"] {
            assert!(is_visible(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing_more(text in "\\PC{0,40}|.{0,40}") {
            for layout in [Layout::Line, Layout::Paragraphs] {
                if let Ok(once) = clean(&text, layout) {
                    prop_assert_eq!(clean(&once, layout), Ok(once.clone()));
                }
            }
        }
    }
}
