//! Names that are made, and names that people take for one: handles, options and SKUs.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::world::{Engine, World};

on_both! {
    async fn a_title_in_any_script_and_a_title_that_is_there_already_get_a_handle(world: World) {
        let town = world.town().await;
        let create = async |body: Value| town.owner.post("/v1/products", body).await;
        for (title, handle) in [("日本のおみやげ", "ri-ben-noomiyage"), ("🍌🍌", "banana-banana"), ("★", "produk"), ("Dodol", "dodol"), ("Dodol", "dodol-2")] {
            let mut body = town.dodol(title);
            body["title"] = json!({ "id": title });
            let made = create(body).await.expect(201).text("/handle");
            assert!(made == handle || title == "★", "{title}: {made}");
        }
        let at_once = join_all((0..6).map(|_| create(town.dodol("Dodol")))).await;
        let handles: BTreeSet<String> = at_once.into_iter().map(|answer| answer.expect(201).text("/handle")).collect();
        assert_eq!(handles, (3..9).map(|number| format!("dodol-{number}")).collect());
        let mut asked = town.dodol("Dodol");
        asked["handle"] = json!("dodol");
        assert_eq!(create(asked.clone()).await.expect(409).text("/reason"), "handle_taken");
        asked["handle"] = json!("x-");
        assert_eq!(create(asked).await.expect(422).text("/errors/0/pointer"), "/handle");

        let sme = async |name: &str| {
            let body = json!({ "agency_id": town.agency, "brand_name": name, "story": { "id": "Cerita." }, "regency_code": "36.71" });
            town.owner.post("/v1/smes", body).await.expect(201).text("/handle")
        };
        assert_eq!((sme("Dodol Cisadane").await, sme("❖").await), ("dodol-cisadane-2".into(), "ikm".into()));
        let fair = json!({
            "agency_id": town.agency, "title": { "id": "Pameran" }, "city": "Solo", "province_code": "ID-JT",
            "dates": { "precision": "unknown" }, "time_zone": "Asia/Jakarta",
        });
        let slugs = join_all((0..3).map(|_| town.coordinator.post("/v1/exhibitions", fair.clone()))).await;
        let slugs: BTreeSet<String> = slugs.into_iter().map(|answer| answer.expect(201).text("/slug")).collect();
        assert_eq!(slugs, ["pameran", "pameran-2", "pameran-3"].map(str::to_owned).into());
    }

    async fn the_old_address_of_an_sme_leads_to_it_whatever_others_want(world: World) {
        let town = world.town().await;
        let rename = async |sme: &str, handle: &str| {
            let path = format!("/v1/smes/{sme}");
            let etag = town.owner.get(&path).await.expect(200).etag();
            town.owner.patch(&path, &etag, json!({ "handle": handle })).await
        };
        rename(&town.sme, "dodol-baru").await.expect(200);
        let other = town.new_sme(&town.owner, "Tas Perca").await;
        assert_eq!(rename(&other, "dodol-cisadane").await.expect(409).text("/reason"), "handle_taken");
        let third = json!({ "agency_id": town.agency, "brand_name": "Dodol Cisadane", "story": { "id": "Cerita." }, "regency_code": "36.71" });
        let mut asked = third.clone();
        asked["handle"] = json!("dodol-cisadane");
        assert_eq!(town.owner.post("/v1/smes", asked).await.expect(409).text("/reason"), "handle_taken");
        assert_eq!(town.owner.post("/v1/smes", third).await.expect(201).text("/handle"), "dodol-cisadane-2");
        let moved = world.public().get("/v1/storefront/smes/dodol-cisadane").await.expect(308);
        assert_eq!(moved.header("location"), "/v1/storefront/smes/dodol-baru");
        assert!(world.execute("update smes set handle = 'dodol-cisadane' where handle = 'tas-perca'", vec![]).await.is_err());
        rename(&town.sme, "dodol-cisadane").await.expect(200);
        rename(&town.sme, "dodol-baru").await.expect(200);
        assert_eq!(world.public().get("/v1/storefront/smes/dodol-cisadane").await.expect(308).header("location"), "/v1/storefront/smes/dodol-baru");
    }
}

