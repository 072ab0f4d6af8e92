//! The public side beyond lists of products: categories, regions, businesses, calendars, and what runs.

use serde_json::{Value, json};

use crate::world::{Engine, Person, World};

/// A category of the tree.
fn node<'a>(nodes: &'a Value, slug: &str) -> &'a Value {
    nodes.as_array().unwrap().iter().find(|node| node["slug"] == slug).unwrap()
}

on_both! {
    async fn categories_count_what_is_on_show_in_and_below_each(world: World) {
        let town = world.town().await;
        let buyer = world.public();
        let products = async |path: &[&str]| {
            let answer = buyer.get("/v1/storefront/categories").await.expect(200);
            let (first, rest) = path.split_first().unwrap();
            rest.iter().fold(node(&answer.body, first), |parent, slug| node(&parent["children"], slug))["products"].clone()
        };
        assert_eq!((products(&["makanan"]).await, products(&["makanan", "dodol"]).await), (json!(0), json!(0)));
        let one = town.published("Dodol satu").await.text("/id");
        town.published("Dodol dua").await;
        town.draft("Dodol rahasia").await;
        assert_eq!((products(&["makanan"]).await, products(&["makanan", "dodol"]).await, products(&["makanan", "tempe"]).await), (json!(2), json!(2), json!(0)));
        assert_eq!((products(&["kerajinan"]).await, products(&["kerajinan", "anyaman"]).await), (json!(0), json!(0)));
        town.owner.post_empty(&format!("/v1/products/{one}/pause")).await.expect(200);
        assert_eq!(products(&["makanan"]).await, json!(1));
        let names = async |person: &Person| {
            let answer = person.get("/v1/storefront/categories").await.expect(200);
            let food = node(&answer.body, "makanan");
            (food["name"].clone(), food["children"][1]["name"].clone())
        };
        assert_eq!(names(&buyer).await, (json!("Food"), json!("Wet cakes")));
        assert_eq!(names(&Person { language: "id", ..buyer.clone() }).await, (json!("Makanan"), json!("Kue basah")));
    }

    async fn regions_are_those_that_products_on_show_come_from(world: World) {
        let town = world.town().await;
        let regions = async || world.public().get("/v1/storefront/regions").await.expect(200).body.clone();
        assert_eq!(regions().await, json!([]));
        let one = town.published("Dodol satu").await.text("/id");
        town.published("Dodol dua").await;
        assert_eq!(regions().await, json!([{ "code": "36.71", "products": 2 }]));
        town.owner.post_empty(&format!("/v1/products/{one}/pause")).await.expect(200);
        assert_eq!(regions().await, json!([{ "code": "36.71", "products": 1 }]));
        town.owner.patch(&format!("/v1/smes/{}", town.sme), "*", json!({ "regency_code": "33.72" })).await.expect(200);
        assert_eq!(regions().await, json!([{ "code": "33.72", "products": 1 }]), "what moves moves at once");
        town.officer.post(&format!("/v1/smes/{}/suspend", town.sme), json!({ "reason": "Uji." })).await.expect(200);
        assert_eq!(regions().await, json!([]));
    }

    async fn businesses_are_browsed_page_by_page_once_they_are_verified(world: World) {
        let town = world.town().await;
        let buyer = world.public();
        let mut paths = vec![format!("/v1/smes/{}", town.sme)];
        for name in ["Dua", "Tiga"] {
            let owner = world.newcomer(&name.to_lowercase(), false).await;
            paths.push(format!("/v1/smes/{}", town.new_sme(&owner, name).await));
        }
        let sari = world.newcomer("sari", false).await;
        let waits = json!({ "agency_id": town.agency, "brand_name": "Menunggu", "story": { "id": "x" }, "regency_code": "36.71" });
        sari.post("/v1/smes", waits).await.expect(201);
        let all = buyer.get("/v1/storefront/smes").await.expect(200);
        assert_eq!(all.column("/name"), ["Dodol Cisadane", "Dua", "Tiga"]);
        all.has("/data/0", &json!({
            "id": town.sme, "handle": "dodol-cisadane", "story": "Cerita.", "region": "36.71", "founded_year": null, "is_demo": false, "contacts": [], "location": null, "socials": {},
        }));
        let first = buyer.get("/v1/storefront/smes?limit=2").await.expect(200);
        let rest = buyer.get(&format!("/v1/storefront/smes?limit=2&cursor={}", first.text("/page/next_cursor"))).await.expect(200);
        assert_eq!((first.column("/name"), rest.column("/name")), (vec!["Dodol Cisadane".into(), "Dua".into()], vec!["Tiga".into()]));
        assert_eq!((rest.body["page"].get("next_cursor"), buyer.get("/v1/storefront/smes?cursor=AAAA").await.expect(400).text("/code")), (None, "bad_cursor".into()));
        town.officer.post(&format!("{}/suspend", paths[1]), json!({ "reason": "Uji." })).await.expect(200);
        assert_eq!(buyer.get("/v1/storefront/smes").await.expect(200).column("/name"), ["Dodol Cisadane", "Tiga"]);
        let contact = json!({ "email": "toko@example.org", "phone": "+62 21 555 0101", "public_contacts": ["email"] });
        town.owner.patch(&paths[0], "*", contact).await.expect(200);
        let shown = buyer.get("/v1/storefront/smes").await.expect(200);
        assert_eq!(shown.body["data"][0]["contacts"], json!([{ "kind": "email", "value": "toko@example.org" }]));
    }

    async fn a_calendar_has_an_event_for_each_day_that_is_open_or_one_for_all(world: World) {
        let town = world.town().await;
        let calendar = async || {
            let answer = world.public().get("/v1/storefront/exhibitions/pameran/calendar.ics").await;
            if answer.status == 200 { answer.content().replace("\r\n ", "") } else { answer.text("/code") }
        };
        let path = format!("/v1/exhibitions/{}", town.exhibition("pameran").await);
        assert_eq!(calendar().await, "not_found", "a draft is nobody's business");
        town.coordinator.post_empty(&format!("{path}/announce")).await.expect(200);
        let plain = calendar().await;
        assert_eq!(plain.matches("BEGIN:VEVENT").count(), 1, "{plain}");
        for line in ["SUMMARY:Pameran", "DTSTART;VALUE=DATE:20300501", "DTEND;VALUE=DATE:20300505", "STATUS:CONFIRMED", "TZNAME:WIB"] {
            assert!(plain.lines().any(|found| found == line), "{line} is not in\n{plain}");
        }
        let hours = json!([{ "day": "2030-05-01", "opens": "09:00", "closes": "17:00" }, { "day": "2030-05-02", "opens": "10:00", "closes": "21:30" }]);
        town.coordinator.patch(&path, "*", json!({ "opening_hours": hours, "venue": { "name": "Gedung Zamrud" } })).await.expect(200);
        let by_day = calendar().await;
        assert_eq!(by_day.matches("BEGIN:VEVENT").count(), 2, "{by_day}");
        assert!(by_day.contains("DTSTART;TZID=Asia/Pontianak:20300501T090000") && by_day.contains("DTEND;TZID=Asia/Pontianak:20300502T213000"), "{by_day}");
        assert!(by_day.contains("LOCATION:Gedung Zamrud\\, Pontianak"), "{by_day}");
        town.coordinator.post(&format!("{path}/cancel"), json!({ "reason": "Banjir." })).await.expect(200);
        assert_eq!(calendar().await.matches("STATUS:CANCELLED").count(), 2);
        let event = world.public().get("/v1/storefront/exhibitions/pameran/event.jsonld").await.expect(200);
        assert_eq!((event.text("/eventStatus"), event.text("/location/name")), ("https://schema.org/EventCancelled".into(), "Gedung Zamrud".into()));

        let month = json!({
            "agency_id": town.agency, "slug": "solo", "title": { "id": "Solo" }, "city": "Surakarta", "province_code": "ID-JT",
            "dates": { "starts_on": "2030-12-01", "ends_on": "2030-12-31", "precision": "month" }, "time_zone": "Asia/Jakarta",
        });
        let solo = town.coordinator.post("/v1/exhibitions", month).await.expect(201).text("/id");
        town.coordinator.post_empty(&format!("/v1/exhibitions/{solo}/announce")).await.expect(200);
        world.public().get("/v1/storefront/exhibitions/solo/calendar.ics").await.expect(404);
        assert_eq!(world.public().get("/v1/storefront/exhibitions/solo/event.jsonld").await.expect(200).text("/startDate"), "2030-12");
    }

    async fn a_session_is_the_same_event_when_another_one_is_added_before_it(world: World) {
        let town = world.town().await;
        let path = format!("/v1/exhibitions/{}", town.exhibition("pameran").await);
        town.coordinator.post_empty(&format!("{path}/announce")).await.expect(200);
        let hours = |opens: &str, closes: &str| json!({ "day": "2030-05-01", "opens": opens, "closes": closes });
        let uids = async |hours: Value| {
            town.coordinator.patch(&path, "*", json!({ "opening_hours": hours })).await.expect(200);
            let calendar = world.public().get("/v1/storefront/exhibitions/pameran/calendar.ics").await.expect(200).content().replace("\r\n ", "");
            calendar.lines().filter(|line| line.starts_with("UID:")).map(str::to_owned).collect::<Vec<_>>()
        };
        let one = uids(json!([hours("14:00", "17:00")])).await;
        let two = uids(json!([hours("14:00", "17:00"), hours("09:00", "12:00")])).await;
        assert_eq!((one.len(), two.len(), &one[0]), (1, 2, &two[1]));
        assert_eq!(uids(json!([hours("14:00", "18:00")])).await, one);
    }

    async fn what_was_put_off_to_some_month_and_then_cancelled_is_taken_out_of_calendars(world: World) {
        let town = world.town().await;
        let path = format!("/v1/exhibitions/{}", town.exhibition("pameran").await);
        town.coordinator.post_empty(&format!("{path}/announce")).await.expect(200);
        let month = json!({ "dates": { "starts_on": "2030-08-01", "ends_on": "2030-08-31", "precision": "month" } });
        town.coordinator.post(&format!("{path}/postpone"), month).await.expect(200);
        town.coordinator.post(&format!("{path}/cancel"), json!({ "reason": "Banjir." })).await.expect(200);
        let calendar = world.public().get("/v1/storefront/exhibitions/pameran/calendar.ics").await.expect(200).content();
        assert!(calendar.contains("STATUS:CANCELLED") && calendar.contains("DTSTART;VALUE=DATE:20300501"), "{calendar}");
    }

    async fn whoever_asks_is_told_what_runs(world: World) {
        let expected = json!({ "name": "etalase", "version": env!("CARGO_PKG_VERSION") });
        for path in ["/livez", "/version"] {
            assert_eq!(world.public().get(path).await.expect(200).body, expected, "{path}");
        }
        assert_eq!(world.public().get("/readyz").await.expect(200).body, json!({ "ready": true, "database": true, "bucket": true }));
    }
}
