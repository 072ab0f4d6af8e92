//! Keyset cursors: opaque, signed, bound to the filter and order they came from.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;

use crate::fault::{BAD_CURSOR, Fault, Outcome, say};

const TAG_BYTES: usize = 16;

/// Seals `position` for requests with the same `filter` text.
pub fn seal(secret: &[u8], filter: &str, position: &impl Serialize) -> Outcome<String> {
    let mut bytes = serde_json::to_vec(position).map_err(Fault::internal)?;
    let tag = tag(secret, filter, &bytes);
    bytes.extend_from_slice(&tag);
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Opens what [`seal`] made; any change to cursor, filter or order is refused.
pub fn open<T: DeserializeOwned>(secret: &[u8], filter: &str, cursor: &str) -> Outcome<T> {
    let refused = || {
        Fault::new(&BAD_CURSOR).detail(say(
            "Kursor rusak atau milik pencarian lain; mulai dari awal.",
            "The cursor is damaged or belongs to another query; start from the beginning.",
        ))
    };
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
    let split = bytes.len().checked_sub(TAG_BYTES).ok_or_else(refused)?;
    let (position, given) = bytes.split_at(split);
    let equal: bool = subtle::ConstantTimeEq::ct_eq(given, &tag(secret, filter, position)[..]).into();
    if !equal {
        return Err(refused());
    }
    serde_json::from_slice(position).map_err(|_| refused())
}

fn tag(secret: &[u8], filter: &str, position: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length.
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret).unwrap_or_else(|_| unreachable!("any key length"));
    mac.update(&(filter.len() as u64).to_be_bytes());
    mac.update(filter.as_bytes());
    mac.update(position);
    mac.finalize().into_bytes()[..TAG_BYTES].to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_opens_to_the_position_it_was_sealed_with(filter in ".*", position: (i64, String)) {
            let cursor = seal(b"secret", &filter, &position).expect("sealed");
            prop_assert_eq!(open::<(i64, String)>(b"secret", &filter, &cursor).expect("opened"), position);
        }

        #[test]
        fn a_cursor_with_one_changed_byte_or_another_filter_is_refused(position: (i64, String), at: prop::sample::Index, flip in 1_u8..=255) {
            let cursor = seal(b"secret", "a", &position).expect("sealed");
            prop_assert!(open::<(i64, String)>(b"secret", "b", &cursor).is_err());
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&cursor).expect("base64");
            let index = at.index(bytes.len());
            bytes[index] ^= flip;
            let forged = BASE64_URL_SAFE_NO_PAD.encode(bytes);
            prop_assert!(open::<(i64, String)>(b"secret", "a", &forged).is_err());
        }
    }
}
