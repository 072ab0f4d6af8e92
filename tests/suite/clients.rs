//! Third-party programs: their keys, the web pages they are for, their scopes, rates and rotation.

use etalase::{clients::service::flush_usage, platform::database::sql};
use futures_util::future::join_all;
use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Answer, Engine, Person, Town, World};

const PAGE: &str = "https://toko.example.org";

/// Whoever sends this key as a bearer token.
fn with_key(world: &World, key: &str) -> Person {
    Person { token: Some(key.to_owned()), ..world.public() }
}

async fn publishable(town: &Town, more: Value) -> Answer {
    let mut body = json!({ "agency_id": town.agency, "name": "Etalase kota", "kind": "publishable", "origins": [PAGE] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    town.coordinator.post("/v1/api-clients", body).await.expect(201)
}

async fn secret(town: &Town, scopes: Value) -> Answer {
    let body = json!({ "sme_id": town.sme, "name": "Kasir", "kind": "secret", "scopes": scopes });
    town.owner.post("/v1/api-clients", body).await.expect(201)
}

/// Reads the storefront with a key, from a web page of this origin.
async fn browse(world: &World, key: &str, origin: Option<&str>) -> Answer {
    let public = world.public();
    let mut request = public.request(Method::GET, "/v1/storefront/categories").header("x-api-key", key);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    public.send(request).await
}

on_both! {
    async fn a_publishable_key_opens_the_storefront_to_its_own_web_pages(world: World) {
        let town = world.town().await;
        let client = publishable(&town, json!({})).await;
        let key = client.text("/key");
        assert!(key.starts_with(&client.text("/keys/0/prefix")) && key.starts_with("etalase_pk_"), "{key}");
        let answer = browse(&world, &key, Some(PAGE)).await.expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), PAGE);
        assert!(answer.header("vary").contains("Origin"));
        // A shared cache keeps no answer with one client's rate, and gives third-party pages none that was made for no
        // page.
        assert_eq!(answer.header("cache-control"), "private, max-age=30");
        assert!(answer.header("access-control-expose-headers").contains("ETag"));
        assert_eq!((answer.header("ratelimit-policy").as_str(), answer.header("ratelimit").as_str()), ("\"basic\";q=600;w=60", "\"basic\";r=599;t=0"));
        browse(&world, &key, None).await.expect(200);
        let refused = browse(&world, &key, Some("https://lain.example.org")).await.expect(403);
        assert_eq!(refused.header("access-control-allow-origin"), "");
        browse(&world, "etalase_pk_nobody", Some(PAGE)).await.expect(401);
        // Without a key, third-party web pages are told nothing.
        let public = world.public();
        let plain = public.send(public.request(Method::GET, "/v1/storefront/categories").header("origin", PAGE)).await.expect(200);
        assert_eq!((plain.header("access-control-allow-origin"), plain.header("vary").contains("Origin")), (String::new(), true));
        for (method, path) in [(Method::GET, "/v1/smes"), (Method::POST, "/v1/auth/sign-in")] {
            public.send(public.request(method, path).header("x-api-key", &key)).await.expect(403);
        }
    }

    async fn a_web_page_reads_why_it_was_refused(world: World) {
        let town = world.town().await;
        let key = publishable(&town, json!({})).await.text("/key");
        let public = world.public();
        let request = public.request(Method::GET, "/v1/storefront/products?colour=red").header("x-api-key", &key).header("origin", PAGE);
        let answer = public.send(request).await.expect(400);
        assert_eq!((answer.text("/code").as_str(), answer.header("access-control-allow-origin").as_str()), ("unknown_parameter", PAGE));
    }

    async fn a_browser_is_told_beforehand_whether_a_page_may_ask(world: World) {
        let town = world.town().await;
        publishable(&town, json!({})).await;
        let ask = async |path: &str, origin: &str| {
            let public = world.public();
            public.send(public.request(Method::OPTIONS, path).header("origin", origin).header("access-control-request-method", "GET")).await
        };
        let allowed = ask("/v1/storefront/products", PAGE).await.expect(204);
        assert_eq!(allowed.header("access-control-allow-origin"), PAGE);
        assert!(allowed.header("access-control-allow-headers").contains("X-Api-Key"));
        ask("/v1/storefront/products", "https://lain.example.org").await.expect(403);
        ask("/v1/smes", PAGE).await.expect(403);
    }

    async fn a_secret_key_does_what_its_scopes_say_and_the_audit_trail_names_it(world: World) {
        let town = world.town().await;
        let client = secret(&town, json!(["sme:read", "products:write"])).await;
        let program = with_key(&world, &client.text("/key"));
        let product = program.post("/v1/products", town.dodol("Dodol kasir")).await.expect(201).text("/id");
        program.get(&format!("/v1/products/{product}")).await.expect(200);
        let audit = town.owner.get(&format!("/v1/products/{product}/audit")).await.expect(200);
        assert_eq!(audit.text("/data/0/api_client_id"), client.text("/id"));
        // Not its scope, not for keys at all, not its SME, and not from a web page.
        let reader = with_key(&world, &secret(&town, json!(["sme:read"])).await.text("/key"));
        let refused = reader.post("/v1/products", town.dodol("Dodol")).await.expect(403);
        assert!(refused.text("/detail").contains("scope"), "{:#}", refused.body);
        program.get("/v1/me").await.expect(403);
        program.get(&format!("/v1/api-clients?sme_id={}", town.sme)).await.expect(403);
        let other = world.newcomer("other", false).await;
        let elsewhere = town.new_sme(&other, "Lain").await;
        program.get(&format!("/v1/smes/{elsewhere}")).await.expect(404);
        program.send(program.request(Method::GET, &format!("/v1/products/{product}")).header("origin", PAGE)).await.expect(403);
    }

    async fn a_key_of_an_agency_reads_and_changes_nothing(world: World) {
        let town = world.town().await;
        let exhibition = town.exhibition("pameran").await;
        let body = json!({ "agency_id": town.agency, "name": "Papan", "kind": "secret", "scopes": ["sme:read", "exhibitions:read", "results:read"] });
        let program = with_key(&world, &town.coordinator.post("/v1/api-clients", body).await.expect(201).text("/key"));
        for path in [format!("/v1/smes/{}", town.sme), format!("/v1/exhibitions/{exhibition}/lineup"), format!("/v1/exhibitions/{exhibition}/results")] {
            program.get(&path).await.expect(200);
        }
        program.post(&format!("/v1/smes/{}/suspend", town.sme), json!({})).await.expect(403);
        program.post(&format!("/v1/exhibitions/{exhibition}/close"), json!({})).await.expect(403);
    }

    async fn keys_are_made_for_ones_own_only_and_stored_as_hashes(world: World) {
        let town = world.town().await;
        let key = secret(&town, json!(["sme:read"])).await.text("/key");
        let of_sme = json!({ "sme_id": town.sme, "name": "x", "kind": "secret", "scopes": ["sme:read"] });
        for (person, status) in [(&town.coordinator, 404), (&town.officer, 404), (&town.operator, 201)] {
            person.post("/v1/api-clients", of_sme.clone()).await.expect(status);
        }
        let kept = world.execute("update api_keys set prefix = prefix where key_hash = ? or prefix = ?", vec![key.as_str().into(), key.as_str().into()]).await;
        assert_eq!(kept.unwrap(), 0);
        let listed = town.owner.get(&format!("/v1/api-clients?sme_id={}", town.sme)).await.expect(200);
        assert!(!listed.body.to_string().contains(&key[20..]));
        for (body, pointer) in [
            (json!({ "kind": "secret", "scopes": [] }), "/scopes"),
            (json!({ "kind": "secret", "scopes": ["results:read"] }), "/scopes/0"),
            (json!({ "kind": "secret", "scopes": ["sme:read"], "origins": [PAGE] }), "/origins"),
            (json!({ "kind": "secret", "scopes": ["sme:read"], "rate_tier": "high" }), "/rate_tier"),
            (json!({ "kind": "secret", "scopes": ["sme:read"], "expires_at": "2020-01-01T00:00:00Z" }), "/expires_at"),
            (json!({ "kind": "publishable", "origins": [] }), "/origins"),
            (json!({ "kind": "publishable", "origins": ["toko.example.org"] }), "/origins/0"),
        ] {
            let mut body = body;
            body["sme_id"] = json!(town.sme);
            body["name"] = json!("x");
            let refused = town.owner.post("/v1/api-clients", body).await.expect(422);
            assert_eq!(refused.text("/errors/0/pointer"), pointer, "{:#}", refused.body);
        }
    }

    async fn clients_are_listed_to_their_owner_newest_first_and_without_their_keys(world: World) {
        let town = world.town().await;
        let (first, second) = (secret(&town, json!(["sme:read"])).await, secret(&town, json!(["products:write", "sme:read"])).await);
        let of_office = publishable(&town, json!({ "rate_tier": "standard" })).await;
        let of_sme = format!("/v1/api-clients?sme_id={}", town.sme);
        let listed = town.owner.get(&of_sme).await.expect(200);
        assert_eq!(listed.column("/id"), [second.text("/id"), first.text("/id")]);
        listed.has("/data/1", &json!({ "sme_id": town.sme, "agency_id": null, "name": "Kasir", "kind": "secret", "scopes": ["sme:read"], "origins": [], "rate_tier": "basic", "last_used_at": null }));
        assert!(listed.body["data"][1].get("key").is_none() && first.text("/key").starts_with(&listed.text("/data/1/keys/0/prefix")));
        let office = town.coordinator.get(&format!("/v1/api-clients?agency_id={}", town.agency)).await.expect(200);
        assert_eq!(office.column("/id"), [of_office.text("/id")]);
        office.has("/data/0", &json!({ "sme_id": null, "agency_id": town.agency, "kind": "publishable", "origins": [PAGE], "rate_tier": "standard" }));
        town.coordinator.get(&of_sme).await.expect(404);
        town.owner.get(&format!("/v1/api-clients?agency_id={}", town.agency)).await.expect(404);
        for query in [String::new(), format!("?sme_id={}&agency_id={}", town.sme, town.agency)] {
            assert_eq!(town.owner.get(&format!("/v1/api-clients{query}")).await.expect(400).text("/code"), "invalid_parameter");
        }
        town.owner.delete(&format!("/v1/api-clients/{}", second.text("/id")), "*").await.expect(204);
        assert_eq!(town.owner.get(&of_sme).await.expect(200).column("/id"), [first.text("/id")], "a revoked one is gone");
    }

    async fn an_old_key_works_for_as_long_as_was_said_and_a_revoked_one_no_more(world: World) {
        let town = world.town().await;
        let client = publishable(&town, json!({})).await;
        let (address, first) = (format!("/v1/api-clients/{}", client.text("/id")), client.text("/key"));
        let rotate = async |hours: i64| town.coordinator.post(&format!("{address}/rotate"), json!({ "overlap_hours": hours })).await;
        let second = rotate(1).await.expect(200);
        assert_eq!(second.body["keys"].as_array().unwrap().len(), 2);
        for key in [&first, &second.text("/key")] {
            browse(&world, key, Some(PAGE)).await.expect(200);
        }
        let third = rotate(0).await.expect(200).text("/key");
        for (key, status) in [(&first, 401), (&second.text("/key"), 401), (&third, 200)] {
            browse(&world, key, Some(PAGE)).await.expect(status);
        }
        rotate(-1).await.expect(422);
        // The database refuses two current keys.
        let hash = "a".repeat(64);
        let two = "insert into api_keys (id, client_id, prefix, key_hash, created_at) select ?, client_id, prefix, ?, created_at from api_keys where expires_at is null";
        assert!(world.execute(two, vec![uuid::Uuid::now_v7().into(), hash.into()]).await.is_err());
        let etag = town.coordinator.get(&address).await.expect(200).etag();
        let edited = town.coordinator.patch(&address, &etag, json!({ "origins": ["https://baru.example.org"] })).await.expect(200);
        assert_eq!(edited.text("/name"), "Etalase kota");
        browse(&world, &third, Some(PAGE)).await.expect(403);
        town.coordinator.patch(&address, &etag, json!({ "name": "x" })).await.expect(412);
        town.coordinator.delete(&address, "*").await.expect(204);
        browse(&world, &third, Some("https://baru.example.org")).await.expect(401);
        town.coordinator.get(&address).await.expect(404);
    }

    async fn a_key_ends_with_the_membership_of_who_made_it(world: World) {
        let town = world.town().await;
        let invited = json!({ "email": "second@example.org", "role": "coordinator" });
        let invited = town.operator.post(&format!("/v1/agencies/{}/invitations", town.agency), invited).await.expect(201);
        let accept = json!({ "token": invited.text("/token"), "display_name": "Kedua", "password": crate::world::PASSWORD });
        let second = Person { token: Some(world.public().post("/v1/auth/accept-invitation", accept).await.expect(200).text("/token")), ..world.public() };
        let body = json!({ "agency_id": town.agency, "name": "Papan", "kind": "secret", "scopes": ["sme:read"] });
        let program = with_key(&world, &second.post("/v1/api-clients", body).await.expect(201).text("/key"));
        program.get(&format!("/v1/smes/{}", town.sme)).await.expect(200);
        let kept = publishable(&town, json!({})).await.text("/key");
        let me = second.get("/v1/me").await.expect(200).text("/id");
        town.operator.delete(&format!("/v1/agencies/{}/members/{me}", town.agency), "*").await.expect(204);
        program.get(&format!("/v1/smes/{}", town.sme)).await.expect(401);
        browse(&world, &kept, None).await.expect(200);
    }

    async fn programs_and_people_may_use_the_same_idempotency_key(world: World) {
        let town = world.town().await;
        let make = async |scopes: Value| with_key(&world, &secret(&town, scopes).await.text("/key"));
        let (writer, reader) = (make(json!(["products:write"])).await, make(json!(["sme:read"])).await);
        let create = async |person: &Person| {
            person.send(person.request(Method::POST, "/v1/products").header("idempotency-key", "1").json(&town.dodol("Dodol kunci"))).await
        };
        create(&writer).await.expect(201);
        assert_eq!(create(&writer).await.expect(201).header("idempotent-replayed"), "true");
        // The same request of one who may not is not answered with what another was told.
        create(&reader).await.expect(403);
        let own = create(&town.owner).await.expect(201);
        assert_eq!((own.text("/handle"), own.header("idempotent-replayed")), ("dodol-kunci-2".to_owned(), String::new()));
    }

    async fn whoever_guesses_keys_keeps_nobody_else_waiting(world: World) {
        let town = world.town().await;
        let key = publishable(&town, json!({})).await.text("/key");
        browse(&world, &key, Some(PAGE)).await.expect(200);
        let guess = async |n: usize| {
            for m in 0..10 {
                let answer = browse(&world, &format!("etalase_pk_guess_{n}_{m}"), None).await;
                assert!([401, 503].contains(&answer.status), "{}", answer.status);
            }
        };
        let known = async || {
            for _ in 0..20 {
                // What is believed for ten seconds is read again.
                world.app.clients.forget();
                browse(&world, &key, Some(PAGE)).await.expect(200);
            }
        };
        tokio::join!(known(), known(), join_all((0..60).map(guess)));
    }

    async fn a_key_in_use_is_named_in_the_audit_trail_once_a_day(world: World) {
        let town = world.town().await;
        let client = publishable(&town, json!({})).await;
        for _ in 0..3 {
            browse(&world, &client.text("/key"), Some(PAGE)).await.expect(200);
            flush_usage(&world.app).await;
        }
        let reader = world.app.database.reader();
        let text = "select count(*) as n from audit_log where action = 'use' and entity_id = ?";
        let id: Uuid = client.text("/id").parse().unwrap();
        let row = reader.query_one_raw(sql(reader, text, [id.into()])).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 1);
    }

    async fn who_asks_too_often_is_told_when_to_come_back_and_all_is_counted(world: World) {
        let town = world.town().await;
        let client = publishable(&town, json!({})).await;
        let key = client.text("/key");
        let mut taken = 0;
        let refused = loop {
            let answer = browse(&world, &key, Some(PAGE)).await;
            match answer.status {
                200 => taken += 1,
                _ => break answer.expect(429),
            }
        };
        assert!(taken >= 600, "{taken}");
        assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
        assert!(refused.header("ratelimit").contains("r=0"), "{:?}", refused.headers);
        assert_eq!(refused.header("access-control-allow-origin"), PAGE);
        flush_usage(&world.app).await;
        let address = format!("/v1/api-clients/{}", client.text("/id"));
        let usage = town.coordinator.get(&format!("{address}/usage")).await.expect(200);
        assert_eq!((usage.body["data"][0]["requests"].as_i64(), usage.body["data"][0]["refused"].as_i64()), (Some(taken), Some(1)));
        assert_ne!(town.coordinator.get(&address).await.expect(200).text("/last_used_at"), "");
    }
}
