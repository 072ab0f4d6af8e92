//! Where webhooks may go: to public addresses only, so that nobody reaches into the office's own network through them
//! (SSRF, OWASP API7:2023). What a name resolves to is looked at for each connection, so that a name that changes its
//! address after it was checked gains nothing.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client, ClientBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use url::{Host, Url};

use crate::fault::{Say, say};

/// An endpoint that does not answer within this time has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether everybody can reach this address. Lists of IANA: special-purpose addresses that are not globally reachable.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        // Carriers, IETF protocols, relays of 6to4, benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // 2000::/3 is all that is routed; inside it, tunnels and documentation hold other addresses or none.
    let is_routed = segments[0] & 0xe000 == 0x2000;
    let is_special = segments[0] == 0x2002 || (segments[0] == 0x2001 && (segments[1] < 0x200 || segments[1] == 0xdb8)) || segments[0] == 0x3fff;
    is_routed && !is_special
}

/// Why an endpoint may not be there; `None` if it may. `to_private` is for trying things out.
pub fn refusal(text: &str, to_private: bool) -> Option<Say> {
    let Ok(url) = Url::parse(text) else { return Some(say("Bukan alamat web.", "Not a web address.")) };
    let is_web = url.scheme() == "https" || (to_private && url.scheme() == "http");
    if !is_web {
        return Some(say("Mulai dengan https://.", "Begin with https://."));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() || text.len() > 500 {
        return Some(say("Tanpa nama, kata sandi dan #; paling panjang 500 karakter.", "Without name, password and #; at most 500 characters."));
    }
    let is_reachable = match url.host() {
        Some(Host::Ipv4(address)) => is_public_v4(address),
        Some(Host::Ipv6(address)) => is_public_v6(address),
        // A dot at the end says only that the name is whole.
        Some(Host::Domain(name)) => {
            name.trim_end_matches('.').rsplit_once('.').is_some_and(|(_, top)| !matches!(top, "localhost" | "internal" | "local"))
        }
        None => false,
    };
    (!is_reachable && !to_private).then(|| say("Alamat itu tidak dapat dicapai dari internet.", "That address can't be reached from the internet."))
}

/// Finds public addresses only.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The same is said of a name that is not there and of one that is in the office's own network: who made the endpoint
            // reads it, and must not learn the names of that network by trying.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.ok().into_iter().flatten();
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// A client that follows no redirect, uses no proxy, and goes to public addresses only. An address that is written as
/// numbers is not resolved; [`refusal`] is asked before each request for that.
pub fn client(to_private: bool) -> reqwest::Result<Client> {
    let builder =
        ClientBuilder::new().redirect(Policy::none()).no_proxy().timeout(PATIENCE).user_agent(concat!("Etalase/", env!("CARGO_PKG_VERSION")));
    if to_private { builder.build() } else { builder.dns_resolver(Arc::new(PublicOnly)).build() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_private_is_public() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(address.parse().expect("an address")), "{address}");
        }
        for address in ["1.1.1.1", "103.10.64.1", "2606:4700:4700::1111", "2001:4860:4860::8888"] {
            assert!(is_public(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn an_endpoint_is_an_encrypted_public_address() {
        assert_eq!(refusal("https://hooks.example.org/etalase?x=1", false), None);
        for url in [
            "http://hooks.example.org/",
            "https://localhost/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://user:pass@example.org/",
            "https://db.internal/",
            "https://x.localhost/",
            "https://localhost./",
            "https://db.internal./",
            "ftp://example.org/",
            "hooks",
        ] {
            assert!(refusal(url, false).is_some(), "{url}");
        }
        assert_eq!(refusal("http://127.0.0.1:9000/", true), None);
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://localhost:{}/", listener.local_addr().expect("an address").port());
        let error = client(false).expect("a client").post(url).send().await.expect_err("refused");
        assert!(error.is_connect(), "{error:?}");
        let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(nobody.is_err());
    }
}
