//! The OpenAPI document: the exported file is what the code says, and describes what is sent.

use etalase::routes;
use serde_json::Value;

use crate::world::{Engine, World};

#[test]
fn the_exported_document_is_the_one_that_the_code_makes() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let document = routes::document();
    if std::env::var_os("ETALASE_UPDATE").is_some() {
        std::fs::write(file, format!("{}\n", serde_json::to_string_pretty(&document).unwrap())).unwrap();
    }
    let exported: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(exported == document, "run: ETALASE_UPDATE=1 cargo test --test suite exported_document");
}

#[test]
fn every_operation_has_a_summary_an_id_and_says_who_may() {
    for (path, item) in routes::document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for key in ["operationId", "summary", "security", "responses"] {
                assert!(operation.get(key).is_some(), "{method} {path} lacks {key}");
            }
        }
    }
}

on_both! {
    async fn the_document_and_its_reader_are_served(world: World) {
        let buyer = world.public();
        let served = buyer.get("/openapi.json").await.expect(200);
        assert_eq!(served.body, routes::document());
        let docs = buyer.send(buyer.request(reqwest::Method::GET, "/docs")).await.expect(200);
        assert!(docs.header("content-type").starts_with("text/html"));
        assert_eq!(buyer.get("/readyz").await.expect(200).body["ready"], Value::Bool(true));
    }
}
