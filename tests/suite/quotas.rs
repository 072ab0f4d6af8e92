//! How much one account or SME may have: what one takes is not there for others.

use chrono::Utc;
use etalase::{
    config::Config,
    platform::{
        database::sql,
        jobs::{self, JobKind},
    },
};
use futures_util::future::join_all;
use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::json;
use uuid::Uuid;

use crate::{
    uploads::begin,
    world::{Answer, Engine, World, small_photo},
};

/// Runs each test on SQLite and on PostgreSQL, with these settings.
macro_rules! on_both_with {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: World) with $change:expr; $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn run($world: World) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                run(World::start(Engine::Sqlite, $change).await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgresql() {
                run(World::start(Engine::Postgresql, $change).await).await;
            }
        })*
    };
}

/// A refusal of this quota, which names its number in both languages.
async fn assert_refused(answer: Answer, reason: &str, quota: i64) {
    let refused = answer.expect(409);
    assert_eq!((refused.text("/reason"), &refused.body["quota"]), (reason.into(), &json!(quota)));
    assert!(refused.text("/detail").contains(&quota.to_string()), "{:#}", refused.body);
}

/// How many of these answers said yes, and that the others were refused.
fn passed(answers: &[Answer]) -> usize {
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert!(statuses.iter().all(|status| *status < 300 || *status == 409), "{statuses:?}");
    statuses.iter().filter(|status| **status < 300).count()
}

fn another_photo(number: u8) -> Vec<u8> {
    // What follows the end of a picture changes nothing but its digest.
    [small_photo(), vec![number]].concat()
}

