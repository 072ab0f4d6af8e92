//! The catalogue for other programs: each feed says exactly what the storefront says.

use etalase::storefront::store;
use quick_xml::{Reader, events::Event};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Engine, Person, World};

async fn text(person: &Person, path: &str) -> (u16, String, String) {
    let response = person.request(Method::GET, path).send().await.unwrap();
    let etag = response.headers().get("etag").map(|etag| etag.to_str().unwrap().to_owned()).unwrap_or_default();
    (response.status().as_u16(), etag, response.text().await.unwrap())
}

/// All texts of an element, unescaped; fails where the document is no XML.
fn texts(xml: &str, element: &str) -> Vec<String> {
    let mut reader = Reader::from_str(xml);
    let (mut inside, mut found, mut depth) = (false, Vec::new(), 0);
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                depth += 1;
                inside = start.name().as_ref() == element;
                if inside {
                    found.push(String::new());
                }
            }
            Event::Text(text) if inside => found.last_mut().unwrap().push_str(&text),
            Event::GeneralRef(name) if inside => {
                found.last_mut().unwrap().push_str(match &*name {
                    "lt" => "<",
                    "gt" => ">",
                    "amp" => "&",
                    "quot" => "\"",
                    "apos" => "'",
                    other => panic!("{other}"),
                });
            }
            Event::End(_) => {
                depth -= 1;
                inside = false;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    found
}

on_both! {
    async fn a_product_describes_itself_to_search_engines_with_what_can_be_bought(world: World) {
        let town = world.town().await;
        let product = town.published("Dodol <b>legit</b>").await;
        let (id, variant) = (product.text("/id"), product.text("/variants/0/id"));
        let buyer = world.public();
        let data = buyer.get(&format!("/v1/storefront/products/{id}/product.jsonld")).await.expect(200);
        assert_eq!(data.header("content-type"), "application/ld+json");
        let offer = &data.body["offers"][0];
        assert_eq!((&data.body["@type"], &offer["price"], &offer["priceCurrency"]), (&json!("Product"), &json!(25_000), &json!("IDR")));
        assert_eq!(offer["availability"], "https://schema.org/InStock");
        assert!(offer.get("gtin").is_none() && data.text("/image/0").starts_with("http"), "{:#}", data.body);
        let sold_out = json!({ "stock_policy": "track", "on_hand": 0 });
        town.owner.patch(&format!("/v1/products/{id}/variants/{variant}"), &product.etag(), sold_out).await.expect(200);
        let data = buyer.get(&format!("/v1/storefront/products/{id}/product.jsonld")).await.expect(200);
        assert_eq!(data.body["offers"][0]["availability"], "https://schema.org/OutOfStock");
        let (_, _, merchant) = text(&buyer, "/v1/storefront/feeds/google-merchant.xml").await;
        assert_eq!(texts(&merchant, "g:availability"), ["out_of_stock"]);
    }

    async fn every_feed_says_what_the_storefront_says_and_nothing_that_left_it(world: World) {
        let town = world.town().await;
        let buyer = world.public();
        let title = "Dodol <b>\"enak\" & legit</b>";
        let first = town.published(title).await.text("/id");
        let second = town.published("Dodol biasa").await.text("/id");
        town.draft("Dodol rahasia").await;
        let listed = buyer.get("/v1/storefront/products?sort=title").await.expect(200);
        let lines = async || {
            let (status, etag, body) = text(&buyer, "/v1/storefront/feeds/products.ndjson").await;
            assert_eq!(status, 200);
            (etag, body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>())
        };
        let (etag, mut cards) = lines().await;
        cards.sort_by_key(|card| card["title"].as_str().unwrap().to_lowercase());
        let mut shown = listed.body["data"].as_array().unwrap().clone();
        shown.sort_by_key(|card| card["title"].as_str().unwrap().to_lowercase());
        assert_eq!(cards, shown);
        let again = buyer.request(Method::GET, "/v1/storefront/feeds/products.ndjson").header("if-none-match", &etag).send().await.unwrap();
        assert_eq!(again.status().as_u16(), 304);

        let (_, _, merchant) = text(&buyer, "/v1/storefront/feeds/google-merchant.xml").await;
        assert!(texts(&merchant, "g:title").contains(&format!("{title} (en)")), "{merchant}");
        assert_eq!(texts(&merchant, "g:price"), ["25000 IDR", "25000 IDR"]);
        let pictures = texts(&merchant, "g:image_link");
        assert!(pictures.len() == 2 && pictures.iter().all(|address| address.starts_with("http://")), "{pictures:?}");
        let (_, _, index) = text(&buyer, "/v1/storefront/feeds/sitemap.xml").await;
        assert_eq!(texts(&index, "loc").len(), 1);
        let (_, _, sitemap) = text(&buyer, "/v1/storefront/feeds/sitemap-products.xml").await;
        let addresses = texts(&sitemap, "loc");
        assert_eq!(addresses.len(), 2);
        for address in &addresses {
            let path = &address[address.find("/v1/").unwrap()..];
            buyer.get(path).await.expect(200);
        }

        town.officer.post(&format!("/v1/products/{second}/suspend"), json!({ "reason": "Uji." })).await.expect(200);
        let (newer, cards) = lines().await;
        assert_eq!((cards.len(), cards[0]["id"].as_str()), (1, Some(first.as_str())));
        assert_ne!(newer, etag);

        let exhibition = town.exhibition("solo").await;
        town.coordinator.post_empty(&format!("/v1/exhibitions/{exhibition}/announce")).await.expect(200);
        let (_, _, rss) = text(&buyer, "/v1/storefront/feeds/exhibitions.rss").await;
        assert!(texts(&rss, "description").contains(&"1–4 May 2030, Pontianak".to_owned()), "{rss}");
    }

    async fn the_pages_of_a_feed_leave_nothing_out_and_repeat_nothing(world: World) {
        let town = world.town().await;
        for index in 0..5 {
            town.published(&format!("Dodol {index}")).await;
        }
        let reader = world.app.database.reader();
        let all: Vec<Uuid> = store::feed(reader, "id", Uuid::nil(), 100).await.unwrap().into_iter().map(|row| row.product_id).collect();
        assert_eq!(all.len(), 5);
        let mut paged = Vec::new();
        while let Some(row) = store::feed(reader, "id", paged.last().copied().unwrap_or_default(), 2).await.unwrap().into_iter().next() {
            paged.push(row.product_id);
        }
        assert_eq!(paged, all);
        assert_eq!(store::page_starts(reader, 2).await.unwrap(), [Uuid::nil(), all[1], all[3]]);
    }
}
