//! Sessions are as strong as how they began, attempts are counted before they are made, and what a secret had made ends with it.

use etalase::identity::service::{reset_password, set_suspended};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    identity::code,
    world::{Engine, PASSWORD, Person, World},
};

fn wrong() -> Value {
    json!({ "email": "owner@example.org", "password": "not the password" })
}

/// A head of the agency, who signed in just now.
async fn head(world: &World, operator: &Person, agency: &str, name: &str) -> Person {
    let invited = operator
        .post(&format!("/v1/agencies/{agency}/invitations"), json!({ "email": format!("{name}@example.org"), "role": "head" }))
        .await
        .expect(201);
    let accept = json!({ "token": invited.text("/token"), "display_name": name, "password": PASSWORD });
    let token = world.public().post("/v1/auth/accept-invitation", accept).await.expect(200).text("/token");
    Person { token: Some(token), ..world.public() }
}

fn counted(answers: &[u16], status: u16) -> usize {
    answers.iter().filter(|answer| **answer == status).count()
}

on_both! {
    async fn a_session_that_began_with_the_password_alone_gains_nothing_when_a_factor_is_set_up(world: World) {
        drop(world);
        for engine in [Engine::Sqlite, Engine::Postgresql] {
            let world = World::start(engine, |config| config.staff_second_factor = Some(true)).await;
            let thief = world.newcomer("boss", true).await;
            let boss = world.sign_in("boss@example.org").await;
            let agency = json!({ "name": "Disperindag", "kind": "city_office", "time_zone": "Asia/Jakarta" });
            let secret = boss.post_empty("/v1/me/second-factor").await.expect(200).text("/secret");
            boss.post("/v1/me/second-factor/confirm", json!({ "code": code(&secret, 0) })).await.expect(200);
            boss.post("/v1/agencies", agency.clone()).await.expect(201);
            thief.post("/v1/agencies", agency).await.expect(401);
        }
    }

    async fn of_sixty_guesses_at_once_no_more_are_looked_at_than_one_after_the_other(world: World) {
        world.town().await;
        let public = world.public();
        let guesses = join_all((0..60).map(|_| public.post("/v1/auth/sign-in", wrong()))).await;
        let statuses: Vec<u16> = guesses.iter().map(|answer| answer.status).collect();
        assert!(counted(&statuses, 401) <= 10, "{statuses:?}");
        assert_eq!(counted(&statuses, 401) + counted(&statuses, 429), 60, "{statuses:?}");
    }

    async fn a_client_is_known_by_what_the_nearest_proxy_wrote_whatever_it_wrote_itself(world: World) {
        drop(world);
        for engine in [Engine::Sqlite, Engine::Postgresql] {
            let world = World::start(engine, |config| config.trusted_proxies = 1).await;
            world.town().await;
            let public = world.public();
            let guess = async |lines: [String; 2]| {
                let request = public.request(Method::POST, "/v1/auth/sign-in");
                let request = lines.into_iter().fold(request, |request, line| request.header("x-forwarded-for", line));
                public.send(request.json(&wrong())).await.status
            };
            let mut last = 0;
            for n in 0..12 {
                last = guess([format!("203.0.113.{n}"), "2001:db8:1:2::7".into()]).await;
            }
            assert_eq!(last, 429, "the line of the client is not believed");
            assert_eq!(guess(["x".into(), "2001:db8:1:2:3:4:5:6".into()]).await, 429, "one host has a whole /64");
            assert_eq!(guess(["x".into(), "[2001:db8:1:3::1]:443".into()]).await, 401, "another network may try");
        }
    }

    async fn codes_of_one_account_are_counted_wherever_they_come_from(world: World) {
        let town = world.town().await;
        let secret = town.owner.post_empty("/v1/me/second-factor").await.expect(200).text("/secret");
        town.owner.post("/v1/me/second-factor/confirm", json!({ "code": code(&secret, 0) })).await.expect(200);
        let public = world.public();
        let guess = |n: u32| json!({ "email": "owner@example.org", "password": PASSWORD, "code": format!("{n:06}") });
        let bodies: Vec<Value> = (0..40).map(guess).collect();
        let guesses = join_all(bodies.into_iter().map(|body| public.post("/v1/auth/sign-in", body))).await;
        let statuses: Vec<u16> = guesses.iter().map(|answer| answer.status).collect();
        assert!(counted(&statuses, 401) <= 10 && counted(&statuses, 429) >= 30, "{statuses:?}");
    }

    async fn codes_and_passwords_are_taken_as_phones_type_them(world: World) {
        let account = json!({ "email": "siti@example.org", "display_name": "Siti", "password": "kopi-\u{e9}-rahasia-\u{f1}-2026" });
        let made = world.public().post("/v1/auth/register", account).await.expect(200);
        let siti = Person { token: Some(made.text("/token")), ..world.public() };
        let secret = siti.post_empty("/v1/me/second-factor").await.expect(200).text("/secret");
        let now = code(&secret, 0);
        let spaced = format!("{} {}", &now[..3], &now[3..]);
        let codes = siti.post("/v1/me/second-factor/confirm", json!({ "code": spaced })).await.expect(200);
        let sign_in = async |code: &str| {
            let decomposed = json!({ "email": " Siti@EXAMPLE.org ", "password": "kopi-e\u{301}-rahasia-n\u{303}-2026", "code": code });
            world.public().post("/v1/auth/sign-in", decomposed).await
        };
        sign_in(&codes.text("/recovery_codes/0").to_uppercase().replace('-', "")).await.expect(200);
        sign_in(&codes.text("/recovery_codes/1").replace('-', " ")).await.expect(200);
        for password in ["123456789012", "aaaaaaaaaaaa", "            "] {
            let easy = json!({ "email": "b@example.org", "display_name": "B", "password": password });
            assert_eq!(world.public().post("/v1/auth/register", easy).await.expect(422).text("/errors/0/code"), "password_common");
        }
        for email in ["x@gmail,com.x", "<a@b.cd>", "nul\u{0}x@example.org"] {
            let odd = json!({ "email": email, "display_name": "B", "password": PASSWORD });
            assert_eq!(world.public().post("/v1/auth/register", odd).await.expect(422).text("/errors/0/pointer"), "/email", "{email:?}");
        }
        let unseen = json!({ "email": "\u{200b}siti@example.org", "display_name": "S", "password": PASSWORD });
        assert_eq!(world.public().post("/v1/auth/register", unseen).await.expect(409).text("/reason"), "email_taken", "what looks the same is the same");
        let nameless = json!({ "email": "c@example.org", "display_name": "\u{200b}\u{200b}", "password": PASSWORD });
        assert_eq!(world.public().post("/v1/auth/register", nameless).await.expect(422).text("/errors/0/pointer"), "/display_name");
    }

    async fn a_sensitive_step_asks_again_after_ten_minutes_and_taking_away_does_not(world: World) {
        let town = world.town().await;
        let key = json!({ "sme_id": town.sme, "name": "Kasir", "kind": "secret", "scopes": ["sme:read"] });
        let made = town.owner.post("/v1/api-clients", key.clone()).await.expect(201).text("/id");
        let old = chrono::Utc::now() - chrono::Duration::minutes(11);
        world.execute("update sessions set proved_at = ?", vec![old.into()]).await.unwrap();
        let hook = json!({ "sme_id": town.sme, "url": "https://hooks.example.org/x", "events": ["product.changed"] });
        let invitation = json!({ "email": "staff@example.org", "role": "staff" });
        for (path, body) in [
            ("/v1/api-clients".to_owned(), key.clone()),
            (format!("/v1/api-clients/{made}/rotate"), json!({})),
            ("/v1/webhook-endpoints".to_owned(), hook),
            (format!("/v1/smes/{}/invitations", town.sme), invitation),
            ("/v1/me/second-factor".to_owned(), json!({})),
        ] {
            assert_eq!(town.owner.post(&path, body).await.expect(403).text("/code"), "confirmation_required", "{path}");
        }
        town.owner.delete(&format!("/v1/api-clients/{made}"), "*").await.expect(204);
        town.owner.post("/v1/me/confirm", json!({})).await.expect(422);
        let answer = town.owner.post("/v1/me/confirm", json!({ "password": "not the password" })).await.expect(422);
        assert_eq!(answer.text("/errors/0/pointer"), "/password");
        town.owner.post("/v1/me/confirm", json!({ "password": PASSWORD })).await.expect(204);
        town.owner.post("/v1/api-clients", key).await.expect(201);
        let rows = world.app.database.reader();
        assert!(etalase::audit::of_entity(rows, "user", uuid::Uuid::parse_str(&town.owner.get("/v1/me").await.text("/id")).unwrap())
            .await
            .unwrap()
            .iter()
            .any(|entry| entry.action == "confirm_presence"));
    }

    async fn who_was_removed_does_not_come_back_by_what_they_made(world: World) {
        let town = world.town().await;
        let members = format!("/v1/smes/{}/invitations", town.sme);
        let other = world.newcomer("other", false).await;
        let token = town.owner.post(&members, json!({ "email": "other@example.org", "role": "owner" })).await.expect(201).text("/token");
        world.public().post("/v1/auth/accept-invitation", json!({ "token": token, "password": PASSWORD })).await.expect(200);
        let back = other.post(&members, json!({ "email": "alias@example.org", "role": "owner" })).await.expect(201).text("/token");
        let hook = json!({ "sme_id": town.sme, "url": "https://hooks.example.org/x", "events": ["product.changed"] });
        let hook = other.post("/v1/webhook-endpoints", hook).await.expect(201).text("/id");
        let id = other.get("/v1/me").await.text("/id");
        town.owner.delete(&format!("/v1/smes/{}/members/{id}", town.sme), "*").await.expect(204);
        let accept = json!({ "token": back, "display_name": "Alias", "password": PASSWORD });
        assert_eq!(world.public().post("/v1/auth/accept-invitation", accept).await.expect(422).text("/errors/0/pointer"), "/token");
        let endpoint = town.owner.get(&format!("/v1/webhook-endpoints/{hook}")).await.expect(200);
        assert_eq!((endpoint.body["enabled"].clone(), endpoint.text("/disabled_reason")), (json!(false), "maker_left".to_owned()));
    }

    async fn the_last_head_of_an_agency_stays(world: World) {
        let town = world.town().await;
        let first = head(&world, &town.operator, &town.agency, "first").await;
        let second = head(&world, &town.operator, &town.agency, "second").await;
        let staff = format!("/v1/agencies/{}/members", town.agency);
        let id = async |person: &Person| person.get("/v1/me").await.text("/id");
        first.delete(&format!("{staff}/{}", id(&second).await), "*").await.expect(204);
        let refused = town.operator.delete(&format!("{staff}/{}", id(&first).await), "*").await.expect(409);
        assert_eq!(refused.text("/reason"), "last_head");
        assert!(world.execute("delete from agency_members where role = 'head'", vec![]).await.is_err(), "held by the database");
    }

    async fn a_reset_password_ends_what_the_old_one_had_made_and_a_suspended_person_stays_out(world: World) {
        let town = world.town().await;
        let key = json!({ "sme_id": town.sme, "name": "Kasir", "kind": "secret", "scopes": ["sme:read"] });
        let key = town.owner.post("/v1/api-clients", key).await.expect(201).text("/key");
        let till = Person { token: Some(key), ..world.public() };
        till.get(&format!("/v1/smes/{}", town.sme)).await.expect(200);
        let password = reset_password(&world.app, "Owner@Example.org").await.unwrap();
        till.get(&format!("/v1/smes/{}", town.sme)).await.expect(401);
        town.owner.get("/v1/me").await.expect(401);
        let again = json!({ "email": "owner@example.org", "password": password });
        world.public().post("/v1/auth/sign-in", again.clone()).await.expect(200);
        set_suspended(&world.app, "owner@example.org", true).await.unwrap();
        assert_eq!(world.public().post("/v1/auth/sign-in", again.clone()).await.expect(401).text("/code"), "bad_credentials");
        set_suspended(&world.app, "owner@example.org", false).await.unwrap();
        world.public().post("/v1/auth/sign-in", again).await.expect(200);
    }

    async fn a_repeated_request_for_a_secret_makes_nothing_more_and_shows_no_secret(world: World) {
        let town = world.town().await;
        let body = json!({ "sme_id": town.sme, "name": "Kasir", "kind": "secret", "scopes": ["sme:read"] });
        let ask = async |path: &str, body: &Value| {
            let request = town.owner.request(Method::POST, path).header("idempotency-key", "once").json(body);
            town.owner.send(request).await
        };
        let first = ask("/v1/api-clients", &body).await.expect(201);
        let again = ask("/v1/api-clients", &body).await.expect(201);
        assert!(!first.text("/key").is_empty() && again.body["key"].is_null());
        assert_eq!((first.text("/id"), again.header("idempotent-replayed")), (again.text("/id"), "true".to_owned()));
        let list = town.owner.get(&format!("/v1/api-clients?sme_id={}", town.sme)).await.expect(200);
        assert_eq!(list.body["data"].as_array().unwrap().len(), 1);
    }

    async fn a_repeated_request_is_authorized_again(world: World) {
        let town = world.town().await;
        let token = town.owner.post(&format!("/v1/smes/{}/invitations", town.sme), json!({ "email": "staff@example.org", "role": "staff" })).await;
        let accept = json!({ "token": token.expect(201).text("/token"), "display_name": "Staf", "password": PASSWORD });
        let staff = Person { token: Some(world.public().post("/v1/auth/accept-invitation", accept).await.expect(200).text("/token")), ..world.public() };
        let ask = async || staff.send(staff.request(Method::POST, "/v1/products").header("idempotency-key", "draft").json(&town.dodol("Dodol"))).await;
        let made = ask().await.expect(201).text("/id");
        assert_eq!(ask().await.expect(201).text("/id"), made);
        let id = staff.get("/v1/me").await.text("/id");
        town.owner.delete(&format!("/v1/smes/{}/members/{id}", town.sme), "*").await.expect(204);
        ask().await.expect(404);
    }

    async fn what_somebody_holds_ends_with_them_whoever_made_it(world: World) {
        let town = world.town().await;
        let (members, sme) = (format!("/v1/smes/{}/members", town.sme), json!(town.sme));
        let invited = town.owner.post(&format!("/v1/smes/{}/invitations", town.sme), json!({ "email": "kedua@example.org", "role": "owner" })).await;
        let accept = json!({ "token": invited.expect(201).text("/token"), "display_name": "Kedua", "password": PASSWORD });
        let second = Person { token: Some(world.public().post("/v1/auth/accept-invitation", accept).await.expect(200).text("/token")), ..world.public() };

        // Made by the first, and held by the second since: a key that was rotated, an address that was set.
        let client = json!({ "sme_id": sme, "name": "Kasir", "kind": "secret", "scopes": ["sme:read"] });
        let rotated = town.owner.post("/v1/api-clients", client.clone()).await.expect(201).text("/id");
        let held = second.post(&format!("/v1/api-clients/{rotated}/rotate"), json!({ "overlap_hours": 0 })).await.expect(200).text("/key");
        let kept = town.owner.post("/v1/api-clients", client).await.expect(201).text("/key");
        let hook = json!({ "sme_id": sme, "url": "https://a.example.org/", "events": ["product.listed"] });
        let moved = town.owner.post("/v1/webhook-endpoints", hook.clone()).await.expect(201);
        let own = town.owner.post("/v1/webhook-endpoints", hook).await.expect(201).text("/id");
        let (moved, etag) = (format!("/v1/webhook-endpoints/{}", moved.text("/id")), moved.etag());
        second.patch(&moved, &etag, json!({ "url": "https://leaver.example.net/" })).await.expect(200);
        let id = second.get("/v1/me").await.text("/id");
        town.owner.delete(&format!("{members}/{id}"), "*").await.expect(204);

        let list = format!("/v1/products?sme_id={}", town.sme);
        let by = |key: &str| Person { token: Some(key.to_owned()), ..world.public() };
        by(&held).get(&list).await.expect(401);
        by(&kept).get(&list).await.expect(200);
        let off = town.owner.get(&moved).await.expect(200);
        assert_eq!((off.body["enabled"].as_bool(), off.text("/disabled_reason").as_str()), (Some(false), "maker_left"));
        assert_eq!(town.owner.get(&format!("/v1/webhook-endpoints/{own}")).await.expect(200).body["enabled"], true);
        // Who came by an invitation is on record.
        let trail = town.owner.get(&format!("/v1/smes/{}/audit", town.sme)).await;
        if trail.status == 200 {
            assert!(trail.body["data"].as_array().unwrap().iter().any(|row| row["action"] == "accept_invitation"));
        }
    }

    async fn what_a_second_factor_stood_behind_ends_when_it_is_disabled(world: World) {
        let town = world.town().await;
        let secret = town.owner.post_empty("/v1/me/second-factor").await.expect(200).text("/secret");
        town.owner.post("/v1/me/second-factor/confirm", json!({ "code": code(&secret, 0) })).await.expect(200);
        let client = json!({ "sme_id": town.sme, "name": "Kasir", "kind": "secret", "scopes": ["sme:read"] });
        let key = town.owner.post("/v1/api-clients", client).await.expect(201).text("/key");
        town.owner.post("/v1/me/second-factor/disable", json!({ "code": code(&secret, 1) })).await.expect(204);
        town.owner.get("/v1/me").await.expect(200);
        let program = Person { token: Some(key), ..world.public() };
        program.get(&format!("/v1/products?sme_id={}", town.sme)).await.expect(401);
    }

    async fn a_code_proves_nothing_where_no_factor_is_set_up_and_is_counted_where_one_is_being(world: World) {
        let town = world.town().await;
        let client = json!({ "sme_id": town.sme, "name": "Kasir", "kind": "secret", "scopes": ["sme:read"] });
        let key = town.owner.post("/v1/api-clients", client).await.expect(201).text("/key");
        let refused = town.owner.post("/v1/me/second-factor/disable", json!({ "code": "000000" })).await.expect(409);
        assert_eq!(refused.text("/reason"), "not_set_up");
        let program = Person { token: Some(key), ..world.public() };
        program.get(&format!("/v1/products?sme_id={}", town.sme)).await.expect(200);
        town.owner.post_empty("/v1/me/second-factor").await.expect(200);
        let guesses = (0..30).map(|n| town.owner.post("/v1/me/second-factor/confirm", json!({ "code": format!("{n:06}") })));
        let statuses: Vec<u16> = join_all(guesses).await.iter().map(|answer| answer.status).collect();
        assert!(counted(&statuses, 429) >= 20 && counted(&statuses, 200) == 0, "{statuses:?}");
    }

    async fn a_repeated_request_of_a_program_is_authorized_again(world: World) {
        let town = world.town().await;
        let client = json!({ "sme_id": town.sme, "name": "Kasir", "kind": "secret", "scopes": ["products:write"] });
        let made = town.owner.post("/v1/api-clients", client).await.expect(201);
        let program = Person { token: Some(made.text("/key")), ..world.public() };
        let ask = async || program.send(program.request(Method::POST, "/v1/products").header("idempotency-key", "kk1").json(&town.dodol("Dodol"))).await;
        ask().await.expect(201);
        let path = format!("/v1/api-clients/{}", made.text("/id"));
        town.owner.patch(&path, &made.etag(), json!({ "scopes": ["sales:write"] })).await.expect(200);
        assert!([403, 404].contains(&ask().await.status));
    }

    async fn nobody_decides_on_an_sme_of_their_own(world: World) {
        let town = world.town().await;
        let own = town.new_sme(&town.coordinator, "Keripik Koordinator").await;
        let exhibition = town.exhibition("sendiri").await;
        let path = format!("/v1/exhibitions/{exhibition}");
        town.coordinator.post_empty(&format!("{path}/announce")).await.expect(200);
        town.call(&exhibition, 5).await;
        let refused = town.coordinator.post(&format!("{path}/exhibitors"), json!({ "sme_id": own })).await.expect(403);
        assert_eq!(refused.text("/reason"), "conflict_of_interest");
        let grace = town.coordinator.request(Method::PUT, &format!("{path}/call/graces/{own}")).json(&json!({ "until": "2030-04-02T17:00" }));
        town.coordinator.send(grace).await.expect(403);
        town.coordinator.until(&path, |answer| answer.text("/status") == "applications_open").await;
        let application = town.coordinator.post(&format!("{path}/applications"), json!({ "sme_id": own })).await.expect(201).text("/id");
        let accept = json!({ "decisions": [{ "application_id": application, "decision": "accept" }] });
        let refused = town.coordinator.put(&format!("{path}/decisions"), "*", accept).await.expect(403);
        assert_eq!(refused.text("/reason"), "conflict_of_interest");

        // A colleague prepares a rejection.
        let reject = "update applications set status = 'submitted', pending_decision = 'reject', decision_reason = 'x' where sme_id = ?";
        world.execute(reject, vec![own.parse::<uuid::Uuid>().unwrap().into()]).await.unwrap();
        // Nor on who reviews it.
        let me = town.coordinator.get("/v1/me").await.text("/id");
        for (steps, body) in [
            (format!("{path}/review-assignments"), json!({ "reviewer_ids": [me], "application_ids": [application], "per_application": 1 })),
            (format!("/v1/smes/{own}/mentors"), json!({ "user_id": me })),
        ] {
            let refused = town.coordinator.post(&steps, body).await;
            assert_eq!((refused.status, refused.text("/reason").as_str()), (403, "conflict_of_interest"), "{steps}: {:?}", refused.body);
        }
        // What a colleague prepared is not theirs to take back.
        let refused = town.coordinator.delete(&format!("{path}/decisions"), "*").await.expect(403);
        assert_eq!(refused.text("/reason"), "conflict_of_interest");
    }
}
