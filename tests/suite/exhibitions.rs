//! Exhibitions from a draft to a record: what is said of them, the steps of their life, who shows what.

use chrono::{Days, Utc};
use chrono_tz::Asia::Pontianak;
use serde_json::{Value, json};

use crate::{
    applications::applicant,
    selection::id_of,
    world::{Answer, Engine, Person, Town, World},
};

fn new_exhibition(town: &Town, slug: &str) -> Value {
    json!({
        "agency_id": town.agency, "slug": slug, "title": { "id": "Pameran Solo", "en": "Solo fair" }, "description": { "id": "Tiga hari." }, "city": "Surakarta",
        "province_code": "ID-JT", "venue": { "name": "Pura Mangkunegaran", "address": "Jl. Ronggowarsito", "halls": ["Pendopo"] },
        "opening_hours": [{ "day": "2030-05-01", "opens": "09:00", "closes": "17:00" }],
        "dates": { "starts_on": "2030-05-01", "ends_on": "2030-05-03", "precision": "day" }, "time_zone": "Asia/Jakarta",
    })
}

/// An exhibition with the town's SME as its exhibitor, and one of its products.
struct Show {
    town: Town,
    path: String,
    product: Answer,
}

impl Show {
    async fn new(world: &World) -> Self {
        let town = world.town().await;
        let path = format!("/v1/exhibitions/{}", town.exhibition("pameran").await);
        town.coordinator.post(&format!("{path}/exhibitors"), json!({ "sme_id": town.sme })).await.expect(201);
        let product = town.published("Dodol").await;
        Self { town, path, product }
    }

    fn item(&self) -> Value {
        json!({ "sme_id": self.town.sme, "variant_id": self.product.text("/variants/0/id"), "units_planned": 40 })
    }

    /// Up to the public line-up, by every step in between.
    async fn publish(&self) {
        let steps = [("announce", "announced"), ("open", "applications_open"), ("close", "curation"), ("publish-lineup", "lineup_published")];
        for (step, status) in steps {
            let stepped = self.town.coordinator.post_empty(&format!("{}/{step}", self.path)).await.expect(200);
            stepped.has("", &json!({ "status": status }));
        }
    }
}

