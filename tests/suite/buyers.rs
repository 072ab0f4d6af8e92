//! Buyers: favourites, and what many pieces cost.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Engine, Person, World};

async fn like(person: &Person, product: &str) -> Answer {
    person.send(person.request(Method::PUT, &format!("/v1/me/favourites/{product}"))).await
}

fn titles(answer: &Answer) -> Vec<&str> {
    answer.body["data"].as_array().unwrap().iter().map(|one| one["product"]["title"].as_str().unwrap()).collect()
}

on_both! {
    async fn favourites_follow_a_person_and_are_merged_with_those_of_a_device(world: World) {
        let town = world.town().await;
        let (one, two) = (town.published("Dodol satu").await.text("/id"), town.published("Dodol dua").await.text("/id"));
        let draft = town.draft("Rahasia").await.text("/id");
        let buyer = world.newcomer("buyer", false).await;
        for _ in 0..2 {
            like(&buyer, &one).await.expect(204);
        }
        like(&buyer, &draft).await.expect(404);
        let merged = buyer.post("/v1/me/favourites", json!({ "product_ids": [two, one, draft] })).await.expect(200);
        assert_eq!(titles(&merged), ["Dodol dua (en)", "Dodol satu (en)"]);
        let first = buyer.get("/v1/me/favourites?limit=1").await.expect(200);
        let second = buyer.get(&format!("/v1/me/favourites?limit=1&cursor={}", first.text("/page/next_cursor"))).await.expect(200);
        assert_eq!((titles(&first), titles(&second)), (vec!["Dodol dua (en)"], vec!["Dodol satu (en)"]));
        // What left is not shown, and back when it is.
        let product = format!("/v1/products/{two}");
        town.owner.post_empty(&format!("{product}/pause")).await.expect(200);
        assert_eq!(titles(&buyer.get("/v1/me/favourites").await.expect(200)), ["Dodol satu (en)"]);
        town.owner.post_empty(&format!("{product}/resume")).await.expect(200);
        assert_eq!(titles(&buyer.get("/v1/me/favourites").await.expect(200)).len(), 2);
        buyer.delete(&format!("/v1/me/favourites/{two}"), "*").await.expect(204);
        assert_eq!(titles(&buyer.get("/v1/me/favourites").await.expect(200)), ["Dodol satu (en)"]);
        assert_eq!(titles(&town.owner.get("/v1/me/favourites").await.expect(200)), Vec::<&str>::new());
        let too_many: Vec<_> = (0..501).map(|_| uuid::Uuid::now_v7()).collect();
        buyer.post("/v1/me/favourites", json!({ "product_ids": too_many })).await.expect(422);
    }

    async fn many_pieces_cost_less_each_and_never_more(world: World) {
        let town = world.town().await;
        let product = town.published("Dodol").await;
        let (id, variant) = (product.text("/id"), product.text("/variants/0/id"));
        let path = format!("/v1/products/{id}/variants/{variant}");
        let tiers = |pairs: &[(i64, &str)]| -> Value {
            json!({ "tiers": pairs.iter().map(|(quantity, price)| json!({ "min_quantity": quantity, "price": { "value": price } })).collect::<Vec<_>>() })
        };
        let set = town.owner.put(&format!("{path}/price-tiers"), &product.etag(), tiers(&[(10, "23000"), (100, "20000")])).await.expect(200);
        assert_eq!(set.body["variants"][0]["price_tiers"][1]["price"]["display"], "Rp20.000");
        let shown = world.public().get(&format!("/v1/storefront/products/{id}")).await.expect(200);
        assert_eq!(shown.body["variants"][0]["price_tiers"][0]["min_quantity"], 10);
        for (pairs, pointer) in [
            (vec![(1, "20000")], "/tiers/0/min_quantity"),
            (vec![(10, "25000")], "/tiers/0/price"),
            (vec![(10, "20000"), (10, "19000")], "/tiers/1/min_quantity"),
            (vec![(10, "20000"), (20, "21000")], "/tiers/1/price"),
        ] {
            let refused = town.owner.put(&format!("{path}/price-tiers"), &set.etag(), tiers(&pairs)).await.expect(422);
            assert_eq!(refused.text("/errors/0/pointer"), pointer, "{pairs:?}");
        }
        town.owner.put(&format!("{path}/price-tiers"), &product.etag(), tiers(&[])).await.expect(412);
        let cheaper = town.owner.patch(&path, &set.etag(), json!({ "price": { "value": "23000" } })).await.expect(409);
        assert_eq!(cheaper.text("/reason"), "price_tiers_fall");
        let insert = "insert into price_tiers (variant_id, min_quantity, price_minor) select id, ?, ? from product_variants";
        for (quantity, price) in [(50_i64, 2_300_000_i64), (50, 2_000_000), (5, 2_500_000), (5, 2_300_000), (200, 2_000_000), (1, 2_400_000), (50, 2_100_050)] {
            let broken = world.execute(insert, vec![quantity.into(), price.into()]).await;
            assert!(broken.is_err(), "{quantity} at {price}");
        }
        assert!(world.execute("update price_tiers set price_minor = 100", vec![]).await.is_err());
        world.execute(insert, vec![50_i64.into(), 2_100_000_i64.into()]).await.unwrap();
        let none = town.owner.put(&format!("{path}/price-tiers"), &set.etag(), tiers(&[])).await.expect(200);
        assert_eq!(none.body["variants"][0]["price_tiers"], json!([]));
    }
}
