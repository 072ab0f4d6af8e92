//! How much one account or SME may have: what one takes is not there for others.

use etalase::config::Config;
use serde_json::json;

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
        let answers = futures_util::future::join_all(titles.iter().map(|title| town.owner.post("/v1/products", town.dodol(title)))).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 3, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 5, "{statuses:?}");
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
        assert!(town.owner.upload(&town.sme, another_photo(2)).await.expect(202).body["status"].is_string(), "the same photo takes no room");
        town.owner.settled_photo(&first).await;
        town.owner.delete(&format!("/v1/media/{first}"), "*").await.expect(204);
        town.owner.upload(&town.sme, another_photo(3)).await.expect(202);
    }
}
