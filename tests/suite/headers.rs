//! Header lines: several of one field are one list, codings follow their weights, and a coded answer has an ETag of its own.

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::{Engine, Person, World};

const LIST: &str = "/v1/storefront/products?limit=100";

/// Length, coding and ETag of the list as somebody asks for it.
async fn asked(buyer: &Person, lines: &[(&str, &str)]) -> (u16, usize, String, String) {
    let request = lines.iter().fold(buyer.request(Method::GET, LIST), |request, (name, value)| request.header(*name, *value));
    let response = request.send().await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let (status, coding, etag) = (response.status().as_u16(), header("content-encoding"), header("etag"));
    (status, response.bytes().await.unwrap().len(), coding, etag)
}

/// The status that answers a request which is sent as it is written here.
pub async fn raw(world: &World, request: &str) -> u16 {
    let mut socket = TcpStream::connect(world.base.trim_start_matches("http://")).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 64];
    let read = socket.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).split(' ').nth(1).unwrap().parse().unwrap()
}

on_both! {
    async fn a_request_says_once_which_host_it_is_for_unless_it_is_of_the_old_version(world: World) {
        for (request, status) in [
            ("GET /livez HTTP/1.1\r\nhost: etalase.example:8080\r\n\r\n", 200),
            ("GET /livez HTTP/1.1\r\n\r\n", 400),
            ("GET /livez HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
            ("GET /livez HTTP/1.1\r\nhost: user:pw@etalase.example\r\n\r\n", 400),
            ("GET /livez HTTP/1.0\r\n\r\n", 200),
        ] {
            assert_eq!(raw(&world, request).await, status, "{request}");
        }
    }

    async fn small_answers_are_sent_as_they_are(world: World) {
        let response = world.public().request(Method::GET, "/livez").header("accept-encoding", "br, gzip").send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers().get("content-encoding")), (200, None));
    }

    async fn an_idempotency_key_that_can_not_be_kept_is_refused(world: World) {
        let town = world.town().await;
        let long = "k".repeat(256);
        let cases: [&[&[u8]]; 5] = [&[b""], &[long.as_bytes()], &["kunci-\u{e9}".as_bytes()], &[b"\xff"], &[b"a", b"a"]];
        for lines in cases {
            let request = town.owner.request(Method::POST, "/v1/products").json(&town.dodol("Dodol asli"));
            let request = lines.iter().fold(request, |request, line| request.header("idempotency-key", *line));
            assert_eq!(town.owner.send(request).await.expect(400).text("/code"), "invalid_parameter", "{lines:?}");
        }
        assert_eq!(town.owner.get(&format!("/v1/products?sme_id={}", town.sme)).await.expect(200).count(), 0);
    }

    async fn a_key_is_read_in_any_spelling_and_two_are_refused(world: World) {
        let public = world.public();
        let ask = async |lines: &[(&'static str, &'static str)]| {
            let request = public.request(Method::GET, "/v1/storefront/categories");
            public.send(lines.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await.status
        };
        assert_eq!(ask(&[]).await, 200);
        for value in ["Bearer etalase_sk_unknown", "bearer etalase_sk_unknown", "BEARER   etalase_sk_unknown"] {
            assert_eq!(ask(&[("authorization", value)]).await, 401, "{value}");
        }
        assert_eq!(ask(&[("x-api-key", "etalase_pk_a"), ("x-api-key", "etalase_pk_b")]).await, 400);
    }

    async fn an_answer_is_coded_as_asked_and_each_coding_has_its_etag(world: World) {
        let town = world.town().await;
        for name in ["Dodol asli", "Dodol durian", "Dodol ketan"] {
            town.published(name).await;
        }
        let buyer = world.public();
        let (_, plain, coding, plain_etag) = asked(&buyer, &[]).await;
        assert_eq!(coding, "");
        let (_, gzip, coding, gzip_etag) = asked(&buyer, &[("accept-encoding", "gzip")]).await;
        assert_eq!(coding, "gzip");
        let (_, brotli, coding, brotli_etag) = asked(&buyer, &[("accept-encoding", "gzip, deflate"), ("accept-encoding", "br")]).await;
        assert_eq!(coding, "br");
        assert!(brotli <= gzip && gzip < plain, "{brotli} {gzip} {plain}");
        assert!(plain_etag != gzip_etag && gzip_etag != brotli_etag, "{plain_etag} {gzip_etag} {brotli_etag}");
        assert_eq!(asked(&buyer, &[("accept-encoding", "br;q=0, gzip;q=0")]).await.2, "");
        for known in ["*", &brotli_etag, &format!("W/{brotli_etag}")] {
            assert_eq!(asked(&buyer, &[("accept-encoding", "br"), ("if-none-match", known)]).await.0, 304, "{known}");
        }
        let lines = [("accept-encoding", "br"), ("if-none-match", "\"other\""), ("if-none-match", brotli_etag.as_str())];
        assert_eq!(asked(&buyer, &lines).await.0, 304, "two lines are one list");
        assert_eq!(asked(&buyer, &[("if-none-match", &brotli_etag)]).await.0, 200, "the plain answer is another one");
    }

    async fn nobody_shows_the_documentation_in_a_frame(world: World) {
        for path in ["/docs", "/docs/"] {
            let response = world.public().request(Method::GET, path).send().await.unwrap();
            let policy = response.headers().get("content-security-policy").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
            assert!(response.status() == 200 && policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'self'"), "{path}: {policy}");
        }
    }

    async fn a_version_read_in_any_coding_can_be_named_again(world: World) {
        let town = world.town().await;
        let path = format!("/v1/smes/{}", town.sme);
        let response = town.owner.request(Method::GET, &path).header("accept-encoding", "gzip").send().await.unwrap();
        let etag = response.headers()["etag"].to_str().unwrap().to_owned();
        town.owner.patch(&path, &etag, json!({ "street": "Jl. Cisadane 1" })).await.expect(200);
        town.owner.patch(&path, &etag, json!({ "street": "Jl. Cisadane 2" })).await.expect(412);
    }

    async fn a_media_type_is_the_same_in_any_case(world: World) {
        let town = world.town().await;
        let body = town.dodol("Dodol asli").to_string();
        let request = town.owner.request(Method::POST, "/v1/products").header("content-type", "Application/JSON; Charset=UTF-8").body(body);
        town.owner.send(request).await.expect(201);
    }
}