on_both_with! {
    async fn an_sme_has_so_many_products_and_drafts_count(world: World) with |config: &mut Config| config.quota_products = 2; {
        let town = world.town().await;
        let mut products = Vec::new();
        for title in ["Dodol", "Wajik"] {
            products.push(town.owner.post("/v1/products", town.dodol(title)).await.expect(201));
        }
        assert_refused(town.owner.post("/v1/products", town.dodol("Geplak")).await, "quota_products", 2).await;
        let path = format!("/v1/products/{}", products[0].text("/id"));
        town.owner.delete(&path, &products[0].etag()).await.expect(204);
        town.owner.post("/v1/products", town.dodol("Geplak")).await.expect(201);
        assert_refused(town.owner.post_empty(&format!("{path}/restore")).await, "quota_products", 2).await;
        let other = world.newcomer("other", false).await;
        let mut body = town.dodol("Lain");
        body["sme_id"] = json!(town.new_sme(&other, "Lain").await);
        other.post("/v1/products", body).await.expect(201);
    }

    async fn two_who_add_at_once_do_not_pass_together(world: World) with |config: &mut Config| config.quota_products = 3; {
        let town = world.town().await;
        let titles: Vec<String> = (0..8).map(|number| format!("Dodol {number}")).collect();
        let answers = join_all(titles.iter().map(|title| town.owner.post("/v1/products", town.dodol(title)))).await;
        assert_eq!(passed(&answers), 3);
    }

    async fn an_account_has_so_many_smes_that_wait(world: World) with |config: &mut Config| config.quota_pending_smes = 2; {
        let town = world.town().await;
        let register = async |name: &str| {
            let body = json!({ "agency_id": town.agency, "brand_name": name, "story": { "id": "Cerita." }, "regency_code": "36.71" });
            town.owner.post("/v1/smes", body).await
        };
        let first = register("Satu").await.expect(201).text("/id");
        register("Dua").await.expect(201);
        assert_refused(register("Tiga").await, "quota_pending_smes", 2).await;
        town.officer.post(&format!("/v1/smes/{first}/verify"), json!({})).await.expect(200);
        register("Tiga").await.expect(201);
    }

    async fn an_sme_has_begun_so_many_uploads(world: World) with |config: &mut Config| config.quota_uploads = 2; {
        let town = world.town().await;
        let uploads = [begin(&town, "image/jpeg", &another_photo(1)).await.expect(201), begin(&town, "image/jpeg", &another_photo(2)).await.expect(201)];
        assert_refused(begin(&town, "image/jpeg", &another_photo(3)).await, "quota_uploads", 2).await;
        let sent = world.client.put(uploads[0].text("/url")).header("content-type", "image/jpeg").body(another_photo(1)).send().await.unwrap();
        assert_eq!(sent.status().as_u16(), 200);
        town.owner.post_empty(&format!("/v1/uploads/{}/complete", uploads[0].text("/id"))).await.expect(202);
        begin(&town, "image/jpeg", &another_photo(3)).await.expect(201);
    }

    async fn an_sme_keeps_so_many_bytes_of_photos(world: World) with |config: &mut Config| config.quota_bytes = 2 * small_photo().len() as i64 + 100; {
        let (town, quota) = (world.town().await, 2 * small_photo().len() as i64 + 100);
        let first = town.owner.upload(&town.sme, another_photo(1)).await.expect(202).text("/id");
        // What was announced counts until it has become a photo.
        let begun = begin(&town, "image/jpeg", &another_photo(2)).await.expect(201);
        assert_refused(begin(&town, "image/jpeg", &another_photo(3)).await, "quota_bytes", quota).await;
        assert_eq!(world.client.put(begun.text("/url")).header("content-type", "image/jpeg").body(another_photo(2)).send().await.unwrap().status().as_u16(), 200);
        town.owner.post_empty(&format!("/v1/uploads/{}/complete", begun.text("/id"))).await.expect(202);
        assert_refused(town.owner.upload(&town.sme, another_photo(3)).await, "quota_bytes", quota).await;
        // What was refused after it had been stored leaves at once, not when its job is due.
        for _ in 0..100 {
            if world.app.bucket.list("originals/", None).await.unwrap().0.len() == 2 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(world.app.bucket.list("originals/", None).await.unwrap().0.len(), 2);
        assert!(town.owner.upload(&town.sme, another_photo(2)).await.expect(202).body["status"].is_string(), "the same photo takes no room");
        town.owner.settled_photo(&first).await;
        town.owner.delete(&format!("/v1/media/{first}"), "*").await.expect(204);
        town.owner.upload(&town.sme, another_photo(3)).await.expect(202);
    }

    async fn photos_of_an_sme_that_wait_are_no_more_than_its_share_of_the_queue(world: World) with |config: &mut Config| config.image_queue = 40; {
        let town = world.town().await;
        let (waiting, sme): (Vec<Uuid>, Uuid) = ((0..20).map(|_| Uuid::now_v7()).collect(), town.sme.parse().unwrap());
        let work = world.app.database.begin().await.unwrap();
        for id in &waiting {
            let text = "insert into media_assets (id, owner_sme_id, sha256, original_key, mime, bytes, status, created_at, updated_at) \
                        values (?, ?, ?, ?, 'image/jpeg', 1, 'processing', ?, ?)";
            let digest = id.simple().to_string().repeat(2);
            let values = [(*id).into(), sme.into(), digest.into(), format!("originals/{id}").into(), Utc::now().into(), Utc::now().into()];
            work.execute_raw(sql(&work, text, values)).await.unwrap();
        }
        jobs::enqueue(&work, JobKind::ProcessMedia, &waiting, chrono::Duration::hours(1), "test").await.unwrap();
        work.commit().await.unwrap();
        for refused in [town.owner.upload(&town.sme, small_photo()).await, begin(&town, "image/jpeg", &small_photo()).await] {
            let refused = refused.expect(429);
            assert_eq!((refused.text("/reason"), refused.header("retry-after")), ("quota_queue".into(), "30".into()));
            assert!(refused.text("/detail").contains("20 photos of this SME"), "{:#}", refused.body);
        }
        let other = world.newcomer("other", false).await;
        other.upload(&town.new_sme(&other, "Lain").await, small_photo()).await.expect(202);
    }
}

on_both! {
    async fn a_product_has_so_many_material_lines_however_they_come(world: World) {
        let town = world.town().await;
        let line = json!({ "name": { "id": "Ketan" }, "origin": "natural", "mass_share_bp": 0 });
        let mut body = town.dodol("Dodol");
        body["materials"] = vec![line.clone(); 29].into();
        let path = format!("/v1/products/{}/materials", town.owner.post("/v1/products", body).await.expect(201).text("/id"));
        let full = town.owner.post(&path, line.clone()).await.expect(201);
        assert_refused(town.owner.post(&path, line.clone()).await, "quota_materials", 30).await;
        town.owner.delete(&format!("{path}/{}", full.text("/materials/0/id")), "*").await.expect(200);
        town.owner.post(&path, line).await.expect(201);
    }

    async fn an_sme_has_so_many_documents_that_count(world: World) {
        let town = world.town().await;
        let path = format!("/v1/smes/{}/documents", town.sme);
        let register = async |number: usize| town.owner.post(&path, json!({ "kind": "other", "number": format!("No. {number}") })).await;
        let mut last = String::new();
        for number in 0..200 {
            last = register(number).await.expect(201).text("/id");
        }
        assert_refused(register(200).await, "quota_documents", 200).await;
        town.officer.post(&format!("{path}/{last}/reject"), json!({ "reason": "Tidak terbaca." })).await.expect(200);
        register(200).await.expect(201);
    }

    async fn so_many_invitations_are_open_at_a_time_whoever_sends_them_at_once(world: World) {
        let town = world.town().await;
        let path = format!("/v1/smes/{}/invitations", town.sme);
        let person = |number: usize| json!({ "email": format!("p{number}@example.org"), "role": "staff" });
        let mut last = String::new();
        for number in 0..98 {
            last = town.owner.post(&path, person(number)).await.expect(201).text("/id");
        }
        assert_eq!(passed(&join_all((98..104).map(|number| town.owner.post(&path, person(number)))).await), 2);
        assert_refused(town.owner.post(&path, person(104)).await, "quota_invitations", 100).await;
        town.owner.delete(&format!("/v1/invitations/{last}"), "*").await.expect(204);
        town.owner.post(&path, person(104)).await.expect(201);
    }

    async fn so_many_pings_wait_at_an_endpoint(world: World) {
        let town = world.town().await;
        let body = json!({ "sme_id": town.sme, "url": "https://hooks.example.org/", "events": ["product.listed"] });
        let made = town.owner.post("/v1/webhook-endpoints", body).await.expect(201);
        let path = made.header("location");
        // What it is sent waits.
        town.owner.patch(&path, &made.etag(), json!({ "enabled": false })).await.expect(200);
        let test = format!("{path}/test");
        for _ in 0..18 {
            town.owner.post_empty(&test).await.expect(202);
        }
        assert_eq!(passed(&join_all((0..6).map(|_| town.owner.post_empty(&test))).await), 2);
        assert_refused(town.owner.post_empty(&test).await, "quota_pings", 20).await;
    }

    async fn endpoints_and_programs_that_are_made_at_once_are_counted_one_after_the_other(world: World) {
        let town = world.town().await;
        let hook = json!({ "sme_id": town.sme, "url": "https://hooks.example.org/", "events": ["product.listed"] });
        let program = json!({ "sme_id": town.sme, "name": "Kasir", "kind": "secret", "scopes": ["sme:read"] });
        for (path, body, most) in [("/v1/webhook-endpoints", hook, 20), ("/v1/api-clients", program, 50)] {
            for _ in 0..most - 2 {
                town.owner.post(path, body.clone()).await.expect(201);
            }
            assert_eq!(passed(&join_all((0..6).map(|_| town.owner.post(path, body.clone()))).await), 2, "{path}");
        }
    }

    async fn favourites_that_are_added_at_once_are_counted_one_after_the_other(world: World) {
        let town = world.town().await;
        let mut products = Vec::new();
        for title in ["Satu", "Dua", "Tiga"] {
            products.push(town.published(title).await.text("/id"));
        }
        let buyer = world.newcomer("buyer", false).await;
        let user: Uuid = buyer.get("/v1/me").await.expect(200).text("/id").parse().unwrap();
        let work = world.app.database.begin().await.unwrap();
        for number in 0..498 {
            let (id, like) = (Uuid::now_v7(), products[0].parse::<Uuid>().unwrap());
            let text = "insert into products (id, sme_id, category_id, handle, title, status, reason_codes, created_at, updated_at) \
                        select ?, sme_id, category_id, ?, title, 'draft', reason_codes, created_at, updated_at from products where id = ?";
            work.execute_raw(sql(&work, text, [id.into(), format!("salinan-{number}").into(), like.into()])).await.unwrap();
            let text = "insert into favourites (id, user_id, product_id, created_at) values (?, ?, ?, ?)";
            work.execute_raw(sql(&work, text, [Uuid::now_v7().into(), user.into(), id.into(), Utc::now().into()])).await.unwrap();
        }
        work.commit().await.unwrap();
        let paths: Vec<String> = products.iter().map(|product| format!("/v1/me/favourites/{product}")).collect();
        let answers = join_all(paths.iter().map(|path| buyer.send(buyer.request(Method::PUT, path)))).await;
        assert_eq!(passed(&answers), 2);
    }
}
