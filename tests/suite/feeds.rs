//! The catalogue for other programs: each feed says exactly what the storefront says.

use chrono::{DateTime, Days, Utc};
use etalase::storefront::store;
use quick_xml::{Reader, events::Event};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Answer, Engine, Person, Town, World};

async fn text(person: &Person, path: &str) -> (u16, String, String) {
    let answer = person.get(path).await;
    (answer.status, answer.etag(), answer.content())
}

fn utf8(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8(bytes.as_ref().to_vec()).unwrap()
}

/// All texts of an element, unescaped; fails where the document is no XML.
fn texts(xml: &str, element: &str) -> Vec<String> {
    let mut reader = Reader::from_str(xml);
    let (mut inside, mut found, mut depth) = (false, Vec::new(), 0);
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                depth += 1;
                inside = utf8(start.name().0) == element;
                if inside {
                    found.push(String::new());
                }
            }
            Event::Text(text) if inside => found.last_mut().unwrap().push_str(&utf8(&*text)),
            Event::GeneralRef(name) if inside => {
                found.last_mut().unwrap().push_str(match utf8(&*name).as_str() {
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

/// Publishes a product as `change` makes it.
async fn publish(town: &Town, change: impl FnOnce(&mut Value)) -> Answer {
    let mut body = town.dodol("Dodol");
    change(&mut body);
    let id = town.owner.post("/v1/products", body).await.expect(201).text("/id");
    let photo = json!({ "media_id": town.ready_photo().await, "alt": { "id": "Dodol" } });
    town.owner.post(&format!("/v1/products/{id}/images"), photo).await.expect(201);
    town.owner.post_empty(&format!("/v1/products/{id}/submit")).await.expect(200);
    town.officer.post(&format!("/v1/products/{id}/approve"), json!({})).await.expect(200)
}

on_both! {
    async fn one_character_that_xml_excludes_breaks_no_feed(world: World) {
        let town = world.town().await;
        town.published("Dodol").await;
        let exhibition = town.exhibition("solo").await;
        town.coordinator.post_empty(&format!("/v1/exhibitions/{exhibition}/announce")).await.expect(200);
        // As an older version took it.
        world.execute("update storefront_products set detail_en = replace(detail_en, 'Dodol', ?)", vec!["Dodol\u{ffff}".into()]).await.unwrap();
        world.execute("update exhibitions set city = ?", vec!["Solo\u{fffe}\u{7}".into()]).await.unwrap();
        let (_, _, merchant) = text(&world.public(), "/v1/storefront/feeds/google-merchant.xml").await;
        let (_, _, rss) = text(&world.public(), "/v1/storefront/feeds/exhibitions.rss").await;
        assert_eq!(texts(&merchant, "g:title"), ["Dodol  (en)"]);
        assert!(texts(&rss, "description").iter().any(|text| text.ends_with(", Solo  ")), "{rss}");
        assert!(!merchant.contains(['\u{fffe}', '\u{ffff}']) && !rss.contains(['\u{fffe}', '\u{ffff}']));
    }

    async fn the_feed_and_the_structured_data_say_the_same_of_an_offer(world: World) {
        let town = world.town().await;
        let buyer = world.public();
        let long = "Dodol ".repeat(26) + "é";
        let product = publish(&town, |body| {
            body["title"] = json!({ "id": long });
            body["variants"][0]["gtin"] = json!("96385074");
        })
        .await;
        let (id, variant) = (product.text("/id"), format!("/v1/products/{}/variants/{}", product.text("/id"), product.text("/variants/0/id")));
        let said = async || {
            let data = buyer.get(&format!("/v1/storefront/products/{id}/product.jsonld")).await.expect(200);
            let (_, _, merchant) = text(&buyer, "/v1/storefront/feeds/google-merchant.xml").await;
            let offer = |name: &str| data.text(&format!("/offers/0/{name}")).replace("https://schema.org/", "");
            assert_eq!(texts(&merchant, "g:gtin"), [offer("gtin")]);
            assert!(texts(&merchant, "g:identifier_exists").is_empty(), "{merchant}");
            assert_eq!(texts(&merchant, "g:price"), [format!("{} IDR", data.body["offers"][0]["price"])]);
            assert_eq!(texts(&merchant, "g:availability_date").pop().unwrap_or_default(), offer("availabilityStarts"));
            assert_eq!(texts(&merchant, "g:title").pop().map(|title| title.chars().count()), Some(149), "{merchant}");
            (offer("availability"), texts(&merchant, "g:availability").pop().unwrap_or_default(), offer("availabilityStarts"))
        };
        let etag = town.owner.patch(&variant, &product.etag(), json!({ "stock_policy": "made_to_order", "on_hand": 5 })).await.expect(200).etag();
        assert_eq!(said().await, ("InStock".into(), "in_stock".into(), String::new()));
        let etag = town.owner.patch(&variant, &etag, json!({ "on_hand": 0 })).await.expect(200).etag();
        assert_eq!(said().await, ("MadeToOrder".into(), "in_stock".into(), String::new()), "no backorder without a day");
        town.owner.patch(&format!("/v1/products/{id}"), &etag, json!({ "lead_time_days": 7 })).await.expect(200);
        // Lead times count from today in Jakarta, as certificates end.
        let day = (Utc::now() + chrono::TimeDelta::hours(7)).date_naive().checked_add_days(Days::new(7)).unwrap().format("%Y-%m-%dT00:00Z").to_string();
        assert_eq!(said().await, ("MadeToOrder".into(), "backorder".into(), day));
        publish(&town, |body| body["handle"] = json!("tanpa-nomor")).await;
        let (_, _, merchant) = text(&buyer, "/v1/storefront/feeds/google-merchant.xml").await;
        assert_eq!(texts(&merchant, "g:identifier_exists"), ["no"]);
    }

    async fn the_sitemap_dates_every_change_that_the_public_sees_and_no_other(world: World) {
        let town = world.town().await;
        let product = town.published("Dodol").await;
        let long_ago = DateTime::parse_from_rfc3339("2026-01-02T03:04:05Z").unwrap().to_utc();
        for text in ["update storefront_products set published_at = ?", "update storefront_changes set changed_at = ?"] {
            world.execute(text, vec![long_ago.into()]).await.unwrap();
        }
        let dated = async || {
            world.app.signals.reread_catalogue_version(&world.app.database).await;
            texts(&text(&world.public(), "/v1/storefront/feeds/sitemap-products.xml").await.2, "lastmod")
        };
        assert_eq!(dated().await, ["2026-01-02"]);
        // Lists the product again as it is, but for when it was published, which is no news.
        world.execute("update products set published_at = ?", vec![long_ago.into()]).await.unwrap();
        let again = "update storefront_products set detail_id = detail_id, title_sort = title_sort";
        world.execute(again, vec![]).await.unwrap();
        assert_eq!(dated().await, ["2026-01-02"]);
        let price = json!({ "price": { "value": "30000" } });
        town.owner.patch(&format!("/v1/products/{}/variants/{}", product.text("/id"), product.text("/variants/0/id")), &product.etag(), price).await.expect(200);
        assert_eq!(dated().await, [Utc::now().date_naive().to_string()]);
    }

    async fn the_sitemap_follows_the_exhibitions_that_a_product_page_names(world: World) {
        let town = world.town().await;
        let product = town.published("Dodol").await;
        let path = format!("/v1/exhibitions/{}", town.exhibition("pameran").await);
        town.coordinator.post(&format!("{path}/exhibitors"), json!({ "sme_id": town.sme })).await.expect(201);
        for step in ["announce", "open", "close", "publish-lineup"] {
            town.coordinator.post_empty(&format!("{path}/{step}")).await.expect(200);
        }
        let long_ago = DateTime::parse_from_rfc3339("2026-01-02T03:04:05Z").unwrap().to_utc();
        let dated = async || texts(&text(&world.public(), "/v1/storefront/feeds/sitemap-products.xml").await.2, "lastmod");
        let age = async || {
            world.execute("update storefront_changes set changed_at = ?", vec![long_ago.into()]).await.unwrap();
        };
        let today = [Utc::now().date_naive().to_string()];
        age().await;
        let item = json!({ "sme_id": town.sme, "variant_id": product.text("/variants/0/id"), "units_planned": 4 });
        let item = town.owner.post(&format!("{path}/lineup"), item).await.expect(201);
        assert_eq!(dated().await, today, "it is shown somewhere");
        age().await;
        let item_path = format!("{path}/lineup/{}", item.text("/id"));
        town.owner.patch(&item_path, &item.etag(), json!({ "units_planned": 5 })).await.expect(200);
        town.coordinator.patch(&path, "*", json!({ "city": "Singkawang" })).await.expect(200);
        assert_eq!(dated().await, ["2026-01-02"], "its page says nothing else");
        town.coordinator.patch(&path, "*", json!({ "title": { "id": "Pameran Besar" } })).await.expect(200);
        assert_eq!(dated().await, today, "under another name");
        age().await;
        town.coordinator.delete(&item_path, "*").await.expect(204);
        assert_eq!(dated().await, today, "no longer there");
        let again = json!({ "sme_id": town.sme, "variant_id": product.text("/variants/0/id"), "units_planned": 4 });
        town.owner.post(&format!("{path}/lineup"), again).await.expect(201);
        age().await;
        town.coordinator.post(&format!("{path}/cancel"), json!({ "reason": "Banjir." })).await.expect(200);
        assert_eq!(dated().await, today, "cancelled");
    }

    async fn the_merchant_feed_tells_a_product_by_one_variant(world: World) {
        let town = world.town().await;
        let content = json!({ "value": 250, "unit": "g" });
        let variant = |size: &str, price: &str, gtin: Value, on_hand: i64| {
            json!({ "options": { "ukuran": size }, "price": { "value": price }, "gtin": gtin, "net_content": content, "stock_policy": "track", "on_hand": on_hand })
        };
        let product = publish(&town, |body| {
            body["description"] = json!({ "id": "Dimasak delapan jam." });
            body["variants"] = json!([variant("M", "20000", json!("96385074"), 0), variant("L", "30000", json!("4006381333931"), 5)]);
        })
        .await;
        let said = async || {
            let (_, _, merchant) = text(&world.public(), "/v1/storefront/feeds/google-merchant.xml").await;
            ["g:price", "g:gtin", "g:availability", "g:description"].map(|name| texts(&merchant, name).pop().unwrap_or_default())
        };
        assert_eq!(said().await, ["30000 IDR", "4006381333931", "in_stock", "Dimasak delapan jam."]);
        let data = world.public().get(&format!("/v1/storefront/products/{}/product.jsonld", product.text("/id"))).await.expect(200);
        assert_eq!(data.text("/description"), "Dimasak delapan jam.");
        let large = format!("/v1/products/{}/variants/{}", product.text("/id"), product.text("/variants/1/id"));
        town.owner.patch(&large, "*", json!({ "on_hand": 0 })).await.expect(200);
        assert_eq!(said().await[..3], ["20000 IDR", "96385074", "out_of_stock"]);
    }

    async fn the_primary_photo_is_the_first_everywhere(world: World) {
        let town = world.town().await;
        let product = town.draft("Dodol").await;
        let path = format!("/v1/products/{}", product.text("/id"));
        let other = town.owner.upload(&town.sme, crate::world::fixture("photo-progressive.jpg")).await.expect(202).text("/id");
        town.owner.settled_photo(&other).await;
        let attach = json!({ "media_id": other, "alt": { "id": "Kemasan" } });
        let second = town.owner.post(&format!("{path}/images"), attach).await.expect(201).text("/images/1/id");
        town.owner.patch(&format!("{path}/images/{second}"), "*", json!({ "is_primary": true })).await.expect(200);
        town.owner.post_empty(&format!("{path}/submit")).await.expect(200);
        town.officer.post(&format!("{path}/approve"), json!({})).await.expect(200);
        let page = format!("/v1/storefront/products/{}", product.text("/id"));
        let shown = world.public().get(&page).await.expect(200);
        assert_eq!((shown.text("/image/alt"), shown.text("/images/0/alt"), shown.text("/images/1/alt")), ("Kemasan".into(), "Kemasan".into(), "Dodol".into()));
        let (_, _, merchant) = text(&world.public(), "/v1/storefront/feeds/google-merchant.xml").await;
        let data = world.public().get(&format!("{page}/product.jsonld")).await.expect(200);
        assert_eq!(texts(&merchant, "g:image_link"), [data.text("/image/0")]);
        // As an older version rendered it.
        let wrong = "update storefront_products set is_outdated = 1, detail_en = replace(detail_en, 'Kemasan', 'Dodol')";
        world.execute(wrong, vec![]).await.unwrap();
        assert_eq!(etalase::storefront::service::refresh_outdated(&world.app).await.unwrap(), 1);
        assert_eq!(world.public().get(&page).await.expect(200).text("/images/0/alt"), "Kemasan");
        assert_eq!(etalase::storefront::service::refresh_outdated(&world.app).await.unwrap(), 0);
    }

    async fn news_of_an_exhibition_says_what_has_become_of_it_and_since_when_it_is_known(world: World) {
        let town = world.town().await;
        let path = format!("/v1/exhibitions/{}", town.exhibition("solo").await);
        let long_ago = DateTime::parse_from_rfc3339("2026-01-02T03:04:05Z").unwrap().to_utc();
        world.execute("update exhibitions set created_at = ?", vec![long_ago.into()]).await.unwrap();
        let said = async || {
            let (_, _, rss) = text(&world.public(), "/v1/storefront/feeds/exhibitions.rss").await;
            let last = |name: &str| texts(&rss, name).pop().unwrap_or_default();
            (last("title"), last("description"), DateTime::parse_from_rfc2822(&last("pubDate")).unwrap().date_naive())
        };
        town.coordinator.post_empty(&format!("{path}/announce")).await.expect(200);
        let today = Utc::now().date_naive();
        assert_eq!(said().await, ("Pameran".into(), "1–4 May 2030, Pontianak".into(), today));
        let july = json!({ "dates": { "starts_on": "2030-07-01", "ends_on": "2030-07-04", "precision": "day" } });
        town.coordinator.post(&format!("{path}/postpone"), july).await.expect(200);
        assert_eq!(said().await, ("Rescheduled: Pameran".into(), "1–4 July 2030, Pontianak".into(), today));
        let month = json!({ "dates": { "starts_on": "2030-09-01", "ends_on": "2030-09-30", "precision": "month" }, "reason": "Gedung dipakai." });
        town.coordinator.post(&format!("{path}/postpone"), month).await.expect(200);
        assert_eq!(said().await.1, "September 2030, Pontianak. Gedung dipakai.");
        town.coordinator.post(&format!("{path}/postpone"), json!({ "dates": { "precision": "unknown" } })).await.expect(200);
        assert_eq!(said().await.0, "Postponed: Pameran");
        town.coordinator.post(&format!("{path}/cancel"), json!({ "reason": "Banjir." })).await.expect(200);
        assert_eq!(said().await, ("Cancelled: Pameran".into(), "date unknown, Pontianak. Banjir.".into(), today));
        // Calendars keep it on the days that they have.
        let calendar = world.public().get("/v1/storefront/exhibitions/solo/calendar.ics").await.expect(200).content();
        assert!(calendar.contains("STATUS:CANCELLED") && calendar.contains("DTSTART;VALUE=DATE:20300701"), "{calendar}");
    }

    async fn who_follows_an_exhibition_learns_that_it_is_postponed(world: World) {
        let town = world.town().await;
        let buyer = world.public();
        let mut new = json!({
            "agency_id": town.agency, "slug": "berlin", "title": { "id": "Pameran" }, "city": "Berlin", "province_code": "ID-KB",
            "description": { "id": "Baris satu\r\nBaris dua" }, "time_zone": "Europe/Berlin",
            "dates": { "starts_on": "2031-03-29", "ends_on": "2031-03-31", "precision": "day" },
            "opening_hours": [
                { "day": "2031-03-30", "opens": "14:00", "closes": "24:00" }, { "day": "2031-03-30", "opens": "9:00", "closes": "12:00" },
                { "day": "2031-03-31", "opens": "18:00", "closes": "02:00" },
            ],
        });
        let refused = async |hours: Value| {
            let mut body = new.clone();
            body["opening_hours"] = hours;
            let answer = town.coordinator.post("/v1/exhibitions", body).await.expect(422);
            (answer.text("/errors/0/pointer"), answer.text("/errors/0/code"))
        };
        let outside = json!([{ "day": "2031-06-09", "opens": "09:00", "closes": "17:00" }]);
        assert_eq!(refused(outside).await, ("/opening_hours/0/day".into(), "outside_dates".into()));
        let twice = json!([{ "day": "2031-03-30", "opens": "09:00", "closes": "17:00" }, { "day": "2031-03-30", "opens": "16:00", "closes": "18:00" }]);
        assert_eq!(refused(twice).await, ("/opening_hours/1".into(), "overlapping".into()));
        let late = json!([{ "day": "2031-03-30", "opens": "09:00", "closes": "24:30" }]);
        assert_eq!(refused(late).await, ("/opening_hours/0".into(), "bad_hours".into()));

        let made = town.coordinator.post("/v1/exhibitions", new.take()).await.expect(201);
        assert_eq!((made.text("/opening_hours/1/opens"), made.text("/opening_hours/0/closes")), ("09:00".into(), "24:00".into()));
        let path = format!("/v1/exhibitions/{}", made.text("/id"));
        town.coordinator.post_empty(&format!("{path}/announce")).await.expect(200);
        let public = "/v1/storefront/exhibitions/berlin";
        let calendar = async || {
            let (status, _, body) = text(&buyer, &format!("{public}/calendar.ics")).await;
            assert_eq!(status, 200, "{body}");
            let body = body.replace("\r\n ", "");
            assert!(!body.replace("\r\n", "").contains(['\r', '\n']), "{body:?}");
            body
        };
        let lines = |body: &str, name: &str| body.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect::<Vec<_>>();
        let event = async || {
            let event = buyer.get(&format!("{public}/event.jsonld")).await.expect(200);
            (event.text("/eventStatus").replace("https://schema.org/", ""), event.text("/startDate"), event.text("/previousStartDate"))
        };
        let first = calendar().await;
        let uids = lines(&first, "UID:");
        assert_eq!((uids.len(), uids.iter().collect::<std::collections::BTreeSet<_>>().len()), (3, 3));
        assert!(first.contains("BEGIN:DAYLIGHT\r\nDTSTART:20310330T020000\r\n"), "{first}");
        assert!(first.contains("DTEND;TZID=Europe/Berlin:20310331T000000") && first.contains("DTEND;TZID=Europe/Berlin:20310401T020000"), "{first}");
        assert_eq!(event().await, ("EventScheduled".into(), "2031-03-29".into(), String::new()));

        let july = json!({ "starts_on": "2031-07-01", "ends_on": "2031-07-03", "precision": "day" });
        town.coordinator.post(&format!("{path}/postpone"), json!({ "dates": july })).await.expect(200);
        let second = calendar().await;
        assert_eq!(lines(&second, "UID:"), uids, "the same events, on other days");
        assert!(second.contains("DTSTART;TZID=Europe/Berlin:20310702T090000") && second.contains("STATUS:CONFIRMED"), "{second}");
        assert_ne!(lines(&second, "SEQUENCE:"), lines(&first, "SEQUENCE:"));
        assert_eq!(event().await, ("EventRescheduled".into(), "2031-07-01".into(), "2031-03-29".into()));

        let unknown = json!({ "dates": { "precision": "unknown" }, "reason": "Banjir." });
        town.coordinator.post(&format!("{path}/postpone"), unknown).await.expect(200);
        let third = calendar().await;
        assert_eq!((lines(&third, "UID:"), lines(&third, "STATUS:CANCELLED").len()), (uids.clone(), 3), "{third}");
        assert!(third.contains("DTSTART;TZID=Europe/Berlin:20310702T090000") && third.contains("COMMENT:Banjir."), "{third}");
        assert_eq!(event().await, ("EventPostponed".into(), "2031-07-01".into(), String::new()));
        assert_eq!(buyer.get(public).await.expect(200).body["opening_hours"], json!([]));
        let etag = town.coordinator.get(&path).await.expect(200).etag();
        town.coordinator.patch(&path, &etag, json!({ "city": "Potsdam" })).await.expect(200);

        let august = json!({ "starts_on": "2031-08-01", "ends_on": "2031-08-03", "precision": "day" });
        let back = town.coordinator.post(&format!("{path}/postpone"), json!({ "dates": august })).await.expect(200);
        assert_eq!(back.text("/opening_hours/0/day"), "2031-08-02", "hours move along from the last day that was known");
        assert_eq!((lines(&calendar().await, "UID:"), event().await.0), (uids, "EventRescheduled".into()));
        town.coordinator.post(&format!("{path}/cancel"), json!({ "reason": "Batal." })).await.expect(200);
        assert_eq!(lines(&calendar().await, "STATUS:CANCELLED").len(), 3);
        assert_eq!(event().await, ("EventCancelled".into(), "2031-08-01".into(), String::new()));
    }

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
