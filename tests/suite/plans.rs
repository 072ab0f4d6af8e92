//! Booths: no double booking whatever happens, and a plan that is published as a whole.

use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    applications::{Applicant, applicant, close, open_exhibition, prepare, release},
    world::{Answer, Engine, Town, World},
};

/// An exhibition with accepted applicants, one batch, and a row of booths, …
struct Fair {
    town: Town,
    path: String,
    applicants: Vec<Applicant>,
}

impl Fair {
    async fn new(world: &World, names: &[&str], booths: usize, change: impl Fn(usize, &mut Value)) -> Self {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", names.len().max(1) as i64).await;
        let mut applicants = Vec::new();
        for name in names {
            applicants.push(applicant(world, &town, &exhibition, name).await);
        }
        close(&town, &exhibition).await;
        let decisions: Vec<_> = applicants.iter().map(|who| (who, "accept")).collect();
        let set = prepare(&town, &exhibition, &decisions).await.expect(200);
        release(&town, &exhibition, &set.etag()).await.expect(200);
        let path = format!("/v1/exhibitions/{exhibition}");
        let hall = json!({ "name": "Aula Utama", "width_mm": 40_000, "depth_mm": 20_000 });
        let hall = town.coordinator.post(&format!("{path}/halls"), hall).await.expect(201).text("/id");
        let batch = json!({ "name": "Gelombang 1", "starts_on": "2030-05-01", "ends_on": "2030-05-02" });
        town.coordinator.post(&format!("{path}/batches"), batch).await.expect(201);
        let row = (0..booths).map(|index| {
            let mut booth = json!({
                "hall_id": hall, "code": format!("A-{index:02}"), "class": "standard", "x_mm": index * 3_000, "y_mm": 0,
                "width_mm": 3_000, "depth_mm": 3_000, "power_w": 450,
            });
            change(index, &mut booth);
            booth
        });
        town.coordinator.post(&format!("{path}/booths"), json!({ "booths": row.collect::<Vec<_>>() })).await.expect(201);
        Self { town, path, applicants }
    }

    async fn assign(&self, plan: &str, who: usize, booth: &str) -> Answer {
        let body = json!({ "plan": plan, "application_id": self.applicants[who].id(), "booth": booth });
        self.town.coordinator.post(&format!("{}/plan/assignments", self.path), body).await
    }

    async fn plan(&self, plan: &str) -> Answer {
        self.town.coordinator.get(&format!("{}/plan?plan={plan}", self.path)).await.expect(200)
    }

    async fn act(&self, act: &str, etag: &str, body: Value) -> Answer {
        let request = self.town.coordinator.request(reqwest::Method::POST, &format!("{}/plan/{act}", self.path)).header("if-match", etag);
        self.town.coordinator.send(if body.is_null() { request } else { request.json(&body) }).await
    }
}

/// Booth and name of each assignment.
fn places(plan: &Answer) -> Vec<(String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    plan.body["assignments"].as_array().unwrap().iter().map(|row| (text(row, "booth"), text(row, "brand_name"))).collect()
}

