//! Search, facets, suggestions and the log of changes, as a front-end developer uses them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use sea_orm::ConnectionTrait;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::{Engine, Person, Town, World};

#[derive(Deserialize)]
struct Judged {
    products: Vec<Product>,
    queries: Vec<Query>,
}

#[derive(Deserialize)]
struct Product {
    key: String,
    title: Value,
    summary: Value,
    category: String,
    description: Value,
    material: Option<String>,
}

#[derive(Deserialize)]
struct Query {
    q: String,
    judged: BTreeMap<String, i32>,
}

fn judged() -> Judged {
    serde_json::from_str(include_str!("relevance.json")).unwrap()
}

/// Publishes a product with this photo.
async fn publish(town: &Town, photo: &str, body: Value) -> String {
    let id = town.owner.post("/v1/products", body).await.expect(201).text("/id");
    town.owner.post(&format!("/v1/products/{id}/images"), json!({ "media_id": photo, "alt": { "id": "Foto" } })).await.expect(201);
    town.owner.post_empty(&format!("/v1/products/{id}/submit")).await.expect(200);
    town.officer.post(&format!("/v1/products/{id}/approve"), json!({})).await.expect(200);
    id
}

/// A world with the judged products; the keys by id.
async fn judged_world(engine: Engine, judged: &Judged) -> (World, BTreeMap<String, String>) {
    let world = World::start(engine, |_| {}).await;
    let town = world.town().await;
    let photo = town.ready_photo().await;
    let made = stream::iter(&judged.products).map(|product| {
        let materials: Vec<Value> =
            product.material.iter().map(|name| json!({ "name": { "id": name }, "origin": "natural", "mass_share_bp": 5000 })).collect();
        let mut body = town.dodol("x");
        for (name, value) in [("title", &product.title), ("summary", &product.summary), ("description", &product.description)] {
            body[name] = value.clone();
        }
        body["category"] = json!(product.category);
        body["handle"] = json!(product.key);
        body["materials"] = json!(materials);
        let (town, photo) = (&town, &photo);
        async move { (publish(town, photo, body).await, product.key.clone()) }
    });
    let keys = made.buffered(4).collect().await;
    (world, keys)
}

/// Normalised discounted cumulative gain of the first ten.
fn ndcg(found: &[String], judged: &BTreeMap<String, i32>) -> f64 {
    let gain = |grade: i32, place: usize| (f64::from(2_i32.pow(grade as u32)) - 1.0) / f64::from(u32::try_from(place + 2).unwrap()).log2();
    let mut ideal: Vec<i32> = judged.values().copied().collect();
    ideal.sort_unstable_by(|a, b| b.cmp(a));
    let best: f64 = ideal.iter().take(10).enumerate().map(|(place, grade)| gain(*grade, place)).sum();
    let got: f64 = found.iter().take(10).enumerate().map(|(place, key)| gain(judged.get(key).copied().unwrap_or_default(), place)).sum();
    got / best
}

async fn search(buyer: &Person, q: &str, keys: &BTreeMap<String, String>) -> Vec<String> {
    let request = buyer.request(reqwest::Method::GET, "/v1/storefront/products").query(&[("q", q), ("limit", "10")]);
    let answer = buyer.send(request).await.expect(200);
    answer.body["data"].as_array().unwrap().iter().map(|card| keys[card["id"].as_str().unwrap()].clone()).collect()
}

