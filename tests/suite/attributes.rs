//! Typed attributes: defined by the operator, stated by owners, filtered by buyers.

use serde_json::{Value, json};

use crate::world::{Answer, Engine, Person, Town, World};

fn taste(required: bool) -> Value {
    let choice = |value: &str, id: &str, en: &str| json!({ "value": value, "label": { "id": id, "en": en } });
    json!({ "name": "taste", "label": { "id": "Rasa", "en": "Taste" }, "kind": "choice", "required": required,
        "choices": [choice("hot", "Pedas", "Hot"), choice("salty", "Asin", "Salty")] })
}

fn length() -> Value {
    json!({ "name": "length_mm", "label": { "id": "Panjang", "en": "Length" }, "kind": "integer", "minimum": 1, "maximum": 500, "unit": "mm" })
}

async fn define(town: &Town, slug: &str, attributes: Value) -> Answer {
    town.operator.post(&format!("/v1/categories/{slug}/attributes"), json!({ "attributes": attributes })).await.expect(200)
}

async fn publish(town: &Town, title: &str, attributes: Value) -> String {
    let mut body = town.dodol(title);
    body["attributes"] = attributes;
    let id = town.owner.post("/v1/products", body).await.expect(201).text("/id");
    let photo = town.ready_photo().await;
    town.owner.post(&format!("/v1/products/{id}/images"), json!({ "media_id": photo, "alt": { "id": "x" } })).await.expect(201);
    town.owner.post_empty(&format!("/v1/products/{id}/submit")).await.expect(200);
    town.officer.post(&format!("/v1/products/{id}/approve"), json!({})).await.expect(200);
    id
}

async fn found(buyer: &Person, query: &str) -> Vec<String> {
    let answer = buyer.get(&format!("/v1/storefront/products?sort=title&{query}")).await.expect(200);
    answer.body["data"].as_array().unwrap().iter().map(|card| card["title"].as_str().unwrap().to_owned()).collect()
}

on_both! {
    async fn buyers_filter_and_count_by_what_a_category_asks(world: World) {
        let town = world.town().await;
        define(&town, "makanan", json!([taste(false), length()])).await;
        let id = publish(&town, "Dodol cabai", json!({ "taste": "hot", "length_mm": 120 })).await;
        publish(&town, "Dodol laut", json!({ "taste": "salty", "length_mm": 80 })).await;
        publish(&town, "Dodol polos", json!({})).await;
        let buyer = world.public();
        for (query, titles) in [
            ("attribute=taste:hot", vec!["Dodol cabai (en)"]),
            ("attribute=taste:hot&attribute=taste:salty", vec!["Dodol cabai (en)", "Dodol laut (en)"]),
            ("attribute=taste:salty&attribute=length_mm:100..", vec![]),
            ("attribute=length_mm:80..120", vec!["Dodol cabai (en)", "Dodol laut (en)"]),
            ("attribute=colour:red", vec![]),
            ("q=pedas", vec!["Dodol cabai (en)"]),
        ] {
            assert_eq!(found(&buyer, query).await, titles, "{query}");
        }
        buyer.get("/v1/storefront/products?attribute=hot").await.expect(400);
        let answer = buyer.get("/v1/storefront/products?facets=attributes,category&attribute=taste:hot").await.expect(200);
        // Other values of a facet are counted as if it were not narrowed by itself.
        let counted = |name: &str| -> Vec<(String, String, i64)> {
            let values = answer.body["facets"][name].as_array().unwrap();
            values.iter().map(|value| (value["value"].as_str().unwrap().into(), value["label"].as_str().unwrap().into(), value["count"].as_i64().unwrap())).collect()
        };
        assert_eq!(counted("attribute.taste"), [("hot".into(), "Hot".into(), 1), ("salty".into(), "Salty".into(), 1)]);
        assert_eq!(counted("attribute.length_mm"), [("120".into(), "120 mm".into(), 1)]);
        let page = buyer.get(&format!("/v1/storefront/products/{id}")).await.expect(200);
        assert_eq!(page.body["attributes"][0], json!({ "name": "taste", "label": "Taste", "value": "hot", "shown": "Hot" }));
    }

    async fn what_is_required_is_asked_for_and_what_is_wrong_is_told_by_place(world: World) {
        let town = world.town().await;
        define(&town, "dodol", json!([taste(true), length()])).await;
        let mut body = town.dodol("Dodol");
        body["attributes"] = json!({ "taste": "sweet", "length_mm": 900, "colour": "red" });
        let refused = town.owner.post("/v1/products", body).await.expect(422);
        let pointers: Vec<&str> = refused.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(pointers, ["/attributes/colour", "/attributes/length_mm", "/attributes/taste"]);
        let draft = town.draft("Dodol").await;
        let path = format!("/v1/products/{}", draft.text("/id"));
        let refused = town.owner.post_empty(&format!("{path}/submit")).await.expect(422);
        assert_eq!(refused.text("/errors/0/pointer"), "/attributes/taste");
        let edited = town.owner.patch(&path, &draft.etag(), json!({ "attributes": { "taste": "hot", "length_mm": 10 } })).await.expect(200);
        let edited = town.owner.patch(&path, &edited.etag(), json!({ "attributes": { "length_mm": null } })).await.expect(200);
        assert_eq!(edited.body["attributes"], json!({ "taste": "hot" }));
        town.owner.post_empty(&format!("{path}/submit")).await.expect(200);
    }

    async fn a_new_version_takes_the_place_of_the_old_and_products_follow_it(world: World) {
        let town = world.town().await;
        assert_eq!(define(&town, "makanan", json!([taste(false)])).await.body["version"], 1);
        let id = publish(&town, "Dodol cabai", json!({ "taste": "hot" })).await;
        let buyer = world.public();
        let schema = buyer.get("/v1/storefront/categories/dodol/attributes").await.expect(200);
        assert_eq!((schema.text("/defined_for").as_str(), schema.body["json_schema"]["properties"]["taste"]["enum"].clone()), ("makanan", json!(["hot", "salty"])));
        let mut renamed = taste(true);
        renamed["choices"][0]["label"] = json!({ "id": "Pedas sekali", "en": "Very hot" });
        let second = define(&town, "dodol", json!([renamed])).await;
        assert_eq!((second.body["version"].as_i64(), second.text("/defined_for").as_str()), (Some(1), "dodol"));
        let shown = format!("/v1/storefront/products/{id}");
        let renamed = buyer.until(&shown, |product| product.text("/attributes/0/shown") != "Hot").await;
        assert_eq!(renamed.text("/attributes/0/shown"), "Very hot");
        assert_eq!(define(&town, "dodol", json!([])).await.body["version"], 2);
        // What is no longer defined is kept, and not shown.
        let undescribed = buyer.until(&shown, |product| product.text("/attributes/0/shown") != "Very hot").await;
        assert_eq!(undescribed.body["attributes"], json!([]));
        assert_eq!(town.owner.get(&format!("/v1/products/{id}")).await.expect(200).body["attributes"], json!({ "taste": "hot" }));
        assert!(world.execute("update category_attributes set version = version + 1", vec![]).await.is_err());
        assert!(world.execute("delete from category_attributes", vec![]).await.is_err());
        town.coordinator.post("/v1/categories/dodol/attributes", json!({ "attributes": [] })).await.expect(403);
        town.operator.post("/v1/categories/dodol/attributes", json!({ "attributes": [{ "name": "A b", "label": { "id": "x" }, "kind": "boolean" }] })).await.expect(422);
    }
}
