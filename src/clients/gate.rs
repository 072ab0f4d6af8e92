//! What happens to a request that comes with a key, or from a third-party web page (CORS), before and after it is
//! answered. A request with neither passes untouched.

use std::sync::Arc;

use poem::{
    Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};

use super::{
    model::{Client, ClientKind, SECRET_PREFIX},
    service::Rate,
};
use crate::{
    app::App,
    fault::{FORBIDDEN, Fault, MALFORMED, Outcome, THROTTLED, UNAUTHENTICATED, say},
    http::answers::is_public_data,
    identity::api::device,
};

/// The header that a publishable key comes in. A secret one comes as a bearer token; in this header it is known and counted, which
/// suffices for what is public.
pub const KEY_HEADER: &str = "x-api-key";

/// What a web page of another origin may look at.
const EXPOSED: &str = "ETag, Link, Content-Language, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id";

/// What the answer to a request has to say of its origin and of its client's rate.
#[derive(Default)]
pub struct Pass {
    origin: Option<HeaderValue>,
    rate: Option<(Arc<Client>, Rate)>,
}

/// Checks the key and the origin of a request, and puts the client into the request for the operations that act in its
/// name. The pass marks refusals too, so that a web page can read why.
pub async fn admit(request: &mut Request) -> (Pass, Outcome<()>) {
    let mut pass = Pass::default();
    let result = look(request, &mut pass).await;
    (pass, result)
}

/// The key of a request, in either header.
fn key_of(headers: &HeaderMap) -> Outcome<Option<String>> {
    let lines: Vec<&HeaderValue> = headers.get_all(KEY_HEADER).iter().collect();
    match lines[..] {
        [] => Ok(bearer(headers).filter(|token| token.starts_with(SECRET_PREFIX)).map(str::to_owned)),
        [line] => line.to_str().map(|key| Some(key.to_owned())).map_err(|_| unknown_key()),
        _ => Err(Fault::new(&MALFORMED).detail(say("Kirim satu X-Api-Key saja.", "Send one X-Api-Key only."))),
    }
}

/// The token in `Authorization`, whose scheme is the same in any case and with any spaces behind it (RFC 9110, 11.4), as it is
/// for sessions.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

fn unknown_key() -> Fault {
    Fault::new(&UNAUTHENTICATED)
        .detail(say("Kunci API tidak dikenal, dicabut, atau sudah berakhir.", "The API key is unknown, revoked, or has ended."))
}

async fn look(request: &mut Request, pass: &mut Pass) -> Outcome<()> {
    let Some(key) = key_of(request.headers())? else { return Ok(()) };
    let app = App::of(request)?.clone();
    let client = app.clients.recognise(&app, &key).await?.ok_or_else(unknown_key)?;
    let origin = request.headers().get(header::ORIGIN).cloned();
    match client.kind {
        ClientKind::Publishable => {
            if let Some(origin) = origin {
                if !client.origins.iter().any(|known| origin == known) {
                    return Err(forbidden("Kunci ini bukan untuk halaman web ini.", "This key is not for this web page."));
                }
                pass.origin = Some(origin);
            }
            if !is_storefront(request.uri().path()) || !matches!(*request.method(), Method::GET | Method::HEAD) {
                return Err(forbidden("Kunci publik hanya membaca etalase.", "A publishable key reads the storefront only."));
            }
        }
        ClientKind::Secret if origin.is_some() => {
            return Err(forbidden("Kunci rahasia tidak boleh ada di halaman web.", "A secret key must not be in a web page."));
        }
        ClientKind::Secret => {}
    }
    let rate = app.clients.count(&client, || device(&app, request).network);
    let result = match rate {
        Rate::Within(_) => Ok(()),
        Rate::Exceeded(seconds) => Err(Fault::new(&THROTTLED)
            .retry_after(seconds)
            .detail(say("Kuota klien ini habis sebentar.", "This client has used up its rate for now."))),
    };
    pass.rate = Some((Arc::clone(&client), rate));
    request.set_data(client);
    result
}

fn forbidden(id: &'static str, en: &'static str) -> Fault {
    Fault::new(&FORBIDDEN).detail(say(id, en))
}

/// What the public may read.
pub fn is_storefront(path: &str) -> bool {
    is_public_data(path) || path.starts_with("/media/") || path == "/openapi.json"
}

/// Answers a browser that asks whether a page may send a request (a CORS preflight). The browser does not say with
/// which key, so any page that some key is for may; the request itself is held to its key.
pub async fn preflight(request: &Request) -> Outcome<Option<Response>> {
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let is_preflight = request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let Some(origin) = origin.filter(|_| is_preflight) else { return Ok(None) };
    let app = App::of(request)?;
    if !is_storefront(request.uri().path()) || !app.clients.knows_origin(app, origin).await? {
        return Err(forbidden("Tidak ada kunci untuk halaman web ini.", "No key is for this web page."));
    }
    let response = Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)
        .header(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD")
        .header(header::ACCESS_CONTROL_ALLOW_HEADERS, "X-Api-Key, Accept-Language, If-None-Match")
        .header(header::ACCESS_CONTROL_MAX_AGE, "600")
        .header(header::VARY, "Origin")
        .finish();
    Ok(Some(response))
}

impl Pass {
    /// Adds the headers of CORS and of the rate.
    pub fn mark(self, headers: &mut HeaderMap) {
        if let Some(origin) = self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
            if !headers.get_all(header::VARY).iter().any(|vary| vary.to_str().is_ok_and(|vary| vary.contains("Origin"))) {
                headers.append(header::VARY, HeaderValue::from_static("Origin"));
            }
        }
        let Some((client, rate)) = self.rate else { return };
        // The client's rate is not for others, and a shared cache would not know when the key ends.
        if headers.get(header::CACHE_CONTROL).is_some_and(|control| control.as_bytes().starts_with(b"public")) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=30"));
        }
        let (name, quota) = (client.tier.name(), client.tier.a_minute().get());
        let (remaining, wait) = match rate {
            // The seconds until the whole quota is available again.
            Rate::Within(remaining) => (remaining, u64::from((quota - remaining.min(quota)) * 60 / quota)),
            Rate::Exceeded(seconds) => (0, seconds),
        };
        // draft-ietf-httpapi-ratelimit-headers
        for (header, value) in
            [("ratelimit-policy", format!("\"{name}\";q={quota};w=60")), ("ratelimit", format!("\"{name}\";r={remaining};t={wait}"))]
        {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(header, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_a_session_is_and_is_one() {
        let read = |lines: &[(&'static str, &[u8])]| {
            let mut headers = HeaderMap::new();
            for (name, line) in lines {
                headers.append(*name, HeaderValue::from_bytes(line).expect("a line"));
            }
            key_of(&headers).map_err(|fault| fault.kind.status)
        };
        let key = Ok(Some("etalase_sk_1".to_owned()));
        for line in ["Bearer etalase_sk_1", "bearer etalase_sk_1", "BEARER   etalase_sk_1"] {
            assert_eq!(read(&[("authorization", line.as_bytes())]), key, "{line}");
        }
        for line in ["Basic etalase_sk_1", "Bearer of-a-session", "Beareretalase_sk_1"] {
            assert_eq!(read(&[("authorization", line.as_bytes())]), Ok(None), "{line}");
        }
        assert_eq!(read(&[("x-api-key", b"etalase_sk_1"), ("authorization", b"Bearer of-a-session")]), key);
        assert_eq!(read(&[("x-api-key", b"\xff")]), Err(401));
        assert_eq!(read(&[("x-api-key", b"a"), ("x-api-key", b"b")]), Err(400));
    }
}
