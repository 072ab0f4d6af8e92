//! The host that a request is for (RFC 9112, 3.2), read once: what is signed or passed on is what was understood here, never what
//! a header says.

use std::net::Ipv4Addr;

use poem::{
    Request,
    http::{Version, header, uri::Authority},
};
use url::Url;

use crate::fault::{Fault, MALFORMED, Outcome, say};

/// The longest name of DNS with its last dot, in bytes, and a port.
const LONGEST: usize = 255 + ":65535".len();

/// Where the client reached us: a name or an address, and a port unless it is that of plain HTTP. Has no user information, and
/// is written as every client writes it who is given it in an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// Puts the host of a request into it, for whoever needs one, or refuses the request.
    pub fn settle(request: &mut Request) -> Outcome<()> {
        // Reads don't need one, and nearly all of them name one that is plainly right.
        if request.method().is_safe() && names_plainly(request) {
            return Ok(());
        }
        if let Some(host) = Self::of(request)? {
            request.set_data(host);
        }
        Ok(())
    }

    /// `None` for a request in HTTP/1.0 that says none.
    fn of(request: &Request) -> Outcome<Option<Self>> {
        let lines: Vec<_> = request.headers().get_all(header::HOST).iter().collect();
        // A target that names its host, as in HTTP/2, counts before the header.
        let target = request.uri().authority().map(Authority::as_str);
        let given = match (target, &lines[..]) {
            (_, [_, _, ..]) => return Err(refused()),
            (Some(target), _) => target,
            (None, [line]) => line.to_str().map_err(|_| refused())?,
            (None, []) if request.version() < Version::HTTP_11 => return Ok(None),
            (None, []) => return Err(refused()),
        };
        Self::parse(given).map(Some).ok_or_else(refused)
    }

    fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte);
        if text.len() > LONGEST || !text.bytes().all(is_plain) {
            return None;
        }
        let url = Url::parse(&format!("http://{text}")).ok()?;
        let host = url.host_str()?;
        Some(Self(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the one Host line is a name in letters, digits, dots and hyphens, or an IPv4 address, perhaps with a port.
fn names_plainly(request: &Request) -> bool {
    let mut lines = request.headers().get_all(header::HOST).iter();
    let (Some(line), None, None) = (lines.next(), lines.next(), request.uri().authority()) else { return false };
    let Ok(text) = line.to_str() else { return false };
    let (name, port) = text.split_once(':').unwrap_or((text, "80"));
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-'));
    text.len() <= LONGEST
        && port.bytes().all(|digit| digit.is_ascii_digit())
        && port.parse::<u16>().is_ok()
        && (is_name || name.parse::<Ipv4Addr>().is_ok())
}

fn refused() -> Fault {
    Fault::new(&MALFORMED)
        .detail(say("Host: kirim satu nama atau alamat, boleh dengan port.", "Host: send one name or address, with a port if there is one."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for (given, read) in [
            ("etalase.example", "etalase.example"),
            ("Etalase.Example:8443", "etalase.example:8443"),
            ("app_1:8080", "app_1:8080"),
            ("toko.example:80", "toko.example"),
            ("toko.example:", "toko.example"),
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            ("[0:0::1]:9000", "[::1]:9000"),
        ] {
            assert_eq!(Host::parse(given), Some(Host(read.into())), "{given}");
        }
        let long = "x".repeat(5_000);
        for given in ["", ":80", "a b", "[::", "[x]", "ü.example", "h:99999", "h:x", "a:b:c", "a/b?c#d", "user:pw@h", "a%2fb", "1.2.3.999", &long] {
            assert_eq!(Host::parse(given), None, "{given}");
        }
    }

    #[test]
    fn one_line_is_needed_but_by_the_old_version_and_by_targets_that_name_it() {
        let read = |version: Version, target: &str, lines: &[&str]| {
            let start = Request::builder().version(version).uri_str(target);
            let request = lines.iter().fold(start, |request, line| request.header("host", *line)).finish();
            Host::of(&request).ok().map(|host| host.map(|host| host.0))
        };
        let toko = Some(Some("toko".to_owned()));
        assert_eq!(read(Version::HTTP_11, "/livez", &["toko"]), toko);
        assert_eq!(read(Version::HTTP_11, "/livez", &[]), None);
        assert_eq!(read(Version::HTTP_11, "/livez", &["toko", "toko"]), None);
        assert_eq!(read(Version::HTTP_10, "/livez", &[]), Some(None));
        assert_eq!(read(Version::HTTP_10, "/livez", &["a b"]), None);
        assert_eq!(read(Version::HTTP_2, "http://toko/livez", &[]), toko);
        assert_eq!(read(Version::HTTP_11, "http://toko/livez", &["other"]), toko);
    }
}
