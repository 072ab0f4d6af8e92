//! E-mail addresses: which are taken, and when two are the same.

use email_address::{EmailAddress, Options};
use icu_casemap::CaseMapper;

use crate::fault::{FieldFault, field, say};

/// The longest address that a path of SMTP holds (RFC 5321, 4.5.3.1.3).
const LONGEST: usize = 254;

/// The one form under which an address is kept and looked up: the domain in ASCII (IDNA, UTS #46), the local part by
/// case folding and then in lower case. Nothing is guessed of what a provider does with dots and tags. `None` if it is not an
/// address.
pub fn canonical(address: &str) -> Option<String> {
    let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
    let address = address.trim();
    let (local, domain) = address.rsplit_once('@')?;
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let local = in_one_case(local);
    let canonical = format!("{local}@{domain}");
    let is_plain = !canonical.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '(' | ')' | ',' | ';' | ':' | '\\'));
    (is_plain && canonical.len() <= LONGEST && EmailAddress::parse_with_options(&canonical, options).is_ok()).then_some(canonical)
}

/// Folding alone makes capitals of what has its small letters from a later version of Unicode, such as Cherokee. The database holds
/// that an address is in lower case, PostgreSQL of any alphabet and SQLite of ASCII, so that one kept here could not be
/// restored there.
fn in_one_case(text: &str) -> String {
    CaseMapper::new().fold_string(text).to_lowercase()
}

/// The address as it is kept; adds a fault unless it is one.
pub fn check_email(address: &str, pointer: &str, faults: &mut Vec<FieldFault>) -> String {
    canonical(address).unwrap_or_else(|| {
        faults.push(field(pointer, "bad_email", say("Bukan alamat surel.", "Not an e-mail address.")));
        String::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_form() {
        for (given, kept) in [
            (" Siti@Example.ORG ", "siti@example.org"),
            ("siti@bücher.example", "siti@xn--bcher-kva.example"),
            ("siti@XN--BCHER-KVA.example", "siti@xn--bcher-kva.example"),
            ("STRASSE@example.org", "strasse@example.org"),
            ("straße@example.org", "strasse@example.org"),
            ("a.b+c@example.org", "a.b+c@example.org"),
            ("\u{ab70}@example.org", "\u{ab70}@example.org"),
            ("\u{13a0}@example.org", "\u{ab70}@example.org"),
            ("\u{1c5}@example.org", "\u{1c6}@example.org"),
            ("\u{130}@example.org", "i\u{307}@example.org"),
            ("ΟΔΟΣ@example.org", "οδοσ@example.org"),
            ("οδος@example.org", "οδοσ@example.org"),
        ] {
            assert_eq!(canonical(given).as_deref(), Some(kept), "{given}");
        }
    }

    #[test]
    fn the_one_form_is_in_lower_case_and_stays_as_it_is() {
        for c in '\0'..=char::MAX {
            let text = format!("a{c}b{c}");
            let once = in_one_case(&text);
            assert_eq!(once.to_lowercase(), once, "U+{:04X}", u32::from(c));
            assert_eq!(in_one_case(&once), once, "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for given in [
            "x@gmail,com.x",
            "<a@b.cd>",
            "Siti <a@b.cd>",
            "a@b",
            "a@@b.cd",
            "@b.cd",
            "a@.cd",
            "a@b..cd",
            "a@b.cd.",
            "a b@c.de",
            "a@[127.0.0.1]",
            "a@-b.cd",
            "\"a b\"@c.de",
            "a.@c.de",
            ".a@c.de",
            "a..b@c.de",
            "a,b@c.de",
            "",
        ] {
            assert_eq!(canonical(given), None, "{given}");
        }
    }
}