on_both! {
    async fn an_exhibition_is_its_offices_own_until_it_is_announced_and_then_everybodys(world: World) {
        let town = world.town().await;
        let body = new_exhibition(&town, "solo");
        let made = town.coordinator.post("/v1/exhibitions", body.clone()).await.expect(201);
        let path = format!("/v1/exhibitions/{}", made.text("/id"));
        assert_eq!((made.header("location"), made.etag()), (path.clone(), "\"1\"".into()));
        let read = town.officer.get(&path).await.expect(200);
        read.has("", &body);
        read.has("", &json!({ "status": "draft", "status_reason": null, "time_zone_label": "WIB", "lineup_is_frozen": false, "is_demo": false }));
        for (name, value, pointer) in [
            ("slug", json!("Pameran Solo"), "/slug"), ("title", json!({ "id": "" }), "/title/id"), ("city", json!(" "), "/city"), ("province_code", json!("JT"), "/province_code"),
            ("time_zone", json!("Asia/Solo"), "/time_zone"), ("opening_hours", json!([{ "day": "2030-05-01", "opens": "17:00", "closes": "25:00" }]), "/opening_hours/0"),
            ("dates", json!({ "precision": "day" }), "/dates"), ("venue", json!({ "name": " " }), "/venue/name"),
            ("dates", json!({ "starts_on": "2030-05-03", "ends_on": "2030-05-01", "precision": "day" }), "/dates/ends_on"),
        ] {
            let mut wrong = body.clone();
            wrong[name] = value;
            town.coordinator.post("/v1/exhibitions", wrong).await.refuses(pointer);
        }
        town.coordinator.post("/v1/exhibitions", body.clone()).await.conflicts("slug_taken");
        town.officer.post("/v1/exhibitions", body).await.expect(403);

        let second = town.exhibition("pontianak").await;
        let listed = async |who: &Person| who.get("/v1/exhibitions").await.expect(200).column("/slug");
        assert_eq!((listed(&town.officer).await, listed(&town.owner).await), (vec!["solo".to_owned(), "pontianak".to_owned()], vec![]));
        let first = town.coordinator.get("/v1/exhibitions?limit=1").await.expect(200);
        let rest = town.coordinator.get(&format!("/v1/exhibitions?limit=1&cursor={}", first.text("/page/next_cursor"))).await.expect(200);
        assert_eq!((first.column("/id"), rest.column("/id")), (vec![made.text("/id")], vec![second]));
        town.owner.get(&path).await.expect(404);
        let public = async || world.public().get("/v1/storefront/exhibitions/solo").await;
        public().await.expect(404);

        let change = json!({ "city": "Solo", "dates": { "starts_on": "2030-06-01", "ends_on": "2030-06-03", "precision": "day" }, "opening_hours": [] });
        let edited = town.coordinator.patch(&path, &made.etag(), change.clone()).await.expect(200);
        edited.has("", &change);
        town.coordinator.patch(&path, &made.etag(), json!({ "city": "x" })).await.expect(412);
        town.coordinator.patch(&path, &edited.etag(), json!({ "province_code": "x" })).await.refuses("/province_code");
        town.officer.patch(&path, "*", json!({ "city": "x" })).await.expect(403);
        let announced = town.coordinator.post_empty(&format!("{path}/announce")).await.expect(200);
        announced.has("", &json!({ "status": "announced", "city": "Solo" }));
        let seen = public().await.expect(200);
        seen.has("", &json!({
            "title": "Solo fair", "description": "Tiga hari.", "city": "Solo", "status": "announced", "dates_label": "1–3 June 2030", "time_zone_label": "WIB",
            "lineup_is_public": false, "opening_hours": [],
        }));
        assert_eq!(seen.text("/venue/halls/0"), "Pendopo");
        let later = json!({ "dates": { "starts_on": "2030-07-01", "ends_on": "2030-07-03", "precision": "day" } });
        town.coordinator.patch(&path, &announced.etag(), later).await.conflicts("dates_announced");
        let plain = town.coordinator.patch(&path, &announced.etag(), json!({ "venue": null, "description": null, "slug": "solo-raya" })).await.expect(200);
        plain.has("", &json!({ "venue": null, "description": null, "slug": "solo-raya", "city": "Solo" }));
        public().await.expect(404);
        let moved = world.public().get("/v1/storefront/exhibitions/solo-raya").await.expect(200);
        assert_eq!((&moved.body["venue"], &moved.body["description"]), (&Value::Null, &Value::Null));

        let trail = town.officer.get(&format!("{path}/audit")).await.expect(200);
        assert_eq!(trail.column("/action"), ["edit", "announce", "edit", "create"]);
        trail.has("/data/1", &json!({ "actor_user_id": id_of(&town.coordinator).await, "change": { "from": "draft", "status": "announced" } }));
        town.owner.get(&format!("{path}/audit")).await.expect(404);
    }

    async fn everybody_browses_what_is_announced_and_nobody_a_draft(world: World) {
        let town = world.town().await;
        let mut ids = Vec::new();
        for slug in ["satu", "dua", "tiga"] {
            ids.push(town.coordinator.post("/v1/exhibitions", new_exhibition(&town, slug)).await.expect(201).text("/id"));
        }
        let step = async |index: usize, step: &str, body: Value| town.coordinator.post(&format!("/v1/exhibitions/{}/{step}", ids[index]), body).await.expect(200);
        let browse = async || world.public().get("/v1/storefront/exhibitions").await.expect(200);
        assert_eq!(browse().await.count(), 0);
        step(0, "announce", Value::Null).await;
        step(2, "announce", Value::Null).await;
        let two = browse().await;
        assert_eq!((two.column("/slug"), two.column("/title")), (vec!["tiga".into(), "satu".into()], vec!["Solo fair".into(), "Solo fair".into()]), "the newest first");
        let indonesian = Person { language: "id", ..world.public() };
        assert_eq!(indonesian.get("/v1/storefront/exhibitions").await.expect(200).column("/dates_label"), ["1–3 Mei 2030", "1–3 Mei 2030"]);
        step(2, "cancel", json!({ "reason": "Banjir." })).await.has("", &json!({ "status": "cancelled", "status_reason": "Banjir." }));
        step(0, "postpone", json!({ "dates": { "starts_on": "2030-08-01", "ends_on": "2030-08-31", "precision": "month" } })).await;
        let after = browse().await;
        assert_eq!(after.column("/status"), ["cancelled", "announced"]);
        assert_eq!((after.text("/data/0/status_reason"), after.text("/data/1/dates_label")), ("Banjir.".into(), "August 2030".into()));
    }

    async fn a_draft_that_is_cancelled_was_never_public_and_stays_so(world: World) {
        let town = world.town().await;
        let id = town.coordinator.post("/v1/exhibitions", new_exhibition(&town, "rahasia")).await.expect(201).text("/id");
        let path = format!("/v1/exhibitions/{id}");
        town.coordinator.post(&format!("{path}/cancel"), json!({ "reason": "Anggaran ditolak." })).await.expect(200);
        for part in ["", "/calendar.ics", "/event.jsonld", "/call", "/lineup"] {
            world.public().get(&format!("/v1/storefront/exhibitions/rahasia{part}")).await.expect(404);
        }
        assert_eq!(world.public().get("/v1/storefront/exhibitions").await.expect(200).count(), 0);
        let rss = world.public().get("/v1/storefront/feeds/exhibitions.rss").await.expect(200).content();
        assert!(!rss.contains("Solo fair") && !rss.contains("Anggaran"), "{rss}");
        town.owner.get(&path).await.expect(404);
        town.officer.get(&path).await.expect(200).has("", &json!({ "status": "cancelled", "status_reason": "Anggaran ditolak." }));
        // An older version announces without saying when.
        let second = town.coordinator.post("/v1/exhibitions", new_exhibition(&town, "lama")).await.expect(201).text("/id");
        world.execute("update exhibitions set status = 'announced' where slug = 'lama'", vec![]).await.unwrap();
        town.coordinator.post(&format!("/v1/exhibitions/{second}/cancel"), json!({ "reason": "Banjir." })).await.expect(200);
        world.public().get("/v1/storefront/exhibitions/lama").await.expect(200).has("", &json!({ "status": "cancelled" }));
    }

    async fn places_halls_and_months_are_what_they_are_called(world: World) {
        let town = world.town().await;
        let body = new_exhibition(&town, "solo");
        let month = |from: &str, to: &str, precision: &str| json!({ "starts_on": from, "ends_on": to, "precision": precision });
        let venue = |halls: Value| json!({ "name": "Pura", "halls": halls });
        for (name, value, pointer) in [
            ("province_code", json!("ID-XX"), "/province_code"), ("province_code", json!(""), "/province_code"),
            ("venue", venue(json!(["A", " "])), "/venue/halls/1"), ("venue", venue(json!(["\u{3164}"])), "/venue/halls/0"),
            ("venue", venue(json!(["Aula A\u{2013}1", "aula a-1"])), "/venue/halls/1"), ("venue", venue(json!(["x".repeat(121)])), "/venue/halls/0"),
            ("dates", month("2030-05-02", "2030-05-31", "month"), "/dates/starts_on"), ("dates", month("2030-05-01", "2030-05-30", "month"), "/dates/ends_on"),
            ("dates", month("2030-02-01", "2030-12-31", "year"), "/dates/starts_on"), ("dates", month("2030-01-01", "2030-11-30", "year"), "/dates/ends_on"),
        ] {
            let mut wrong = body.clone();
            wrong["opening_hours"] = json!([]);
            wrong[name] = value;
            town.coordinator.post("/v1/exhibitions", wrong).await.refuses(pointer);
        }
        let mut whole = body;
        whole["opening_hours"] = json!([]);
        whole["dates"] = month("2030-12-01", "2031-01-31", "month");
        let path = format!("/v1/exhibitions/{}", town.coordinator.post("/v1/exhibitions", whole).await.expect(201).text("/id"));
        town.coordinator.post_empty(&format!("{path}/announce")).await.expect(200);
        assert_eq!(world.public().get("/v1/storefront/exhibitions/solo").await.expect(200).text("/dates_label"), "December 2030 – January 2031");
        let event = world.public().get("/v1/storefront/exhibitions/solo/event.jsonld").await.expect(200);
        assert_eq!((event.text("/startDate"), event.text("/endDate")), ("2030-12".into(), "2031-01".into()));
        let late = json!({ "dates": month("2031-03-10", "2031-03-31", "month") });
        town.coordinator.post(&format!("{path}/postpone"), late).await.refuses("/dates/starts_on");
        // What an older version took stays as long as nobody touches it.
        let older = "update exhibitions set province_code = 'ID-IJ', starts_on = '2030-12-03', ends_on = '2031-01-30'";
        world.execute(older, vec![]).await.unwrap();
        town.coordinator.patch(&path, "*", json!({ "city": "Solo" })).await.expect(200);
    }

    async fn an_exhibition_takes_the_steps_of_its_life_in_their_order_and_by_its_coordinator(world: World) {
        let town = world.town().await;
        let today = Utc::now().with_timezone(&Pontianak).date_naive();
        let mut body = new_exhibition(&town, "pameran");
        body["time_zone"] = json!("Asia/Pontianak");
        body["opening_hours"] = json!([]);
        body["dates"] = json!({ "starts_on": today.checked_sub_days(Days::new(1)).unwrap(), "ends_on": today, "precision": "day" });
        let exhibition = town.coordinator.post("/v1/exhibitions", body).await.expect(201).text("/id");
        let path = format!("/v1/exhibitions/{exhibition}");
        town.call(&exhibition, 5).await;
        let step = async |step: &str| town.coordinator.post_empty(&format!("{path}/{step}")).await;
        step("start").await.allows_only(&["announce", "cancel"]);
        crate::applications::announce_and_open(&town, &exhibition).await;
        step("announce").await.allows_only(&["close", "postpone", "cancel"]);
        let who = applicant(&world, &town, &exhibition, "satu").await;
        let is_public = async || world.public().get("/v1/storefront/exhibitions/pameran").await.expect(200).body["lineup_is_public"].clone();
        town.officer.post_empty(&format!("{path}/close")).await.expect(403);
        step("close").await.expect(200).has("", &json!({ "status": "curation" }));
        who.owner.get(&who.path).await.expect(200).has("", &json!({ "status": "under_review" }));
        step("open").await.allows_only(&["publish_lineup", "postpone", "cancel"]);
        assert_eq!(is_public().await, false);
        world.public().get("/v1/storefront/exhibitions/pameran/lineup").await.expect(404);
        step("publish-lineup").await.expect(200).has("", &json!({ "status": "lineup_published" }));
        assert_eq!(is_public().await, true);
        assert_eq!(world.public().get("/v1/storefront/exhibitions/pameran/lineup").await.expect(200).count(), 0);
        step("complete").await.allows_only(&["start", "postpone", "cancel"]);
        step("start").await.expect(200).has("", &json!({ "status": "ongoing" }));
        town.coordinator.post(&format!("{path}/postpone"), json!({ "dates": { "precision": "unknown" } })).await.allows_only(&["complete", "cancel"]);
        step("complete").await.expect(200).has("", &json!({ "status": "completed", "lineup_is_frozen": true }));
        town.coordinator.post(&format!("{path}/exhibitors"), json!({ "sme_id": town.sme })).await.conflicts("exhibition_over");
        step("archive").await.expect(200).has("", &json!({ "status": "archived", "status_reason": null }));
        town.officer.get(&path).await.expect(200).has("", &json!({ "status": "archived", "lineup_is_frozen": true }));
        town.coordinator.post(&format!("{path}/cancel"), json!({ "reason": "x" })).await.allows_only(&[]);
        assert_eq!(is_public().await, true, "it stays to be read");
        let trail = town.coordinator.get(&format!("{path}/audit")).await.expect(200);
        let steps: Vec<String> = trail.column("/action").into_iter().take(5).collect();
        assert_eq!(steps, ["archive", "complete", "start", "publish_lineup", "close"]);
        trail.has("/data/0", &json!({ "change": { "from": "completed", "status": "archived" } }));
    }

    async fn an_exhibitor_is_added_in_its_name_and_told_of_as_such(world: World) {
        let town = world.town().await;
        let path = format!("/v1/exhibitions/{}", town.exhibition("pameran").await);
        let add = async |who: &Person, sme: &str| who.post(&format!("{path}/exhibitors"), json!({ "sme_id": sme, "note": "Undangan." })).await;
        add(&town.officer, &town.sme).await.expect(403);
        add(&town.coordinator, &town.agency).await.expect(404);
        let added = add(&town.coordinator, &town.sme).await.expect(201);
        added.has("", &json!({ "sme_id": town.sme, "brand_name": "Dodol Cisadane", "status": "confirmed", "note": "Undangan." }));
        add(&town.coordinator, &town.sme).await.conflicts("already_applied");
        let listed = town.officer.get(&format!("{path}/exhibitors")).await.expect(200);
        assert_eq!(listed.body["data"], json!([*added.body]));
        town.owner.get(&format!("{path}/exhibitors")).await.expect(404);
        let own = town.owner.get(&format!("{path}/applications/{}", added.text("/application_id"))).await.expect(200);
        assert_eq!((own.text("/status"), own.text("/check_in_code").len()), ("confirmed".into(), 8), "a place for sure has a code for the entrance");
        let trail = town.coordinator.get(&format!("{path}/audit")).await.expect(200);
        assert_eq!((trail.text("/data/0/action"), trail.text("/data/0/change/sme_id")), ("add_exhibitor".into(), town.sme.clone()));
    }

    async fn a_line_up_is_the_exhibitors_to_change(world: World) {
        let show = Show::new(&world).await;
        let (town, lineup) = (&show.town, format!("{}/lineup", show.path));
        let mut body = show.item();
        body["exhibition_price"] = json!({ "value": "22000" });
        for (name, value, pointer) in [
            ("units_planned", json!(0), "/units_planned"), ("exhibition_price", json!({ "value": "1" }), "/exhibition_price"), ("variant_id", json!(town.sme), "/variant_id"),
        ] {
            let mut wrong = body.clone();
            wrong[name] = value;
            town.owner.post(&lineup, wrong).await.refuses(pointer);
        }
        town.coordinator.post(&lineup, body.clone()).await.expect(403);
        let added = town.owner.post(&lineup, body.clone()).await.expect(201);
        added.has("", &json!({ "brand_name": "Dodol Cisadane", "product_id": show.product.text("/id"), "product_status": "published", "units_planned": 40, "is_sample": false, "position": 0, "version": 1 }));
        assert_eq!((added.text("/price/display"), added.text("/exhibition_price/display")), ("Rp25.000".into(), "Rp22.000".into()));
        town.owner.post(&lineup, body).await.conflicts("already_in_lineup");
        for who in [&town.coordinator, &town.officer] {
            assert_eq!(who.get(&lineup).await.expect(200).body["data"], json!([*added.body]));
        }
        town.owner.get(&lineup).await.expect(404);
        assert_eq!(town.owner.get(&format!("{lineup}?sme_id={}", town.sme)).await.expect(200).count(), 1, "one's own, by name");
        let stranger = world.newcomer("stranger", false).await;
        let other = town.new_sme(&stranger, "Lain").await;
        assert_eq!(stranger.get(&format!("{lineup}?sme_id={other}")).await.expect(200).count(), 0);
        stranger.get(&format!("{lineup}?sme_id={}", town.sme)).await.expect(404);

        let item = format!("{lineup}/{}", added.text("/id"));
        let change = json!({ "units_planned": 60, "is_sample": true, "position": 3 });
        let edited = town.owner.patch(&item, &added.etag(), change.clone()).await.expect(200);
        edited.has("", &change);
        assert_eq!((edited.text("/exhibition_price/display"), edited.etag()), ("Rp22.000".into(), "\"2\"".into()));
        town.owner.patch(&item, &added.etag(), json!({ "units_planned": 1 })).await.expect(412);
        town.owner.patch(&item, &edited.etag(), json!({ "units_planned": 1_000_001 })).await.refuses("/units_planned");
        stranger.patch(&item, "*", json!({ "units_planned": 1 })).await.expect(404);
        let usual = town.owner.patch(&item, &edited.etag(), json!({ "exhibition_price": null })).await.expect(200);
        assert_eq!((&usual.body["exhibition_price"], &usual.body["units_planned"]), (&Value::Null, &json!(60)));
        show.publish().await;
        let public = async || world.public().get("/v1/storefront/exhibitions/pameran/lineup").await.expect(200);
        public().await.has("/data/0", &json!({ "exhibition_price": null, "units_planned": 60, "is_sample": true, "places": [] }));

        stranger.delete(&item, "*").await.expect(404);
        town.officer.delete(&item, "*").await.expect(403);
        town.coordinator.delete(&item, "*").await.expect(204);
        assert_eq!((public().await.count(), town.coordinator.get(&lineup).await.expect(200).count()), (0, 0));
        town.owner.delete(&item, "*").await.expect(404);
        let again = town.owner.post(&lineup, show.item()).await.expect(201);
        town.owner.delete(&format!("{lineup}/{}", again.text("/id")), "*").await.expect(204);
        assert_eq!(town.coordinator.get(&lineup).await.expect(200).count(), 0);
    }

    async fn a_frozen_line_up_is_a_record_of_what_was_shown_and_at_which_price(world: World) {
        let show = Show::new(&world).await;
        let (town, lineup, freeze) = (&show.town, format!("{}/lineup", show.path), format!("{}/lineup/freeze", show.path));
        let item = format!("{lineup}/{}", town.owner.post(&lineup, show.item()).await.expect(201).text("/id"));
        town.coordinator.post_empty(&freeze).await.conflicts("lineup_not_published");
        show.publish().await;
        town.officer.post_empty(&freeze).await.expect(403);
        let frozen = town.coordinator.post_empty(&freeze).await.expect(200);
        frozen.has("", &json!({ "lineup_is_frozen": true, "status": "lineup_published" }));
        assert_eq!(town.coordinator.post_empty(&freeze).await.expect(200).etag(), frozen.etag(), "once is enough");

        let product = format!("/v1/products/{}", show.product.text("/id"));
        let variant = format!("{product}/variants/{}", show.product.text("/variants/0/id"));
        town.owner.patch(&variant, "*", json!({ "price": { "value": "30000" } })).await.expect(200);
        town.owner.patch(&format!("/v1/smes/{}", town.sme), "*", json!({ "brand_name": "Dodol Baru" })).await.expect(200);
        let record = town.coordinator.get(&lineup).await.expect(200);
        assert_eq!((record.text("/data/0/price/display"), record.text("/data/0/brand_name")), ("Rp25.000".into(), "Dodol Cisadane".into()));
        let public = world.public().get("/v1/storefront/exhibitions/pameran/lineup").await.expect(200);
        assert_eq!((public.text("/data/0/price/display"), public.text("/data/0/product/sme/name")), ("Rp25.000".into(), "Dodol Cisadane".into()));
        let card = world.public().get("/v1/storefront/products").await.expect(200);
        assert_eq!((card.text("/data/0/price/display"), card.text("/data/0/sme/name")), ("Rp30.000".into(), "Dodol Baru".into()), "elsewhere it moves on");
        let other = town.published("Dodol lain").await;
        let late = json!({ "sme_id": town.sme, "variant_id": other.text("/variants/0/id"), "units_planned": 1 });
        town.owner.post(&lineup, late).await.conflicts("lineup_frozen");
        town.owner.patch(&item, "*", json!({ "units_planned": 1 })).await.conflicts("lineup_frozen");
        town.coordinator.delete(&item, "*").await.conflicts("lineup_frozen");
        let trail = town.coordinator.get(&format!("{}/audit", show.path)).await.expect(200);
        assert_eq!(trail.column("/action").iter().filter(|action| *action == "freeze_lineup").count(), 1);

        // Put off to another time it follows the products again.
        let dates = json!({ "dates": { "starts_on": "2030-09-01", "ends_on": "2030-09-04", "precision": "day" } });
        town.coordinator.post(&format!("{}/postpone", show.path), dates).await.expect(200).has("", &json!({ "lineup_is_frozen": false, "status": "announced" }));
        assert_eq!(town.coordinator.get(&lineup).await.expect(200).text("/data/0/price/display"), "Rp30.000");
        town.owner.patch(&item, "*", json!({ "units_planned": 9 })).await.expect(200);
    }
}