on_both! {
    async fn no_two_variants_have_options_that_a_person_would_call_the_same(world: World) {
        let town = world.town().await;
        let variant = |options: Value, price: &str| json!({ "options": options, "price": { "value": price }, "net_content": { "value": 250, "unit": "g" } });
        let mut body = town.dodol("Kaos");
        body["variants"] = json!([variant(json!({ "warna": "merah", "ukuran": "M" }), "150000"), variant(json!({ "Warna": " MERAH", "ukuran": "m" }), "250000")]);
        let refused = town.owner.post("/v1/products", body.clone()).await.expect(422);
        assert_eq!((refused.text("/errors/0/pointer"), refused.text("/errors/0/code")), ("/variants/1/options".into(), "same_options".into()));
        body["variants"][1]["options"] = json!({ "warna": "biru", "ukuran": "M" });
        let made = town.owner.post("/v1/products", body).await.expect(201);
        let path = format!("/v1/products/{}/variants", made.text("/id"));
        let same = variant(json!({ "ukuran": "M", "warna": "Merah" }), "90000");
        assert_eq!(town.owner.post(&path, same).await.expect(422).text("/errors/0/pointer"), "/options");
        let edit = async |options: Value| {
            let etag = town.owner.get(&format!("/v1/products/{}", made.text("/id"))).await.expect(200).etag();
            town.owner.patch(&format!("{path}/{}", made.text("/variants/1/id")), &etag, json!({ "options": options })).await
        };
        assert_eq!(edit(json!({ "warna": "ＭＥＲＡＨ", "ukuran": "M" })).await.expect(422).text("/errors/0/code"), "same_options");
        edit(json!({ "warna": "Biru", "ukuran": "M" })).await.expect(200);
        town.owner.post(&path, variant(json!({}), "80000")).await.expect(201);
        let copied = "update product_variants set options_read = (select max(options_read) from product_variants where options_read is not null)";
        assert!(world.execute(copied, vec![]).await.is_err(), "held by the database as well");
    }

    async fn skus_are_the_same_where_people_read_them_alike(world: World) {
        let town = world.town().await;
        let with = |sku: &str| {
            let mut body = town.dodol("Dodol");
            body["variants"][0]["sku"] = json!(sku);
            body
        };
        let first = town.owner.post("/v1/products", with(" UJI-SKU-1 ")).await.expect(201);
        assert_eq!(first.text("/variants/0/sku"), "UJI-SKU-1");
        for taken in ["UJI-SKU-1", " UJI-SKU-1", "UJI-SKU-1 ", "uji-sku-1", "ＵＪＩ-SKU-1"] {
            assert_eq!(town.owner.post("/v1/products", with(taken)).await.expect(409).text("/reason"), "sku_taken", "{taken:?}");
        }
        let second = town.owner.post("/v1/products", with("UJI-SKU-2")).await.expect(201);
        let path = |product: &crate::world::Answer| format!("/v1/products/{}/variants/{}", product.text("/id"), product.text("/variants/0/id"));
        assert_eq!(town.owner.patch(&path(&second), &second.etag(), json!({ "sku": "Uji-Sku-1" })).await.expect(409).text("/reason"), "sku_taken");
        let freed = town.owner.patch(&path(&first), &first.etag(), json!({ "sku": null })).await.expect(200);
        assert_eq!(freed.body["variants"][0]["sku"], Value::Null);
        town.owner.patch(&path(&second), &second.etag(), json!({ "sku": "Uji-Sku-1" })).await.expect(200);
    }

    async fn dashes_apostrophes_and_what_nobody_sees_make_no_other_name(world: World) {
        let town = world.town().await;
        let with = |sku: &str| {
            let mut body = town.dodol("Dodol");
            body["variants"][0]["sku"] = json!(sku);
            body
        };
        town.owner.post("/v1/products", with("UJI-1'x")).await.expect(201);
        for taken in ["UJI\u{2013}1'x", "UJI\u{2212}1\u{2019}X", "UJI-1\u{2bc}\u{d7}", "UJI\u{2010}1`x"] {
            assert_eq!(town.owner.post("/v1/products", with(taken)).await.expect(409).text("/reason"), "sku_taken", "{taken:?}");
        }
        let choice = |value: &str, label: &str| json!({ "value": value, "label": { "id": label } });
        let taste = json!({ "name": "taste", "label": { "id": "Rasa" }, "kind": "choice", "choices": [choice("hot", "Pedas"), choice("hotter", "pedas\u{fe0f}")] });
        town.operator.post("/v1/categories/dodol/attributes", json!({ "attributes": [taste] })).await.refuses("/attributes/0/choices/1/label");
        let mut lines = town.dodol("Dodol");
        lines["variants"][0]["options"] = json!({ "warna": "merah\ntua" });
        town.owner.post("/v1/products", lines).await.refuses("/variants/0/options");
    }

    async fn a_gtin_is_the_same_number_with_zeros_before_it(world: World) {
        let town = world.town().await;
        let with = |gtin: &str| {
            let mut body = town.dodol("Dodol");
            body["variants"][0]["gtin"] = json!(gtin);
            body
        };
        let first = town.owner.post("/v1/products", with("96385074")).await.expect(201);
        for taken in ["96385074", "000096385074", "0000096385074", "00000096385074"] {
            assert_eq!(town.owner.post("/v1/products", with(taken)).await.expect(409).text("/reason"), "gtin_taken", "{taken}");
        }
        town.owner.post("/v1/products", with("00000000")).await.refuses("/variants/0/gtin");
        let path = format!("/v1/products/{}/variants/{}", first.text("/id"), first.text("/variants/0/id"));
        town.owner.patch(&path, "*", json!({ "gtin": null })).await.expect(200);
        town.owner.post("/v1/products", with("00000096385074")).await.expect(201);
        town.owner.patch(&path, "*", json!({ "gtin": "96385074" })).await.conflicts("gtin_taken");
    }

    async fn the_old_address_of_a_product_is_not_given_to_another_one(world: World) {
        let town = world.town().await;
        let first = town.owner.post("/v1/products", town.dodol("Dodol")).await.expect(201);
        let path = |product: &crate::world::Answer| format!("/v1/products/{}", product.text("/id"));
        town.owner.patch(&path(&first), "*", json!({ "handle": "dodol-asli" })).await.expect(200);
        let mut asked = town.dodol("Lain");
        asked["handle"] = json!("dodol");
        town.owner.post("/v1/products", asked.clone()).await.conflicts("handle_taken");
        let other = town.owner.post("/v1/products", town.dodol("Lain")).await.expect(201);
        town.owner.patch(&path(&other), "*", json!({ "handle": "dodol" })).await.conflicts("handle_taken");
        town.owner.patch(&path(&first), "*", json!({ "handle": "dodol" })).await.expect(200).has("", &json!({ "handle": "dodol" }));
        town.owner.patch(&path(&other), "*", json!({ "handle": "dodol-asli" })).await.conflicts("handle_taken");
        // With the product its addresses go.
        town.owner.delete(&path(&first), "*").await.expect(204);
        asked["handle"] = json!("dodol-asli");
        town.owner.post("/v1/products", asked).await.expect(201);
    }
}
