//! Bad input and faults: a precise problem, and nothing lost.

use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::world::{Answer, Engine, World};

#[track_caller]
fn problem(answer: Answer, status: u16, code: &str) -> Answer {
    let answer = answer.expect(status);
    assert_eq!(answer.text("/code"), code, "{:#}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.text("/request_id"), answer.header("x-request-id"));
    assert!(!answer.text("/title").is_empty());
    answer
}

on_both! {
    async fn bad_json_is_told_where_it_is_bad(world: World) {
        let town = world.town().await;
        let raw = async |body: &'static str| town.owner.send(town.owner.request(Method::POST, "/v1/smes").header("content-type", "application/json").body(body)).await;
        problem(raw("{\"brand_name\": ").await, 400, "malformed");
        let unknown = problem(raw("{\"brandname\": \"x\"}").await, 422, "validation_failed");
        assert_eq!(unknown.text("/errors/0/code"), "unknown_field");
        let wrong = town.dodol("Dodol");
        let mut with_text = wrong.clone();
        with_text["variants"][0]["moq"] = json!("many");
        let answer = problem(town.owner.post("/v1/products", with_text).await, 422, "validation_failed");
        assert_eq!((answer.text("/errors/0/pointer"), answer.text("/errors/0/code")), ("/variants/0/moq".into(), "wrong_type".into()));
        for (price, code) in [(json!({ "value": "15000.50" }), "sen_not_allowed"), (json!({ "value": "15.000" }), "not_a_decimal"),
            (json!({ "amount_minor": 15000 }), "price_suspiciously_low"), (json!({ "amount_minor": 1, "value": "1" }), "one_of")] {
            let mut body = wrong.clone();
            body["variants"][0]["price"] = price;
            let answer = problem(town.owner.post("/v1/products", body).await, 422, "validation_failed");
            assert_eq!((answer.text("/errors/0/code"), answer.text("/errors/0/pointer").starts_with("/variants/0/price")), (code.into(), true));
        }
        problem(town.owner.send(town.owner.request(Method::POST, "/v1/smes").body("x")).await, 415, "unsupported_media_type");
        let long = format!("\"{}\"", "x".repeat(1024 * 1024 + 1));
        let long = town.owner.request(Method::POST, "/v1/smes").header("content-type", "application/json").body(long);
        problem(town.owner.send(long).await, 413, "too_large");
    }

    async fn unknown_parameters_routes_methods_and_cursors_are_refused(world: World) {
        let buyer = world.public();
        problem(buyer.get("/v1/storefront/products?catgory=dodol").await, 400, "unknown_parameter");
        problem(buyer.get("/v1/storefront/products?limit=many").await, 400, "invalid_parameter");
        problem(buyer.get("/v1/storefront/products?cursor=AAAA").await, 400, "bad_cursor");
        problem(buyer.get("/v1/storefront/products/not-a-uuid").await, 404, "not_found");
        problem(buyer.get("/nowhere").await, 404, "not_found");
        problem(buyer.send(buyer.request(Method::PUT, "/v1/me")).await, 405, "method_not_allowed");
        problem(buyer.get("/v1/me").await, 401, "unauthenticated");
        problem(buyer.get("/media/originals/x").await, 404, "not_found");
        let indonesian = crate::world::Person { language: "id", ..buyer };
        assert_eq!(indonesian.get("/nowhere").await.text("/title"), "Tidak ditemukan");
    }

    async fn a_cursor_belongs_to_its_query(world: World) {
        let town = world.town().await;
        town.published("Dodol satu").await;
        town.published("Dodol dua").await;
        let buyer = world.public();
        let cursor = buyer.get("/v1/storefront/products?limit=1").await.expect(200).text("/page/next_cursor");
        buyer.get(&format!("/v1/storefront/products?limit=1&cursor={cursor}")).await.expect(200);
        problem(buyer.get(&format!("/v1/storefront/products?limit=1&sort=price&cursor={cursor}")).await, 400, "bad_cursor");
        problem(buyer.get(&format!("/v1/storefront/products?limit=1&q=dodol&cursor={cursor}")).await, 400, "bad_cursor");
    }

    async fn two_people_can_not_overwrite_each_other(world: World) {
        let town = world.town().await;
        let product = town.owner.post("/v1/products", town.dodol("Dodol")).await.expect(201);
        let path = format!("/v1/products/{}", product.text("/id"));
        let change = json!({ "lead_time_days": 3 });
        problem(town.owner.send(town.owner.request(Method::PATCH, &path).json(&change)).await, 428, "precondition_required");
        town.owner.patch(&path, &product.etag(), change.clone()).await.expect(200);
        let stale = problem(town.owner.patch(&path, &product.etag(), change).await, 412, "precondition_failed");
        assert_eq!(stale.text("/current_etag"), "\"2\"");
        let now = town.owner.get(&path).await;
        assert_eq!(now.body["lead_time_days"], json!(3));
        town.owner.send(town.owner.request(Method::GET, &path).header("if-none-match", now.etag())).await.expect(304);
    }

    async fn a_repeated_request_answers_what_the_first_did(world: World) {
        let town = world.town().await;
        let send = async |body: Value| town.owner.send(town.owner.request(Method::POST, "/v1/products").header("idempotency-key", "k1").json(&body)).await;
        let first = send(town.dodol("Dodol")).await.expect(201);
        let again = send(town.dodol("Dodol")).await.expect(201);
        assert_eq!((again.text("/id"), again.header("idempotent-replayed")), (first.text("/id"), "true".into()));
        problem(send(town.dodol("Lain")).await, 422, "idempotency_key_reused");
        assert_eq!(town.owner.get(&format!("/v1/products?sme_id={}", town.sme)).await.body["data"].as_array().unwrap().len(), 1);
        // A request that failed leaves its key free, a moment later.
        let keyed = async |body: Value| town.owner.send(town.owner.request(Method::POST, "/v1/products").header("idempotency-key", "k2").json(&body)).await;
        let mut wrong = town.dodol("Dodol dua");
        wrong["category"] = json!("nowhere");
        problem(keyed(wrong).await, 422, "validation_failed");
        let mut corrected = keyed(town.dodol("Dodol dua")).await;
        for _ in 0..50 {
            if corrected.status == 201 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            corrected = keyed(town.dodol("Dodol dua")).await;
        }
        corrected.expect(201);
        // The same key of another person is another key.
        let other = world.newcomer("other", false).await;
        let sme = town.new_sme(&other, "Lain").await;
        let mut body = town.dodol("Dodol");
        body["sme_id"] = json!(sme);
        other.send(other.request(Method::POST, "/v1/products").header("idempotency-key", "k1").json(&body)).await.expect(201);
    }

    async fn another_smes_product_does_not_exist(world: World) {
        let town = world.town().await;
        let id = town.draft("Dodol rahasia").await.text("/id");
        let stranger = world.newcomer("stranger", false).await;
        town.new_sme(&stranger, "Keripik Lain").await;
        let missing = problem(stranger.get(&format!("/v1/products/{}", uuid::Uuid::now_v7())).await, 404, "not_found");
        let hidden = problem(stranger.get(&format!("/v1/products/{id}")).await, 404, "not_found");
        assert_eq!(missing.body.as_object().unwrap().keys().collect::<Vec<_>>(), hidden.body.as_object().unwrap().keys().collect::<Vec<_>>());
        problem(stranger.patch(&format!("/v1/products/{id}"), "\"1\"", json!({ "bad": 1 })).await, 404, "not_found");
        problem(town.officer.post_empty(&format!("/v1/products/{id}/submit")).await, 403, "forbidden");
    }

    async fn a_token_ends_when_it_expires_or_is_revoked(world: World) {
        let town = world.town().await;
        let sessions = town.owner.get("/v1/me/sessions").await.expect(200);
        let other = world.sign_in("owner@example.org").await;
        let id = other.get("/v1/me/sessions").await.expect(200).text("/data/0/id");
        town.owner.send(town.owner.request(Method::DELETE, &format!("/v1/me/sessions/{id}"))).await.expect(204);
        problem(other.get("/v1/me").await, 401, "unauthenticated");
        assert_eq!(sessions.body["data"][0]["is_current"], json!(true));
        let past = (chrono::Utc::now() - chrono::Duration::days(1)).into();
        world.execute("update sessions set expires_at = ?", vec![past]).await.unwrap();
        problem(town.owner.get("/v1/me").await, 401, "unauthenticated");
    }

    async fn guessing_passwords_is_throttled_without_locking_others_out(world: World) {
        world.newcomer("victim", false).await;
        let guess = json!({ "email": "victim@example.org", "password": "wrong password 1" });
        for _ in 0..10 {
            problem(world.public().post("/v1/auth/sign-in", guess.clone()).await, 401, "bad_credentials");
        }
        let throttled = problem(world.public().post("/v1/auth/sign-in", guess).await, 429, "too_many_requests");
        assert_ne!(throttled.header("retry-after"), "");
        world.newcomer("bystander", false).await;
    }

    async fn a_dead_bucket_stops_uploads_but_not_browsing(world: World) {
        drop(world);
        for engine in [Engine::Sqlite, Engine::Postgresql] {
            let world = World::start(engine, |config| {
                config.bucket_endpoint = Some("http://127.0.0.1:9".into());
                config.bucket_access_key = Some("key".into());
                config.bucket_secret_key = Some("secret".into());
            }).await;
            let town = world.town().await;
            let refused = problem(town.owner.upload(&town.sme, crate::world::small_photo()).await, 503, "unavailable");
            assert_eq!(refused.header("retry-after"), "5");
            let public = world.public();
            public.get("/v1/storefront/products").await.expect(200);
            let ready = public.get("/readyz").await.expect(200);
            assert_eq!(ready.body, json!({ "ready": true, "database": true, "bucket": false }));
            assert_eq!(world.execute("delete from media_assets", vec![]).await.unwrap(), 0, "nothing half visible");
        }
    }

    async fn a_spool_that_can_not_be_written_is_told_as_a_passing_fault(world: World) {
        let town = world.town().await;
        std::fs::remove_dir_all(world.folder.path().join("spool")).unwrap();
        let answer = problem(town.owner.upload(&town.sme, crate::world::small_photo()).await, 503, "unavailable");
        assert_ne!(answer.header("retry-after"), "");
    }
}

/// The same with a disk that is really full, where SQLite behaves worse, is in tests/faults.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_can_not_grow_refuses_writes_until_there_is_room() {
    let world = World::start(Engine::Sqlite, |_| {}).await;
    let town = world.town().await;
    let mut refused = 0;
    for round in 0..3 {
        // Not a page more than there is, for as long as this connection lives.
        world.execute("pragma max_page_count = 1", vec![]).await.unwrap();
        for number in 0..40 {
            let answer = town.owner.post("/v1/products", town.dodol(&format!("Penuh {round} {number}"))).await;
            refused += u32::from(answer.status == 503);
            assert!(matches!(answer.status, 201 | 503), "{:#}", answer.body);
        }
        world.execute("pragma max_page_count = 1000000", vec![]).await.unwrap();
        // A request that is refused rolls back, too.
        town.owner.post("/v1/products", json!({ "sme_id": town.sme, "category": "unknown", "title": { "id": "x" } })).await.expect(422);
    }
    assert!(refused > 0, "it was full");
    town.owner.post("/v1/products", town.dodol("Sesudah penuh")).await.expect(201);
    let another = sea_orm::Database::connect(format!("sqlite:{}", world.folder.path().join("etalase.db").display())).await.unwrap();
    let count =
        sea_orm::Statement::from_string(another.get_database_backend(), "select count(*) as n from products where title like '%Sesudah penuh%'");
    let row = another.query_one_raw(count).await.unwrap().unwrap();
    assert_eq!(row.try_get::<i64>("", "n").unwrap(), 1, "seen by another connection");
}
