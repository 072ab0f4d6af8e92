//! Text as XML can hold it: one place for feeds, sitemaps and pictures, because a single character too many makes every reader
//! refuse the whole document.

/// Whether a character can stand in a document as it is (XML 1.0, section 2.2, `Char`). Controls that the section allows, such
/// as U+0085, say nothing to a reader either; it discourages them.
fn can_stand(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// `text` for between tags or within quotes: what can't stand there becomes a space, and what would be markup is escaped.
pub fn text(text: &str) -> String {
    let standing: String = text.chars().map(|c| if can_stand(c) { c } else { ' ' }).collect();
    quick_xml::escape::escape(standing).into_owned()
}

/// Elements with text in them, one after the other. Their names are ours.
pub fn elements(out: &mut Vec<u8>, pairs: &[(&str, &str)]) {
    for (name, content) in pairs {
        out.extend_from_slice(format!("<{name}>{}</{name}>", text(content)).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::{Reader, events::Event};

    use super::*;

    /// `Char`, as the section writes it.
    fn is_char(c: char) -> bool {
        matches!(c, '\u{9}' | '\u{a}' | '\u{d}' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
    }

    fn utf8(bytes: impl AsRef<[u8]>) -> String {
        String::from_utf8(bytes.as_ref().to_vec()).expect("UTF-8")
    }

    /// What a reader takes from one element with this content in it; fails where the document is no XML.
    fn read_back(content: &str) -> String {
        let mut document = Vec::new();
        elements(&mut document, &[("a", content)]);
        let document = String::from_utf8(document).expect("UTF-8");
        assert!(document.chars().all(is_char), "{document:?}");
        let mut reader = Reader::from_str(&document);
        let (mut inside, mut depth) = (String::new(), 0);
        loop {
            match reader.read_event().expect("well-formed") {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                Event::Text(text) => inside.push_str(&utf8(&*text)),
                Event::GeneralRef(name) => inside.push_str(&quick_xml::escape::unescape(&format!("&{};", utf8(&*name))).expect("a known entity")),
                Event::Eof => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(depth, 0);
        inside
    }

    #[test]
    fn every_character_that_xml_excludes_is_replaced() {
        let all: String = (char::MIN..=char::MAX).collect();
        let kept = text(&all);
        assert!(kept.chars().all(is_char));
        let replaced = (char::MIN..=char::MAX).filter(|c| !is_char(*c)).collect::<Vec<_>>();
        assert!(replaced.contains(&'\u{ffff}') && replaced.contains(&'\u{fffe}') && replaced.contains(&'\0'));
        assert_eq!(read_back("Dodol batok\u{ffff} kelapa\u{fffe}\u{7}"), "Dodol batok  kelapa  ");
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_it_was_but_for_what_xml_excludes(content in "(.|[\\x00-\\x1f\u{fffe}\u{ffff}<>&'\"\\]]){0,60}") {
            let expected: String = content.chars().map(|c| if can_stand(c) { c } else { ' ' }).collect();
            prop_assert_eq!(read_back(&content), expected);
        }
    }
}
