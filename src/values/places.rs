//! Provinces of Indonesia by the codes that they go by: those of ISO 3166-2:ID and of the Ministry of Home Affairs (Kemendagri), in
//! which a regency has the number of its province before its own.

use crate::fault::{FieldFault, field, say};

/// Code of ISO 3166-2 and number of Kemendagri.
const PROVINCES: [(&str, &str); 38] = [
    ("ID-AC", "11"),
    ("ID-SU", "12"),
    ("ID-SB", "13"),
    ("ID-RI", "14"),
    ("ID-JA", "15"),
    ("ID-SS", "16"),
    ("ID-BE", "17"),
    ("ID-LA", "18"),
    ("ID-BB", "19"),
    ("ID-KR", "21"),
    ("ID-JK", "31"),
    ("ID-JB", "32"),
    ("ID-JT", "33"),
    ("ID-YO", "34"),
    ("ID-JI", "35"),
    ("ID-BT", "36"),
    ("ID-BA", "51"),
    ("ID-NB", "52"),
    ("ID-NT", "53"),
    ("ID-KB", "61"),
    ("ID-KT", "62"),
    ("ID-KS", "63"),
    ("ID-KI", "64"),
    ("ID-KU", "65"),
    ("ID-SA", "71"),
    ("ID-ST", "72"),
    ("ID-SN", "73"),
    ("ID-SG", "74"),
    ("ID-GO", "75"),
    ("ID-SR", "76"),
    ("ID-MA", "81"),
    ("ID-MU", "82"),
    ("ID-PA", "91"),
    ("ID-PB", "92"),
    ("ID-PS", "93"),
    ("ID-PT", "94"),
    ("ID-PE", "95"),
    ("ID-PD", "96"),
];

/// Validates the code of a province; adds a fault unless it is one.
pub fn check_province(code: &str, pointer: &str, faults: &mut Vec<FieldFault>) {
    if !PROVINCES.iter().any(|(known, _)| *known == code) {
        faults.push(field(pointer, "bad_province_code", say("Kode ISO 3166-2 seperti ID-BA.", "An ISO 3166-2 code such as ID-BA.")));
    }
}

/// Validates the code of a regency or city, such as `36.71`: the number of a province, and one within it. Regencies come and go, so
/// their own numbers are not held to a list.
pub fn check_regency(code: &str, pointer: &str, faults: &mut Vec<FieldFault>) {
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit()) && text != "00";
    let is_known =
        code.split_once('.').is_some_and(|(province, regency)| PROVINCES.iter().any(|(_, known)| *known == province) && is_number(regency));
    if !is_known {
        faults.push(field(pointer, "bad_regency_code", say("Kode Kemendagri seperti 36.71.", "A Kemendagri code such as 36.71.")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_code_that_is_known() {
        let accepts = |check: fn(&str, &str, &mut Vec<FieldFault>), code: &str| {
            let mut faults = Vec::new();
            check(code, "/code", &mut faults);
            faults.is_empty()
        };
        for code in ["ID-BA", "ID-JK", "ID-PD"] {
            assert!(accepts(check_province, code), "{code}");
        }
        for code in ["ID-XX", "ID-ba", "BA", "ID-BAL", ""] {
            assert!(!accepts(check_province, code), "{code}");
        }
        for code in ["36.71", "33.72", "96.71"] {
            assert!(accepts(check_regency, code), "{code}");
        }
        for code in ["99.99", "00.01", "36.00", "36.7", "3671", "36.7a", "36.+1", ""] {
            assert!(!accepts(check_regency, code), "{code}");
        }
    }
}
