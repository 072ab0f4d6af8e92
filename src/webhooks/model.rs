//! Kinds of events, when a delivery is tried again, and how it is signed.

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::Duration;
use hmac::{Hmac, Mac};
use poem_openapi::Enum;
use rand::RngCore;
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::fault::{Fault, Outcome};

/// What can have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
pub enum EventKind {
    /// A product entered the public catalogue.
    #[oai(rename = "product.listed")]
    #[serde(rename = "product.listed")]
    ProductListed,
    /// A public product looks different.
    #[oai(rename = "product.changed")]
    #[serde(rename = "product.changed")]
    ProductChanged,
    /// A product left the public catalogue.
    #[oai(rename = "product.removed")]
    #[serde(rename = "product.removed")]
    ProductRemoved,
    /// An announced exhibition changed: status, dates, or what is said of it.
    #[oai(rename = "exhibition.changed")]
    #[serde(rename = "exhibition.changed")]
    ExhibitionChanged,
    /// An application was begun or changed its status.
    #[oai(rename = "application.changed")]
    #[serde(rename = "application.changed")]
    ApplicationChanged,
    /// An SME changed its status.
    #[oai(rename = "sme.changed")]
    #[serde(rename = "sme.changed")]
    SmeChanged,
    /// Somebody asked for a test; sent whatever an endpoint wants.
    #[oai(rename = "ping")]
    #[serde(rename = "ping")]
    Ping,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// To be tried, or to be tried again.
    Waiting,
    Delivered,
    /// Given up after 24 hours, or because the endpoint is gone; it can be replayed.
    Dead,
}

/// How long to wait after each failed attempt; together 23 h 35 min, after which a delivery is dead.
const WAITS: [Duration; 8] = [
    Duration::seconds(5),
    Duration::minutes(1),
    Duration::minutes(4),
    Duration::minutes(30),
    Duration::hours(2),
    Duration::hours(5),
    Duration::hours(8),
    Duration::hours(8),
];

/// How long to wait before a delivery that has failed `attempts` times is tried again; `None` if it is given up.
pub fn wait_after(attempts: i64) -> Option<Duration> {
    WAITS.get(usize::try_from(attempts - 1).ok()?).copied()
}

/// What secrets begin with.
const SECRET: &str = "whsec_";

pub fn new_secret() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    format!("{SECRET}{}", BASE64_STANDARD.encode(bytes))
}

/// The signatures of a message by every valid secret (Standard Webhooks, v1): `v1,… v1,…`.
pub fn sign(secrets: &[String], id: &str, timestamp: i64, body: &str) -> Outcome<String> {
    let one = |secret: &String| {
        let key = BASE64_STANDARD.decode(secret.trim_start_matches(SECRET)).map_err(Fault::internal)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(Fault::internal)?;
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        Ok(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
    };
    Ok(secrets.iter().map(one).collect::<Outcome<Vec<_>>>()?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        // The example that the specification and its libraries are tested by.
        let signed =
            sign(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed.expect("signed"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_delivery_is_tried_for_a_day_and_no_longer() {
        let waits: Vec<Duration> = (1..).map_while(wait_after).collect();
        let total: Duration = waits.iter().sum();
        assert!(total > Duration::hours(23) && total < Duration::hours(24), "{total}");
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
