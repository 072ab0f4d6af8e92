//! How somebody is reached: addresses in the web and telephone numbers, in the form in which they are kept.

use url::Url;

use crate::fault::{FieldFault, field, say};

/// The longest web address that is kept.
const LONGEST_ADDRESS: usize = 300;

/// An address of the web as browsers read it (WHATWG URL): of `http` or `https`, with a host, and without anybody's name and password.
fn web_address(text: &str) -> Option<String> {
    let url = Url::parse(text.trim()).ok().filter(|_| !text.contains(char::is_control))?;
    let is_public = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() && url.password().is_none();
    Some(String::from(url)).filter(|address| is_public && address.len() <= LONGEST_ADDRESS)
}

/// The address as it is kept; adds a fault unless it is one.
pub fn check_web_address(text: &str, pointer: &str, faults: &mut Vec<FieldFault>) -> String {
    web_address(text).unwrap_or_else(|| {
        let message = say("Alamat web lengkap seperti https://contoh.id.", "A whole web address such as https://example.org.");
        faults.push(field(pointer, "bad_url", message));
        String::new()
    })
}

/// The number as it is kept: as it was written. Adds a fault unless it is one of 8 to 15 digits (ITU-T E.164), with spaces, hyphens
/// and brackets between them and a plus at most before them.
pub fn check_phone(text: &str, pointer: &str, faults: &mut Vec<FieldFault>) -> String {
    let text = text.trim();
    let is_between = |c: char| matches!(c, ' ' | '-' | '(' | ')');
    let number = text.strip_prefix('+').unwrap_or(text);
    let digits = number.chars().filter(char::is_ascii_digit).count();
    if !number.chars().all(|c| c.is_ascii_digit() || is_between(c)) || !(8..=15).contains(&digits) {
        let message = say("Nomor telepon 8–15 angka seperti +62 812 3456 7890.", "A telephone number of 8 to 15 digits such as +62 812 3456 7890.");
        faults.push(field(pointer, "bad_phone", message));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_web_has_one_form() {
        for (given, kept) in [
            ("https://example.org/tempe", "https://example.org/tempe"),
            ("HTTPS://Example.ORG", "https://example.org/"),
            ("http://tempe.example.org:8080/a?b=c", "http://tempe.example.org:8080/a?b=c"),
        ] {
            assert_eq!(web_address(given).as_deref(), Some(kept), "{given}");
        }
        for given in [
            "https://",
            "https:// ",
            "ftp://example.org",
            "javascript:alert(1)",
            "https://siti:rahasia@example.org",
            "https://bank.example@example.org",
            "example.org",
            "https://exam\tple.org",
            "",
        ] {
            assert_eq!(web_address(given), None, "{given}");
        }
        assert_eq!(web_address(&format!("https://example.org/{}", "é".repeat(100))), None, "what is written out is too long");
    }

    #[test]
    fn a_telephone_number_has_its_digits_and_nothing_but_what_is_written_between_them() {
        let is_refused = |text: &str| {
            let mut faults = Vec::new();
            check_phone(text, "/phone", &mut faults);
            !faults.is_empty()
        };
        for text in ["+62 21 555 0101", "(021) 555-0101", "081234567890", "+6281234567890"] {
            assert!(!is_refused(text), "{text}");
        }
        for text in ["1234567", "1234567890123456", "0812 3456 789O", "62+812345678", "call me 08123456789", "+", ""] {
            assert!(is_refused(text), "{text}");
        }
    }
}