on_both! {
    async fn of_a_hundred_who_want_the_last_booth_at_once_exactly_one_gets_it(world: World) {
        let fair = Fair::new(&world, &["satu", "dua"], 1, |_, _| {}).await;
        let tries = futures_util::future::join_all((0..100).map(|index| fair.assign("live", index % 2, "A-00"))).await;
        let won = tries.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(won, 1);
        for lost in tries.iter().filter(|answer| answer.status != 201) {
            assert_eq!((lost.status, lost.text("/reason")), (409, "booth_slot_taken".into()), "{:#}", lost.body);
            assert_eq!(lost.body["conflict"], json!({ "booth": "A-00", "slot": 1, "batch": "Gelombang 1" }));
            assert_eq!(lost.text("/detail"), "Booth A-00 slot 1 is taken in Gelombang 1.");
        }
        assert_eq!(places(&fair.plan("live").await).len(), 1);
    }

    async fn a_draft_is_unseen_until_it_is_published_as_a_whole(world: World) {
        let fair = Fair::new(&world, &["satu", "dua"], 3, |_, _| {}).await;
        for step in ["publish-lineup"] {
            fair.town.coordinator.post_empty(&format!("{}/{step}", fair.path)).await.expect(200);
        }
        let seen = async || world.public().get("/v1/storefront/exhibitions/pameran/booths").await;
        fair.assign("draft", 0, "A-00").await.expect(201);
        fair.assign("draft", 1, "A-01").await.expect(201);
        seen().await.expect(404);
        let etag = fair.plan("draft").await.etag();
        fair.act("publish", &etag, Value::Null).await.expect(200);
        let shown = seen().await.expect(200);
        assert_eq!((shown.text("/data/0/booth"), shown.text("/data/0/brand_name"), shown.text("/data/0/batch/name")), ("A-00".into(), "satu".into(), "Gelombang 1".into()));
        // A change of the draft changes nothing until it is published, and a stale editor is told so.
        let one = fair.plan("draft").await;
        let swap = json!({ "plan": "draft", "assignment_id": one.text("/assignments/0/id"), "with": one.text("/assignments/1/id") });
        assert_eq!(fair.act("swap", &etag, swap.clone()).await.expect(412).text("/code"), "precondition_failed");
        let swapped = fair.act("swap", &one.etag(), swap).await.expect(200);
        assert_eq!(places(&swapped), [("A-00".into(), "dua".into()), ("A-01".into(), "satu".into())]);
        assert_eq!(seen().await.text("/data/0/brand_name"), "satu");
        let mover = swapped.text("/assignments/0/id");
        let moved = fair.act("swap", &swapped.etag(), json!({ "plan": "draft", "assignment_id": mover, "to_booth": "A-02" })).await.expect(200);
        assert_eq!(places(&moved), [("A-01".into(), "satu".into()), ("A-02".into(), "dua".into())], "with an empty one");
        fair.act("publish", &moved.etag(), Value::Null).await.expect(200);
        assert_eq!(seen().await.text("/data/0/booth"), "A-01");
        // Who withdraws is gone from the plan in the same moment.
        fair.applicants[0].step("withdraw").await.expect(200);
        assert_eq!(places(&fair.plan("live").await), [("A-02".into(), "dua".into())]);
        assert_eq!(seen().await.body["data"].as_array().unwrap().len(), 1);
        let kept = fair.plan("draft").await;
        assert_eq!(places(&kept), [("A-02".into(), "dua".into())]);
        let gone = format!("{}/plan/assignments/{}?plan=draft", fair.path, kept.text("/assignments/0/id"));
        fair.town.coordinator.delete(&gone, &kept.etag()).await.expect(204);
        assert!(places(&fair.plan("draft").await).is_empty());
    }

    async fn a_suggestion_explains_whom_it_could_not_place(world: World) {
        let fair = Fair::new(&world, &["satu", "dua", "tiga"], 2, |index, booth| booth["power_w"] = json!(if index == 0 { 1300 } else { 0 })).await;
        for (who, power) in [(1, 900), (2, 900)] {
            let text = "update applications set power_needed_w = ? where id = ?";
            world.execute(text, vec![i64::from(power).into(), Uuid::parse_str(fair.applicants[who].id()).unwrap().into()]).await.unwrap();
        }
        let etag = fair.plan("draft").await.etag();
        let suggested = fair.act("suggest", &etag, json!({})).await.expect(200);
        assert_eq!(suggested.body["plan"]["assignments"].as_array().unwrap().len(), 2);
        assert_eq!(suggested.body["plan"]["warnings"], json!([]));
        assert_eq!(suggested.body["unplaced"].as_array().unwrap().len(), 1);
        assert_eq!(suggested.text("/unplaced/0/reason/en"), "No free booth has 900 W.");
        let weak = fair.plan("draft").await;
        let strong = weak.body["assignments"].as_array().unwrap().iter().find(|row| row["booth"] == "A-00").unwrap()["id"].clone();
        let other = weak.body["assignments"].as_array().unwrap().iter().find(|row| row["booth"] == "A-01").unwrap()["id"].clone();
        let swapped = fair.act("swap", &weak.etag(), json!({ "plan": "draft", "assignment_id": strong, "with": other })).await.expect(200);
        assert_eq!(swapped.text("/warnings/0/code"), "not_enough_power");
        assert_eq!(swapped.text("/warnings/0/message/en"), "Booth A-01 has 0 W, 900 W are needed.");
    }

    async fn the_picture_shows_who_stands_where_and_escapes_what_people_type(world: World) {
        let fair = Fair::new(&world, &["satu", "dua"], 3, |index, booth| booth["is_blocked"] = json!(index == 2)).await;
        world.execute("update smes set brand_name = '<b>Tahu & Tempe</b>' where brand_name = 'satu'", vec![]).await.unwrap();
        fair.assign("draft", 0, "A-00").await.expect(201);
        assert_eq!(fair.assign("draft", 1, "A-02").await.expect(409).text("/reason"), "booth_blocked");
        let answer = fair.town.coordinator.get(&format!("{}/plan.svg", fair.path)).await.expect(200);
        assert_eq!(answer.header("content-type"), "image/svg+xml");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
        let picture = answer.content();
        assert!(picture.contains("<title>A-00: &lt;b&gt;Tahu &amp; Tempe&lt;/b&gt;</title>") && picture.contains("<title>A-01: free</title>"), "{picture}");
        assert!(picture.contains("A-02: blocked") && picture.contains("Aula Utama"), "{picture}");
    }

    async fn halls_batches_and_booths_are_what_was_drawn_and_a_booth_goes_only_where_nobody_was_put_into_it(world: World) {
        let fair = Fair::new(&world, &["satu"], 2, |_, _| {}).await;
        let (coordinator, officer) = (&fair.town.coordinator, &fair.town.officer);
        let post = async |what: &str, body: Value| coordinator.post(&format!("{}/{what}", fair.path), body).await;
        let hall = json!({ "name": "Aula Kecil", "width_mm": 9_000, "depth_mm": 6_000 });
        for (name, value, pointer) in [("name", json!(" "), "/name"), ("width_mm", json!(999), "/width_mm"), ("depth_mm", json!(1_000_001), "/depth_mm")] {
            let mut wrong = hall.clone();
            wrong[name] = value;
            post("halls", wrong).await.refuses(pointer);
        }
        let added = post("halls", hall.clone()).await.expect(201);
        added.has("", &hall);
        post("halls", hall.clone()).await.conflicts("name_taken");
        post("halls", json!({ "name": "AULA\u{a0}kecil", "width_mm": 9_000, "depth_mm": 6_000 })).await.conflicts("name_taken");
        post("batches", json!({ "name": "gelombang 1", "starts_on": "2030-05-03", "ends_on": "2030-05-04" })).await.conflicts("name_taken");
        officer.post(&format!("{}/halls", fair.path), hall.clone()).await.expect(403);
        let batch = json!({ "name": "Gelombang 2", "starts_on": "2030-05-03", "ends_on": "2030-05-04" });
        post("batches", json!({ "name": "x", "starts_on": "2030-05-04", "ends_on": "2030-05-03" })).await.refuses("/ends_on");
        post("batches", json!({ "name": "x", "starts_on": "2030-05-04", "ends_on": "2030-05-05" })).await.refuses("/starts_on");
        post("batches", batch.clone()).await.expect(201).has("", &batch);
        officer.post(&format!("{}/batches", fair.path), batch.clone()).await.expect(403);

        let booth = json!({
            "hall_id": added.text("/id"), "code": "B-01", "class": "corner", "x_mm": 1_000, "y_mm": 500, "width_mm": 3_000, "depth_mm": 2_500, "power_w": 900, "slots": 2,
        });
        let mut paid = booth.clone();
        paid["fee"] = json!({ "value": "750000" });
        let booths = post("booths", json!({ "booths": [paid] })).await.expect(201);
        assert_eq!(booths.column("/code"), ["A-00", "A-01", "B-01"]);
        booths.has("/data/2", &booth);
        booths.has("/data/2", &json!({ "area_cm2": 75_000, "is_blocked": false }));
        assert_eq!((booths.text("/data/2/fee/display"), &booths.body["data"][0]["fee"]), ("Rp750.000".into(), &Value::Null));
        let mut beside = booth.clone();
        (beside["code"], beside["x_mm"]) = (json!("B-02"), json!(5_000));
        let mut above = beside.clone();
        above["y_mm"] = json!(1_000);
        for (second, pointer) in [(above, "/booths/1/x_mm"), (json!({ "hall_id": fair.town.sme, "code": "C", "class": "x", "x_mm": 0, "y_mm": 0, "width_mm": 900, "depth_mm": 900 }), "/booths/1/hall_id")] {
            post("booths", json!({ "booths": [beside, second] })).await.refuses(pointer);
        }
        let mut same = beside.clone();
        for code in ["B-01", "b-01", "B\u{2013}01"] {
            same["code"] = json!(code);
            post("booths", json!({ "booths": [same] })).await.conflicts("code_taken");
        }
        officer.post(&format!("{}/booths", fair.path), json!({ "booths": [beside] })).await.expect(403);
        let plan = officer.get(&format!("{}/plan", fair.path)).await.expect(200);
        assert_eq!(plan.body["booths"].as_array().unwrap().len(), 3, "all or none");
        plan.has("", &json!({ "plan": "draft", "published_at": null, "assignments": [], "warnings": [] }));
        plan.has("/halls/1", &hall);
        plan.has("/batches/1", &batch);

        // With two batches one has to be named.
        let place = json!({ "plan": "draft", "application_id": fair.applicants[0].id(), "booth": "B-01", "slot": 2, "batch_id": plan.text("/batches/1/id") });
        for (name, value, pointer) in [
            ("batch_id", Value::Null, "/batch_id"), ("booth", json!("Z-99"), "/booth"), ("slot", json!(3), "/booth"), ("slot", json!(0), "/slot"), ("application_id", json!(fair.town.sme), "/application_id"),
        ] {
            let mut wrong = place.clone();
            wrong[name] = value;
            post("plan/assignments", wrong).await.refuses(pointer);
        }
        let assigned = post("plan/assignments", place).await.expect(201);
        assigned.has("", &json!({ "booth": "B-01", "slot": 2, "brand_name": "satu", "status": "held", "batch_id": plan.text("/batches/1/id") }));
        let remove = async |who: &crate::world::Person, index: usize| {
            who.delete(&format!("{}/booths/{}", fair.path, booths.text(&format!("/data/{index}/id"))), "*").await
        };
        remove(officer, 1).await.expect(403);
        remove(coordinator, 2).await.conflicts("booth_in_use");
        remove(coordinator, 1).await.expect(204);
        remove(coordinator, 1).await.expect(404);
        let left = fair.plan("draft").await;
        let codes: Vec<&Value> = left.body["booths"].as_array().unwrap().iter().map(|booth| &booth["code"]).collect();
        assert_eq!((codes, places(&left)), (vec![&json!("A-00"), &json!("B-01")], vec![("B-01".to_owned(), "satu".to_owned())]));
        coordinator.delete(&format!("{}/plan/assignments/{}?plan=draft", fair.path, assigned.text("/id")), "*").await.expect(204);
        remove(coordinator, 2).await.expect(204);
        // Who withdraws keeps no booth from being removed, though it was theirs.
        let place = json!({ "plan": "live", "application_id": fair.applicants[0].id(), "booth": "A-00", "batch_id": plan.text("/batches/0/id") });
        post("plan/assignments", place).await.expect(201);
        remove(coordinator, 0).await.conflicts("booth_in_use");
        fair.applicants[0].step("withdraw").await.expect(200);
        remove(coordinator, 0).await.expect(204);
        assert_eq!(fair.plan("draft").await.body["booths"], json!([]));
        let trail = officer.get(&format!("{}/audit", fair.path)).await.expect(200);
        assert_eq!(trail.column("/action")[..6], ["remove_booth", "assign_booth", "remove_booth", "unassign_booth", "remove_booth", "assign_booth"]);
    }

    async fn the_public_map_is_drawn_of_what_is_published_and_of_the_batch_that_is_named(world: World) {
        let fair = Fair::new(&world, &["satu", "dua"], 2, |_, _| {}).await;
        let second = json!({ "name": "Gelombang 2", "starts_on": "2030-05-03", "ends_on": "2030-05-04" });
        let second = fair.town.coordinator.post(&format!("{}/batches", fair.path), second).await.expect(201).text("/id");
        let first = fair.plan("draft").await.text("/batches/0/id");
        for (who, batch) in [(0, &first), (1, &second)] {
            let body = json!({ "plan": "draft", "application_id": fair.applicants[who].id(), "booth": "A-00", "batch_id": batch });
            fair.town.coordinator.post(&format!("{}/plan/assignments", fair.path), body).await.expect(201);
        }
        let map = async |query: &str| world.public().get(&format!("/v1/storefront/exhibitions/pameran/plan.svg{query}")).await;
        let published = fair.act("publish", "*", Value::Null).await.expect(200);
        assert_eq!((published.text("/plan"), places(&published).len(), published.body["published_at"].is_string()), ("live".into(), 2, true));
        map("").await.expect(404);
        fair.town.coordinator.post_empty(&format!("{}/publish-lineup", fair.path)).await.expect(200);
        let drawn = map("").await.expect(200);
        assert_eq!(drawn.header("content-type"), "image/svg+xml");
        let picture = drawn.content();
        assert!(picture.contains("<title>A-00: satu</title>") && picture.contains("<title>A-01: free</title>") && picture.contains("Pameran – Gelombang 1"), "{picture}");
        let other = map(&format!("?batch_id={second}")).await.expect(200).content();
        assert!(other.contains("<title>A-00: dua</title>") && !other.contains("satu"), "{other}");
        map(&format!("?batch_id={}", fair.town.sme)).await.expect(404);
        let office = fair.town.officer.get(&format!("{}/plan.svg?plan=live&batch_id={second}", fair.path)).await.expect(200);
        assert!(office.content().contains("<title>A-00: dua</title>"));
        let booths = world.public().get("/v1/storefront/exhibitions/pameran/booths").await.expect(200);
        assert_eq!((booths.column("/brand_name"), booths.column("/batch/name")), (vec!["satu".into(), "dua".into()], vec!["Gelombang 1".into(), "Gelombang 2".into()]));
    }

    async fn who_has_checked_in_stays_where_they_are_recorded(world: World) {
        let fair = Fair::new(&world, &["satu", "dua"], 3, |_, _| {}).await;
        for who in &fair.applicants {
            who.step("confirm").await.expect(200);
        }
        let assigned = fair.assign("live", 0, "A-00").await.expect(201);
        let (drafted, place) = (fair.assign("draft", 0, "A-01").await.expect(201).text("/id"), assigned.text("/id"));
        let gone = |plan: &str, id: &str| format!("{}/plan/assignments/{id}?plan={plan}", fair.path);
        fair.town.coordinator.delete(&gone("draft", &place), "*").await.expect(404);
        fair.town.coordinator.delete(&gone("live", &drafted), "*").await.expect(404);
        fair.town.coordinator.post_empty(&format!("{}/publish-lineup", fair.path)).await.expect(200);
        let code = fair.applicants[0].owner.get(&fair.applicants[0].path).await.expect(200).text("/check_in_code");
        fair.town.officer.post(&format!("{}/check-ins", fair.path), json!({ "code": code })).await.expect(200);
        assert_eq!(fair.town.coordinator.delete(&gone("live", &place), "*").await.expect(409).text("/reason"), "place_is_recorded");
        let swap = json!({ "plan": "live", "assignment_id": place, "to_booth": "A-02" });
        assert_eq!(fair.act("swap", "*", swap).await.expect(409).text("/reason"), "place_is_recorded");
        fair.act("publish", "*", Value::Null).await.expect(200);
        assert_eq!(places(&fair.plan("live").await), [("A-00".to_owned(), "satu".to_owned())], "the draft does not move who is there");
    }

    async fn a_late_exhibitor_is_let_in_though_the_booth_was_given_to_another(world: World) {
        let fair = Fair::new(&world, &["satu", "dua"], 1, |_, _| {}).await;
        for who in &fair.applicants {
            who.step("confirm").await.expect(200);
        }
        fair.assign("live", 0, "A-00").await.expect(201);
        fair.town.coordinator.post_empty(&format!("{}/publish-lineup", fair.path)).await.expect(200);
        let move_on = "update exhibitions set status = 'ongoing' where slug = 'pameran'";
        world.execute(move_on, vec![]).await.unwrap();
        let no_show = json!({ "application_ids": [fair.applicants[0].id()] });
        fair.town.officer.post(&format!("{}/no-shows", fair.path), no_show.clone()).await.expect(204);
        assert_eq!(fair.town.officer.post(&format!("{}/no-shows", fair.path), no_show).await.expect(409).text("/reason"), "not_confirmed");
        fair.assign("live", 1, "A-00").await.expect(201);
        world.execute("update exhibitions set status = 'completed' where slug = 'pameran'", vec![]).await.unwrap();
        let code = async |who: &Applicant| json!({ "code": who.owner.get(&who.path).await.expect(200).text("/check_in_code") });
        let late = fair.town.officer.post(&format!("{}/check-ins", fair.path), code(&fair.applicants[0]).await).await.expect(200);
        assert_eq!(late.text("/brand_name"), "satu");
        assert_eq!(fair.town.officer.post(&format!("{}/check-ins", fair.path), code(&fair.applicants[1]).await).await.expect(409).text("/reason"), "not_on_the_day");
        assert!(fair.plan("live").await.body["assignments"].as_array().unwrap().iter().any(|place| place["brand_name"] == "dua" && place["status"] == "confirmed"));
        let revive = "update booth_assignments set status = 'held' where status = 'released'";
        world.execute("update booth_assignments set status = 'released' where plan = 'live'", vec![]).await.unwrap();
        world.execute("update applications set status = 'withdrawn'", vec![]).await.unwrap();
        assert!(world.execute(revive, vec![]).await.is_err(), "who left has no booth");
    }

    async fn numbers_beyond_every_hall_are_refused_and_not_computed_with(world: World) {
        let fair = Fair::new(&world, &["satu"], 1, |_, _| {}).await;
        let hall = fair.plan("draft").await.text("/halls/0/id");
        for (name, value) in [("x_mm", i64::MAX), ("y_mm", i64::MIN), ("width_mm", i64::MIN), ("depth_mm", i64::MAX), ("slots", i64::MAX)] {
            let mut booth = json!({ "hall_id": hall, "code": "Z-01", "class": "standard", "x_mm": 9000, "y_mm": 9000, "width_mm": 3000, "depth_mm": 3000 });
            booth[name] = json!(value);
            let answer = fair.town.coordinator.post(&format!("{}/booths", fair.path), json!({ "booths": [booth] })).await.expect(422);
            assert!(answer.body["errors"].to_string().contains(name), "{:#}", answer.body);
        }
        let category = |weight: i64| json!({ "name": { "id": "Rasa" }, "weight_bp": weight });
        let rubric = json!({ "categories": [category(i64::MAX), category(i64::MAX)] });
        fair.town.coordinator.put(&format!("{}/rubric", fair.path), "*", rubric).await.expect(422);
    }

    async fn a_postponed_exhibition_takes_its_batches_along(world: World) {
        let fair = Fair::new(&world, &["satu"], 1, |_, _| {}).await;
        let second = json!({ "name": "Gelombang 2", "starts_on": "2030-05-03", "ends_on": "2030-05-04" });
        fair.town.coordinator.post(&format!("{}/batches", fair.path), second).await.expect(201);
        let later = json!({ "dates": { "starts_on": "2030-05-03", "ends_on": "2030-05-06", "precision": "day" } });
        fair.town.coordinator.post(&format!("{}/postpone", fair.path), later).await.expect(200);
        let plan = fair.plan("draft").await;
        assert_eq!((plan.text("/batches/0/starts_on"), plan.text("/batches/1/ends_on")), ("2030-05-03".into(), "2030-05-06".into()));
        let far = json!({ "dates": { "starts_on": "+262142-12-30", "ends_on": "+262142-12-31", "precision": "day" } });
        fair.town.coordinator.post(&format!("{}/postpone", fair.path), far).await.expect(422);
    }

    async fn the_database_itself_keeps_batches_apart_and_booths_single(world: World) {
        let fair = Fair::new(&world, &["satu", "dua"], 2, |_, _| {}).await;
        let batch = |from: &str, to: &str| json!({ "name": format!("{from} {to}"), "starts_on": from, "ends_on": to });
        let batches = format!("{}/batches", fair.path);
        assert_eq!(fair.town.coordinator.post(&batches, batch("2030-05-02", "2030-05-03")).await.expect(409).text("/reason"), "batches_overlap");
        fair.town.coordinator.post(&batches, batch("2030-05-04", "2030-05-05")).await.expect(422);
        fair.town.coordinator.post(&batches, batch("2030-05-03", "2030-05-04")).await.expect(201);
        let many = futures_util::future::join_all((0..2).map(|_| fair.town.coordinator.post(&batches, batch("2030-05-03", "2030-05-04")))).await;
        assert!(many.iter().all(|answer| answer.status == 409));
        fair.town.coordinator.post(&format!("{}/plan/assignments", fair.path), json!({ "plan": "live", "application_id": fair.applicants[0].id(), "booth": "A-00" })).await.expect(422);
        let first = fair.plan("live").await.text("/batches/0/id");
        let body = json!({ "plan": "live", "application_id": fair.applicants[0].id(), "booth": "A-00", "batch_id": first });
        fair.town.coordinator.post(&format!("{}/plan/assignments", fair.path), body).await.expect(201);
        let refused = async |text: &str, values: Vec<sea_orm::Value>| {
            let result = world.execute(text, values).await;
            assert!(result.is_err(), "{text}: {result:?}");
        };
        refused("update exhibition_batches set starts_on = '2030-05-02'", vec![]).await;
        refused("update exhibition_batches set ends_on = '2029-01-01'", vec![]).await;
        let copy = "insert into booth_assignments (id, exhibition_id, batch_id, booth_id, slot_no, application_id, plan, status, created_at) \
                    select ?, exhibition_id, batch_id, booth_id, slot_no, ?, plan, 'held', ? from booth_assignments";
        let (one, other) = (Uuid::parse_str(fair.applicants[0].id()).unwrap(), Uuid::parse_str(fair.applicants[1].id()).unwrap());
        refused(copy, vec![Uuid::now_v7().into(), other.into(), Utc::now().into()]).await;
        refused(copy, vec![Uuid::now_v7().into(), one.into(), Utc::now().into()]).await;
        refused("update booth_assignments set slot_no = 2", vec![]).await;
        refused("update booth_assignments set batch_id = ?", vec![Uuid::now_v7().into()]).await;
        world.execute("update applications set status = 'declined' where id = ?", vec![one.into()]).await.unwrap();
        assert!(places(&fair.plan("live").await).is_empty(), "a trigger frees the booth");
        refused(copy, vec![Uuid::now_v7().into(), one.into(), Utc::now().into()]).await;
    }
}
