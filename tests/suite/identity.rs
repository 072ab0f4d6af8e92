//! People: making an account, proving to be its owner, and what waits for a second factor.

use etalase::{
    identity::service::{NewUser, create_account},
    values::Language,
};
use serde_json::json;
use totp_rs::{Builder, Secret};

use crate::world::{Engine, PASSWORD, Person, World};

/// The code that an authenticator app shows now, or `steps` half minutes from now.
pub fn code(secret: &str, steps: i64) -> String {
    let totp = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build().unwrap();
    totp.generate(u64::try_from(chrono::Utc::now().timestamp() + steps * 30).unwrap()).to_string()
}

fn operator() -> NewUser {
    let (email, display_name, password) = ("head@example.org".into(), "Kepala".into(), PASSWORD.into());
    NewUser { email, display_name, password, locale: Language::Id, is_operator: true }
}

on_both! {
    async fn an_owner_whom_nobody_invited_registers_and_is_told_why_not_and_asks_again(world: World) {
        let town = world.town().await;
        let account = json!({ "email": "Sari@Example.org", "display_name": "Sari", "password": PASSWORD });
        let made = world.public().post("/v1/auth/register", account.clone()).await.expect(200);
        assert_eq!(made.text("/user/email"), "sari@example.org");
        assert_eq!(world.public().post("/v1/auth/register", account).await.expect(409).text("/reason"), "email_taken");
        let short = json!({ "email": "x@example.org", "display_name": "X", "password": "short" });
        assert_eq!(world.public().post("/v1/auth/register", short).await.expect(422).text("/errors/0/code"), "password_length");
        let sari = Person { token: Some(made.text("/token")), ..world.public() };
        let sme = json!({ "agency_id": town.agency, "brand_name": "Tempe Sari", "story": { "id": "Tempe." }, "regency_code": "36.71" });
        let sme = sari.post("/v1/smes", sme).await.expect(201);
        let path = format!("/v1/smes/{}", sme.text("/id"));
        assert_eq!(sme.text("/status"), "pending");
        town.officer.post(&format!("{path}/reject"), json!({})).await.expect(422);
        town.officer.post(&format!("{path}/reject"), json!({ "reason": "Alamat belum ada" })).await.expect(200);
        assert_eq!(sari.get(&path).await.text("/status_reason"), "Alamat belum ada");
        let place = json!({ "street": "Jl. Cisadane 1", "location": { "latitude_e6": -6_178_306, "longitude_e6": 106_631_889 },
            "socials": { "instagram": "https://example.org/tempesari" }, "public_contacts": ["location", "socials"] });
        sari.patch(&path, &sari.get(&path).await.etag(), place).await.expect(200);
        sari.post_empty(&format!("{path}/submit")).await.expect(200);
        town.officer.post(&format!("{path}/verify"), json!({})).await.expect(200);
        let public = world.public().get("/v1/storefront/smes/tempe-sari").await.expect(200);
        assert_eq!((public.body["location"]["latitude_e6"].as_i64(), public.body["contacts"].clone()), (Some(-6_178_306), json!([])));
        assert_eq!(public.text("/socials/instagram"), "https://example.org/tempesari");
        let wrong = json!({ "socials": { "myspace": "https://example.org" } });
        let etag = sari.get(&path).await.etag();
        assert_eq!(sari.patch(&path, &etag, wrong).await.expect(422).text("/errors/0/pointer"), "/socials/myspace");
        let nowhere = json!({ "location": { "latitude_e6": 91_000_000, "longitude_e6": 0 } });
        sari.patch(&path, &etag, nowhere).await.expect(422);
        assert!(world.execute("update smes set latitude_e6 = null", vec![]).await.is_err(), "half a place is none");
    }

    async fn a_person_sees_the_devices_that_are_signed_in_and_signs_them_out_one_by_one(world: World) {
        let town = world.town().await;
        let phone = world.sign_in("owner@example.org").await;
        let me = phone.get("/v1/me").await.expect(200);
        me.has("", &json!({
            "email": "owner@example.org", "display_name": "owner", "locale": "en", "is_operator": false, "second_factor_required": false,
            "smes": [{ "sme_id": town.sme, "role": "owner" }], "agencies": [],
        }));
        assert_eq!(town.officer.get("/v1/me").await.expect(200).body["agencies"], json!([{ "agency_id": town.agency, "role": "officer" }]));
        let sessions = phone.get("/v1/me/sessions").await.expect(200);
        let current: Vec<bool> = sessions.body["data"].as_array().unwrap().iter().map(|session| session["is_current"].as_bool().unwrap()).collect();
        assert_eq!(current, [true, false], "the newest first");
        let first = format!("/v1/me/sessions/{}", sessions.text("/data/1/id"));
        town.officer.delete(&first, "*").await.expect(404);
        town.owner.get("/v1/me").await.expect(200);
        phone.delete(&first, "*").await.expect(204);
        town.owner.get("/v1/me").await.expect(401);
        phone.delete(&first, "*").await.expect(404);
        assert_eq!(phone.get("/v1/me/sessions").await.expect(200).count(), 1);
        phone.post_empty("/v1/auth/sign-out").await.expect(204);
        assert_eq!(phone.get("/v1/me").await.expect(401).text("/code"), "unauthenticated");
        let again = world.sign_in("owner@example.org").await;
        assert_eq!(again.get("/v1/me/sessions").await.expect(200).count(), 1, "those that ended are not listed");
        let wrong = json!({ "email": "owner@example.org", "password": "a wrong password" });
        assert_eq!(world.public().post("/v1/auth/sign-in", wrong).await.expect(401).text("/code"), "bad_credentials");
        let other_case = json!({ "email": " Owner@Example.org ", "password": PASSWORD });
        assert_eq!(world.public().post("/v1/auth/sign-in", other_case).await.expect(200).text("/user/id"), me.text("/id"));
    }

    async fn registration_can_be_left_to_the_office(world: World) {
        drop(world);
        for engine in [Engine::Sqlite, Engine::Postgresql] {
            let world = World::start(engine, |config| config.registration = false).await;
            let account = json!({ "email": "sari@example.org", "display_name": "Sari", "password": PASSWORD });
            world.public().post("/v1/auth/register", account).await.expect(403);
        }
    }

    async fn the_power_of_staff_waits_for_a_second_factor_which_signing_in_then_asks_for(world: World) {
        drop(world);
        for engine in [Engine::Sqlite, Engine::Postgresql] {
            let world = World::start(engine, |config| config.staff_second_factor = Some(true)).await;
            create_account(&world.app, operator()).await.unwrap();
            let head = world.sign_in("head@example.org").await;
            let agency = json!({ "name": "Disperindag", "kind": "city_office", "time_zone": "Asia/Jakarta" });
            assert_eq!(head.get("/v1/me").await.body["second_factor_required"], json!(true));
            assert_eq!(head.post("/v1/agencies", agency.clone()).await.expect(403).text("/code"), "second_factor_required");
            head.post("/v1/me/second-factor/confirm", json!({ "code": "123456" })).await.expect(409);
            let begun = head.post_empty("/v1/me/second-factor").await.expect(200);
            let secret = begun.text("/secret");
            assert!(begun.text("/otpauth_url").starts_with("otpauth://totp/Etalase:head"), "{}", begun.text("/otpauth_url"));
            head.post("/v1/me/second-factor/confirm", json!({ "code": "12345" })).await.expect(422);
            let now = code(&secret, 0);
            let codes = head.post("/v1/me/second-factor/confirm", json!({ "code": now })).await.expect(200);
            head.post("/v1/agencies", agency.clone()).await.expect(201);

            let sign_in = async |code: Option<&str>| {
                let body = json!({ "email": "head@example.org", "password": PASSWORD, "code": code });
                world.public().post("/v1/auth/sign-in", body).await
            };
            assert_eq!(sign_in(None).await.expect(401).text("/code"), "code_required");
            assert_eq!(sign_in(Some(&now)).await.expect(401).text("/code"), "bad_code", "a code counts once");
            sign_in(Some(&code(&secret, 1))).await.expect(200);
            let recovery = codes.text("/recovery_codes/0");
            sign_in(Some(&recovery)).await.expect(200);
            assert_eq!(sign_in(Some(&recovery)).await.expect(401).text("/code"), "bad_code", "and so does a recovery code");
            head.post("/v1/me/second-factor/disable", json!({ "code": "000000" })).await.expect(422);
            head.post("/v1/me/second-factor/disable", json!({ "code": codes.text("/recovery_codes/1") })).await.expect(204);
            assert_eq!(head.post("/v1/smes/x/verify", json!({})).await.status, 404);
            assert_eq!(head.post("/v1/agencies", agency).await.expect(403).text("/code"), "second_factor_required");
            sign_in(None).await.expect(200);
        }
    }
}