/// What PostgreSQL's own full text search with its `indonesian` configuration finds.
async fn postgres_alone(world: &World, q: &str) -> Vec<String> {
    let document = "setweight(to_tsvector('indonesian', p.title->>'id'), 'A') || setweight(to_tsvector('indonesian', c.name->>'id'), 'B') \
                    || setweight(to_tsvector('indonesian', coalesce(p.summary->>'id', '') || ' ' || coalesce(p.description->>'id', '')), 'D')";
    let text = format!(
        "select p.handle from products p join categories c on c.id = p.category_id where ({document}) @@ plainto_tsquery('indonesian', ?) \
         order by ts_rank({document}, plainto_tsquery('indonesian', ?)) desc, p.id desc limit 10"
    );
    let reader = world.app.database.reader();
    let rows = reader.query_all_raw(etalase::platform::database::sql(reader, &text, [q.into(), q.into()])).await.unwrap();
    rows.iter().map(|row| row.try_get("", "handle").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_databases_answer_the_judged_queries_alike_and_better_than_postgresql_alone() {
    let judged = judged();
    let (one, one_keys) = judged_world(Engine::Sqlite, &judged).await;
    let (other, other_keys) = judged_world(Engine::Postgresql, &judged).await;
    let (mut sqlite, mut postgresql, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for query in &judged.queries {
        let found = search(&one.public(), &query.q, &one_keys).await;
        let again = search(&other.public(), &query.q, &other_keys).await;
        if query.judged.is_empty() {
            continue;
        }
        let scores = (ndcg(&found, &query.judged), ndcg(&again, &query.judged), ndcg(&postgres_alone(&other, &query.q).await, &query.judged));
        if scores.0 < 0.7 {
            println!("{:.3} {:?} found {found:?}", scores.0, query.q);
        }
        sqlite.push(scores.0);
        postgresql.push(scores.1);
        alone.push(scores.2);
        // Which of two products is newer differs between the worlds; what was found does not.
        let (found, again): (BTreeSet<_>, BTreeSet<_>) = (found.iter().collect(), again.iter().collect());
        assert!(found.len() == 10 || found == again, "{:?}: {found:?} and {again:?}", query.q);
    }
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / f64::from(u32::try_from(scores.len()).unwrap());
    let (sqlite_mean, postgresql_mean, alone_mean) = (mean(&sqlite), mean(&postgresql), mean(&alone));
    println!(
        "nDCG@10 of {} queries: SQLite {sqlite_mean:.3}, PostgreSQL {postgresql_mean:.3}, PostgreSQL's indonesian alone {alone_mean:.3}",
        sqlite.len()
    );
    assert!((sqlite_mean - postgresql_mean).abs() < 0.02);
    assert!(sqlite_mean > 0.85 && postgresql_mean > alone_mean + 0.1);
}

on_both! {
    async fn what_cannot_be_seen_and_apostrophes_hide_no_product_and_what_is_no_word_finds_none(world: World) {
        let town = world.town().await;
        let photo = town.ready_photo().await;
        for title in ["Sulaman kera\u{ad}wang", "Sarung Jum'at", "Tas Qur\u{2019}an"] {
            publish(&town, &photo, town.dodol(title)).await;
        }
        let buyer = world.public();
        let found = async |q: &str| {
            let request = buyer.request(reqwest::Method::GET, "/v1/storefront/products").query(&[("q", q)]);
            buyer.send(request).await.expect(200).body["page"]["total_estimate"].as_i64().unwrap()
        };
        for q in ["kerawang", "kera\u{ad}wang", "jumat", "jum'at", "jum\u{2bc}at", "quran", "Qur'an", "Qur\u{2019}an", "sa\u{ad}rung", "sar\u{200b}ung"] {
            assert_eq!(found(q).await, 1, "{q:?}");
        }
        for q in ["!!!", "🍌", "\u{fffd}\u{fffd}"] {
            assert_eq!(found(q).await, 0, "{q:?}");
        }
        assert_eq!(found(" ").await, 3, "nothing is asked");
    }

    async fn facets_count_what_each_value_would_leave_under_the_other_filters(world: World) {
        let town = world.town().await;
        let photo = town.ready_photo().await;
        let waste = json!([{ "name": { "id": "Kain perca" }, "origin": "upcycled_industrial", "mass_share_bp": 9000,
            "waste_source": { "id": "Sisa konveksi", "en": "Offcuts" } }]);
        for (title, category, price, materials, stock) in [
            ("Dodol Durian", "dodol", "20000", json!([]), json!({ "stock_policy": "track", "on_hand": 3 })),
            ("Dodol Wijen", "dodol", "60000", json!([]), json!({ "stock_policy": "track", "on_hand": 0 })),
            ("Keripik Tempe", "keripik", "15000", json!([]), json!({})),
            ("Tas Perca", "suvenir-limbah", "75000", waste, json!({})),
        ] {
            let mut body = town.dodol(title);
            body["category"] = json!(category);
            body["materials"] = materials;
            body["variants"][0]["price"]["value"] = json!(price);
            body["variants"][0].as_object_mut().unwrap().extend(stock.as_object().unwrap().clone());
            publish(&town, &photo, body).await;
        }
        let buyer = world.public();
        let facets = "category,price,material_origin,waste_stream,in_stock,sme,region,halal,exhibition";
        let all = buyer.get(&format!("/v1/storefront/products?facets={facets}")).await.expect(200);
        let counts = |answer: &crate::world::Answer, facet: &str| -> Vec<(String, i64)> {
            let values = answer.body["facets"][facet].as_array().unwrap();
            values.iter().map(|value| (value["value"].as_str().unwrap().to_owned(), value["count"].as_i64().unwrap())).collect()
        };
        let pairs = |pairs: &[(&str, i64)]| pairs.iter().map(|(value, count)| ((*value).to_owned(), *count)).collect::<Vec<_>>();
        assert_eq!(counts(&all, "category"), pairs(&[("makanan", 3), ("dodol", 2), ("kerajinan", 1), ("keripik", 1), ("suvenir-limbah", 1)]));
        assert_eq!(counts(&all, "price"), pairs(&[("0-24999", 2), ("50000-99999", 2)]));
        assert_eq!(counts(&all, "material_origin"), pairs(&[("upcycled_industrial", 1)]));
        assert_eq!(counts(&all, "waste_stream"), pairs(&[("sisa-konveksi", 1)]));
        assert_eq!(all.body.pointer("/facets/waste_stream/0/label"), Some(&json!("Offcuts")));
        assert_eq!(counts(&all, "in_stock"), pairs(&[("true", 3)]));
        assert_eq!(counts(&all, "region"), pairs(&[("36.71", 4)]));
        assert_eq!((counts(&all, "halal"), counts(&all, "exhibition")), (vec![], vec![]));
        assert_eq!(all.body.pointer("/page/total_estimate"), Some(&json!(4)));

        // A facet ignores its own filter and heeds the others.
        let some = buyer.get("/v1/storefront/products?category=dodol&price_max=24999&facets=category,price").await.expect(200);
        assert_eq!(some.body["data"].as_array().unwrap().len(), 1);
        assert_eq!(counts(&some, "category"), pairs(&[("makanan", 2), ("dodol", 1), ("keripik", 1)]));
        assert_eq!(counts(&some, "price"), pairs(&[("0-24999", 1), ("50000-99999", 1)]));
        for (filter, expected) in [("material_origin=upcycled_industrial", 1), ("waste_stream=sisa-konveksi", 1), ("in_stock=true&category=dodol", 1), ("price_min=50000", 2)] {
            let found = buyer.get(&format!("/v1/storefront/products?{filter}")).await.expect(200);
            assert_eq!(found.body["data"].as_array().unwrap().len(), expected, "{filter}");
        }
        // However often a facet is named, it is counted once.
        let many = format!("{facets}{}", ",price,sme,region".repeat(60));
        let again = buyer.get(&format!("/v1/storefront/products?facets={many}")).await;
        assert!(again.status == 400 || again.body["facets"] == all.body["facets"]);
        let twice = buyer.get(&format!("/v1/storefront/products?facets={facets},price,price,category")).await.expect(200);
        assert_eq!(twice.body["facets"], all.body["facets"]);
        buyer.get("/v1/storefront/products?price_min=-1").await.expect(400);
        buyer.get("/v1/storefront/products?facets=colour").await.expect(400);

        // A verified halal certificate shows at once, and no longer than it is valid.
        let document = json!({ "kind": "halal", "number": "ID36110000123450921" });
        let id = town.owner.post(&format!("/v1/smes/{}/documents", town.sme), document).await.expect(201).text("/id");
        let halal = "/v1/storefront/products?halal=certified&facets=halal";
        assert_eq!(buyer.get(halal).await.body["data"], json!([]));
        town.officer.post(&format!("/v1/smes/{}/documents/{id}/verify", town.sme), json!({})).await.expect(200);
        assert_eq!(counts(&buyer.get(halal).await, "halal"), pairs(&[("certified", 3)]));
    }

    async fn products_are_found_and_counted_by_the_wub_group_of_their_sme(world: World) {
        let town = world.town().await;
        town.published("Dodol").await;
        let group = uuid::Uuid::now_v7();
        let make = "insert into wub_groups (id, agency_id, name, focus, source, source_status, created_at) select ?, id, ?, 'dodol', 'x', 'unverified', ? from agencies";
        let name = json!({ "id": "WUB Dodol" });
        world.execute(make, vec![group.into(), name.into(), chrono::Utc::now().into()]).await.unwrap();
        world.execute("insert into wub_members (group_id, sme_id) select ?, id from smes", vec![group.into()]).await.unwrap();
        world.execute("update catalogue_version set version = version + 1", vec![]).await.unwrap();
        world.app.signals.reread_catalogue_version(&world.app.database).await;
        let buyer = world.public();
        let answer = buyer.get(&format!("/v1/storefront/products?facets=wub&wub={group}")).await.expect(200);
        assert_eq!(answer.body["facets"]["wub"], json!([{ "value": group.to_string(), "label": "WUB Dodol", "count": 1 }]));
        let other = uuid::Uuid::now_v7();
        assert_eq!(buyer.get(&format!("/v1/storefront/products?wub={other}")).await.expect(200).body["data"], json!([]));
    }

    async fn a_list_has_more_of_its_products_where_it_is_asked_for_within_a_cost(world: World) {
        let town = world.town().await;
        let ids = [town.published("Dodol satu").await.text("/id"), town.published("Dodol dua").await.text("/id")];
        let buyer = world.public();
        let plain = buyer.get("/v1/storefront/products").await.expect(200);
        let with = buyer.get("/v1/storefront/products?include=variants,images&limit=10").await.expect(200);
        for (card, rich) in plain.body["data"].as_array().unwrap().iter().zip(with.body["data"].as_array().unwrap()) {
            assert_eq!((rich["variants"][0]["price"]["value"].as_str(), rich["images"].as_array().unwrap().len()), (Some("25000.00"), 1));
            assert!(card.as_object().unwrap().iter().all(|(name, value)| rich[name] == *value), "{card} {rich}");
            assert!(rich.get("description").is_none() && card.get("variants").is_none());
        }
        let found = buyer.get("/v1/storefront/products?q=satu&include=description").await.expect(200);
        assert_eq!((found.text("/data/0/highlight/title"), found.body["data"][0]["description"].is_string()), ("Dodol <mark>satu</mark> (en)".into(), true));
        let refused = buyer.get("/v1/storefront/products?include=variants,images&limit=100").await.expect(400);
        assert!(refused.text("/detail").contains("ask for 50 products"), "{:#}", refused.body);
        assert_eq!((refused.body["cost"].as_i64(), refused.body["most_cost"].as_i64()), (Some(800), Some(400)));
        assert!(buyer.get("/v1/storefront/products?include=owner").await.expect(400).text("/detail").contains("variants"));
        // Parts of many, in the order asked for; what is not public is left out, and statements don't grow with their number.
        let nobody = uuid::Uuid::now_v7();
        let path = format!("/v1/storefront/products/parts?ids={},{nobody},{}&fields=price,variants", ids[1], ids[0]);
        let parts = buyer.get(&path).await.expect(200);
        let shown: Vec<&str> = parts.body.as_array().unwrap().iter().map(|product| product["id"].as_str().unwrap()).collect();
        assert_eq!(shown, [ids[1].as_str(), ids[0].as_str()]);
        assert_eq!(parts.body[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "price", "variants"]);
        let mut fewest = u64::MAX;
        // What runs in the background sends statements, too; sometimes it does not.
        for _ in 0..20 {
            world.app.answers.invalidate_all();
            world.app.answers.run_pending_tasks().await;
            let before = world.app.database.statements();
            buyer.get(&path).await.expect(200);
            fewest = fewest.min(world.app.database.statements() - before);
        }
        assert_eq!(fewest, 1);
        for query in ["ids=x&fields=title", "ids=&fields=title"] {
            buyer.get(&format!("/v1/storefront/products/parts?{query}")).await.expect(400);
        }
        buyer.get(&format!("/v1/storefront/products/parts?ids={}&fields=secret", ids[0])).await.expect(400);
    }

    async fn what_is_typed_is_completed_and_marked(world: World) {
        let town = world.town().await;
        let photo = town.ready_photo().await;
        for title in ["Keripik Tempe <Sagu>", "Keripik Singkong", "Dodol Durian"] {
            let mut body = town.dodol(title);
            body["category"] = json!(if title.starts_with("Dodol") { "dodol" } else { "keripik" });
            publish(&town, &photo, body).await;
        }
        let buyer = Person { language: "id", ..world.public() };
        let typed = buyer.get("/v1/storefront/suggest?q=keripik%20te").await.expect(200);
        let kinds: Vec<(&str, &str)> =
            typed.body["data"].as_array().unwrap().iter().map(|one| (one["kind"].as_str().unwrap(), one["text"].as_str().unwrap())).collect();
        assert_eq!(kinds, [("words", "keripik tempe"), ("category", "Tempe"), ("product", "Keripik Tempe <Sagu>"), ("product", "Keripik Singkong")]);
        assert_eq!(typed.text("/data/0/highlight"), "keripik <mark>te</mark>mpe");
        assert_eq!(typed.text("/data/2/highlight"), "<mark>Keripik</mark> <mark>Tempe</mark> &lt;Sagu&gt;");
        let found = buyer.get(&typed.text("/data/2/address")).await.expect(200);
        assert_eq!(found.text("/title"), "Keripik Tempe <Sagu>");
        let brand = buyer.get("/v1/storefront/suggest?q=cisa").await.expect(200);
        assert_eq!((brand.text("/data/0/kind"), brand.text("/data/0/text")), ("sme".into(), "Dodol Cisadane".into()));
        assert_eq!(buyer.get("/v1/storefront/suggest?q=%21").await.expect(200).body["data"], json!([]));

        let marked = buyer.get("/v1/storefront/products?q=kripik%20singkng").await.expect(200);
        assert_eq!(marked.text("/data/0/highlight/title"), "<mark>Keripik</mark> <mark>Singkong</mark>");
        // What has one of the two words only comes after.
        assert_eq!(marked.text("/data/1/highlight/title"), "<mark>Keripik</mark> Tempe &lt;Sagu&gt;");
    }

    async fn a_copy_that_follows_the_log_is_the_catalogue(world: World) {
        let town = world.town().await;
        let photo = town.ready_photo().await;
        let buyer = world.public();
        let (mut copy, mut cursor) = (BTreeMap::new(), None);
        let mut ids = Vec::new();
        for number in 0..5 {
            ids.push(publish(&town, &photo, town.dodol(&format!("Dodol {number}"))).await);
        }
        follow(&buyer, &mut copy, &mut cursor).await;
        assert_eq!(copy.len(), 5);
        let first = copy.clone();
        // Paused, changed, back again, gone for good, and taken off by hand.
        let product = |number: usize| format!("/v1/products/{}", ids[number]);
        town.owner.post_empty(&format!("{}/pause", product(0))).await.expect(200);
        town.owner.patch(&product(1), &town.owner.get(&product(1)).await.etag(), json!({ "handle": "dodol-lain" })).await.expect(200);
        follow(&buyer, &mut copy, &mut cursor).await;
        assert!(!copy.contains_key(&ids[0]) && copy[&ids[1]]["handle"] == "dodol-lain");
        town.owner.post_empty(&format!("{}/resume", product(0))).await.expect(200);
        town.owner.post(&format!("{}/archive", product(2)), json!({})).await.expect(200);
        world.execute("update products set status = 'suspended', status_reason = 'Uji' where handle = 'dodol-3'", vec![]).await.unwrap();
        world.app.signals.reread_catalogue_version(&world.app.database).await;
        follow(&buyer, &mut copy, &mut cursor).await;
        let listed = buyer.get("/v1/storefront/products?limit=100").await.expect(200);
        let listed: BTreeMap<String, Value> =
            listed.body["data"].as_array().unwrap().iter().map(|card| (card["id"].as_str().unwrap().to_owned(), card.clone())).collect();
        assert_eq!(copy.keys().collect::<Vec<_>>(), listed.keys().collect::<Vec<_>>());
        for (id, card) in &listed {
            assert_eq!(copy[id]["handle"], card["handle"]);
        }
        assert_ne!(copy, first);
        // Nothing more to come, and who begins again gets the same.
        let (mut again, mut from_start) = (BTreeMap::new(), None);
        follow(&buyer, &mut again, &mut from_start).await;
        assert_eq!(again, copy);
        buyer.get("/v1/changes?cursor=AAAA").await.expect(400);
    }
}

/// Takes up what the log holds, in small pages.
async fn follow(buyer: &Person, copy: &mut BTreeMap<String, Value>, cursor: &mut Option<String>) {
    loop {
        let after = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let answer = buyer.get(&format!("/v1/changes?limit=2{after}")).await.expect(200);
        for change in answer.body["data"].as_array().unwrap() {
            let id = change["product_id"].as_str().unwrap().to_owned();
            match change["kind"].as_str().unwrap() {
                "listed" => copy.insert(id, change["product"].clone()),
                _ => copy.remove(&id),
            };
        }
        *cursor = Some(answer.text("/page/next_cursor"));
        if answer.body["page"]["has_more"] == json!(false) {
            break;
        }
    }
}
