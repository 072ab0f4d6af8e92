//! E-mail addresses: which are taken, and when two are the same.

use email_address::{EmailAddress, Options};
use icu_casemap::CaseMapper;

use crate::fault::{FieldFault, field, say};

/// The longest address that a path of SMTP holds (RFC 5321, 4.5.3.1.3).
const LONGEST: usize = 254;

/// The one form under which an address is kept and looked up: the domain in ASCII (IDNA, UTS #46), the local part by
/// case folding. Nothing is guessed of what a provider does with dots and tags. `None` if it is not an address.
pub fn canonical(address: &str) -> Option<String> {
    let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
    let address = address.trim();
    let (local, domain) = address.rsplit_once('@')?;
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let local = CaseMapper::new().fold_string(local);
    let canonical = format!("{local}@{domain}");
    let is_plain = !canonical.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '(' | ')' | ',' | ';' | ':' | '\\'));
    (is_plain && canonical.len() <= LONGEST && EmailAddress::parse_with_options(&canonical, options).is_ok()).then_some(canonical)
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
        ] {
            assert_eq!(canonical(given).as_deref(), Some(kept), "{given}");
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
