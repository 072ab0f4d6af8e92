//! Calls: terms, papers that are asked for, questions, and what applicants and the office make of them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    applications::{Applicant, announce_and_open, applicant, close, open_exhibition, prepare, release},
    world::{Engine, Town, World},
};

/// An SME that has begun to apply with a garment, and has not handed in.
async fn begun(world: &World, town: &Town, exhibition: &str, name: &str) -> Applicant {
    let owner = world.newcomer(name, false).await;
    let sme = town.new_sme(&owner, name).await;
    owner.post(&format!("/v1/smes/{sme}/documents"), json!({ "kind": "nib", "number": "1234567890123" })).await.expect(201);
    let garment = json!({ "sme_id": sme, "category": "pakaian", "title": { "id": "Kemeja" }, "variants": [{ "price": { "value": "150000" } }] });
    let product = owner.post("/v1/products", garment).await.expect(201).text("/id");
    let begun = owner.post(&format!("/v1/exhibitions/{exhibition}/applications"), json!({ "sme_id": sme })).await.expect(201);
    begun.has("", &json!({ "status": "draft", "sme_id": sme, "exhibition_id": exhibition, "lead_application_id": null }));
    let path = begun.header("location");
    owner.patch(&path, &begun.etag(), json!({ "product_ids": [product] })).await.expect(200);
    Applicant { owner, sme, path }
}

on_both! {
    async fn a_call_whose_time_came_before_the_exhibition_was_announced_opens_with_the_announcement(world: World) {
        let town = world.town().await;
        let exhibition = town.exhibition("pameran").await;
        let path = format!("/v1/exhibitions/{exhibition}");
        // It opens in the past; the job of that time is done, and could not do anything.
        town.call(&exhibition, 10).await;
        world.app.signals.wake_workers();
        let text = "delete from jobs where kind = 'open_call'";
        world.execute(text, vec![]).await.unwrap();
        town.coordinator.post_empty(&format!("{path}/announce")).await.expect(200);
        town.coordinator.until(&path, |answer| answer.text("/status") == "applications_open").await;
    }

    async fn the_terms_of_a_call_are_read_on_the_clock_of_the_venue_by_everybody_once_it_is_announced(world: World) {
        let town = world.town().await;
        let exhibition = town.exhibition("pameran").await;
        let path = format!("/v1/exhibitions/{exhibition}");
        let call = format!("{path}/call");
        let terms = json!({
            "intro": { "id": "Ajukan produk Anda.", "en": "Hand in your products." }, "opens_at": "2029-01-02T09:00", "closes_at": "2030-03-01T17:00",
            "confirm_by": "2030-04-01T17:00", "capacity": 12,
        });
        town.coordinator.get(&call).await.expect(404);
        let set = async |etag: Option<&str>, body: &Value| {
            let request = town.coordinator.request(Method::PUT, &call).json(body);
            town.coordinator.send(match etag { Some(etag) => request.header("if-match", etag), None => request }).await
        };
        for (name, value, pointer) in [
            ("closes_at", json!("2029-01-02T09:00"), "/closes_at"), ("confirm_by", json!("2030-02-01T17:00"), "/confirm_by"), ("capacity", json!(0), "/capacity"),
            ("opens_at", json!("2029-01-02T09:00Z"), "/opens_at"), ("intro", json!({ "id": "" }), "/intro/id"),
        ] {
            let mut wrong = terms.clone();
            wrong[name] = value;
            set(None, &wrong).await.refuses(pointer);
        }
        let first = set(None, &terms).await.expect(200);
        first.has("", &json!({ "intro": terms["intro"], "capacity": 12, "taken": 0, "version": 1, "questions": [] }));
        assert_eq!((first.text("/opens_at/local"), first.text("/opens_at/at"), first.text("/opens_at/time_zone_label")), ("2029-01-02T09:00".into(), "2029-01-02T09:00:00+07:00".into(), "WIB".into()));
        let asked = |answer: &crate::world::Answer| {
            let rules = answer.body["requirements"].as_array().unwrap().iter();
            rules.map(|rule| (rule["scope"].clone(), rule["any_of"].clone(), rule["severity"].clone())).collect::<Vec<_>>()
        };
        let usual = [(json!("all"), json!(["nib"]), json!("block")), (json!("food"), json!(["pirt", "bpom_md"]), json!("block")), (json!("food"), json!(["halal"]), json!("warn"))];
        assert_eq!(asked(&first), usual);
        assert_eq!(set(None, &terms).await.expect(428).text("/current_etag"), first.etag());
        let mut more = terms.clone();
        more["capacity"] = json!(20);
        let second = set(Some(&first.etag()), &more).await.expect(200);
        second.has("", &json!({ "capacity": 20, "version": 2 }));
        assert_eq!(asked(&second), usual, "they are not asked for twice");
        set(Some(&first.etag()), &terms).await.expect(412);
        town.officer.put(&call, &second.etag(), terms.clone()).await.expect(403);
        assert_eq!(town.officer.get(&call).await.expect(200).etag(), second.etag());

        let public = "/v1/storefront/exhibitions/pameran/call";
        world.public().get(public).await.expect(404);
        town.owner.get(&call).await.expect(404);
        town.coordinator.post_empty(&format!("{path}/announce")).await.expect(200);
        assert_eq!(*town.owner.get(&call).await.expect(200).body, *second.body);
        assert_eq!(*world.public().get(public).await.expect(200).body, *second.body);
        // Before the clock has opened it one may begin, and not hand in.
        let early = begun(&world, &town, &exhibition, "dini").await;
        early.owner.post(&format!("{path}/applications"), json!({ "sme_id": early.sme })).await.conflicts("already_applied");
        early.owner.post(&format!("{path}/applications"), json!({ "sme_id": town.sme })).await.expect(404);
        town.officer.post(&format!("{path}/applications"), json!({ "sme_id": town.sme })).await.expect(403);
        let refused = early.step("submit").await.conflicts("call_closed");
        assert_eq!(refused.text("/opens_at"), "2029-01-02T09:00:00+07:00");
        set(Some(&second.etag()), &terms).await.expect(200).has("", &json!({ "capacity": 12, "version": 3 }));
        assert_eq!(world.public().get(public).await.expect(200).body["capacity"], 12, "what changes is public at once");
    }

    async fn a_paper_that_is_asked_for_keeps_applications_back_until_it_is_asked_for_no_longer(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 5).await;
        let path = format!("/v1/exhibitions/{exhibition}/requirements");
        let rule = json!({ "scope": "pakaian", "any_of": ["sni", "trademark"], "valid_through": "start", "severity": "block", "effective_from": "2030-01-01", "source": "SE 12/2029" });
        for (name, value, pointer) in [("scope", json!("tidak-ada"), "/scope"), ("any_of", json!([]), "/any_of"), ("any_of", json!(["ktp"]), "/any_of/0")] {
            let mut wrong = rule.clone();
            wrong[name] = value;
            town.coordinator.post(&path, wrong).await.refuses(pointer);
        }
        town.officer.post(&path, rule.clone()).await.expect(403);
        let added = town.coordinator.post(&path, rule.clone()).await.expect(201);
        added.has("", &rule);
        // One that concerns later exhibitions only is asked of nobody here.
        let mut later = rule.clone();
        later["effective_from"] = json!("2031-01-01");
        town.coordinator.post(&path, later).await.expect(201);
        let public = world.public().get("/v1/storefront/exhibitions/pameran/call").await.expect(200);
        assert_eq!(public.body["requirements"].as_array().unwrap().len(), 5);
        assert_eq!(public.body["requirements"][3], *added.body);

        let who = begun(&world, &town, &exhibition, "penjahit").await;
        let checks = async || who.owner.get(&format!("{}/readiness", who.path)).await.expect(200);
        let before = checks().await;
        assert_eq!(before.body["checks"].as_array().unwrap().len(), 2, "NIB, and one for the shirt: {:#}", before.body);
        before.has("/checks/1", &json!({ "rule_id": added.text("/id"), "any_of": ["sni", "trademark"], "state": "missing", "severity": "block", "valid_through": "2030-05-01" }));
        assert_eq!((before.text("/checks/1/message/en"), &before.body["can_be_submitted"]), ("SNI or merek for Kemeja: missing.".into(), &json!(false)));
        let refused = who.step("submit").await.conflicts("not_ready");
        assert_eq!((refused.body["checks"].as_array().unwrap().len(), refused.text("/checks/0/rule_id")), (1, added.text("/id")));
        let gone = format!("{path}/{}", added.text("/id"));
        town.officer.delete(&gone, "*").await.expect(403);
        town.coordinator.delete(&gone, "*").await.expect(204);
        town.coordinator.delete(&gone, "*").await.expect(404);
        let after = checks().await;
        assert_eq!((after.body["checks"].as_array().unwrap().len(), &after.body["can_be_submitted"]), (1, &json!(true)));
        who.step("submit").await.expect(200).has("", &json!({ "status": "submitted" }));
        let trail = town.coordinator.get(&format!("/v1/exhibitions/{exhibition}/audit")).await.expect(200);
        assert_eq!(trail.column("/action")[..3], ["remove_from_call", "add_requirement", "add_requirement"]);
    }

    async fn what_is_asked_can_be_read_and_is_no_riddle(world: World) {
        let town = world.town().await;
        let exhibition = town.exhibition("pameran").await;
        let path = format!("/v1/exhibitions/{exhibition}");
        let rule = |source: &str| json!({ "scope": "all", "any_of": ["nib"], "valid_through": "end", "severity": "warn", "source": source });
        for source in [" ", "\u{3164}", "\u{2800}"] {
            town.coordinator.post(&format!("{path}/requirements"), rule(source)).await.refuses("/source");
        }
        town.coordinator.post(&format!("{path}/requirements"), rule("SE 12/2029")).await.expect(201);
        let question = |options: Value| json!({ "text": { "id": "Ukuran?" }, "kind": "choice", "options": options });
        for options in [json!(["S", "M", "s"]), json!(["10 x 20", "10\u{a0}\u{d7} 20", "10 \u{d7} 20"]), json!(["A-1", "B", "A\u{2013}1"])] {
            town.coordinator.post(&format!("{path}/questions"), question(options)).await.refuses("/options/2");
        }
        town.coordinator.post(&format!("{path}/questions"), question(json!(["S", "M"]))).await.expect(201);
    }

    async fn next_years_call_opens_at_the_same_time_of_day(world: World) {
        let town = world.town().await;
        let fair = json!({
            "agency_id": town.agency, "slug": "berlin", "title": { "id": "Pameran" }, "city": "Berlin", "province_code": "ID-KB", "time_zone": "Europe/Berlin",
            "dates": { "starts_on": "2031-01-10", "ends_on": "2031-01-12", "precision": "day" },
        });
        let path = format!("/v1/exhibitions/{}", town.coordinator.post("/v1/exhibitions", fair).await.expect(201).text("/id"));
        let call = json!({ "intro": { "id": "Ayo." }, "opens_at": "2030-12-01T09:00", "closes_at": "2030-12-20T17:00", "confirm_by": "2031-01-02T12:00", "capacity": 5 });
        let request = town.coordinator.request(reqwest::Method::PUT, &format!("{path}/call")).json(&call);
        town.coordinator.send(request).await.expect(200);
        let summer = json!({ "slug": "berlin-lagi", "dates": { "starts_on": "2031-07-10", "ends_on": "2031-07-12", "precision": "day" } });
        let next = town.coordinator.post(&format!("{path}/clone"), summer).await.expect(201).text("/id");
        let call = town.coordinator.get(&format!("/v1/exhibitions/{next}/call")).await.expect(200);
        let times = ["opens_at", "closes_at", "confirm_by"].map(|name| call.text(&format!("/{name}/local")));
        assert_eq!(times, ["2031-05-31T09:00", "2031-06-19T17:00", "2031-07-02T12:00"]);
    }

    async fn questions_are_listed_in_order_and_answered_in_kind_by_those_whom_they_concern(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 5).await;
        let path = format!("/v1/exhibitions/{exhibition}/questions");
        let ask = async |body: Value| town.coordinator.post(&path, body).await;
        let choice = json!({ "text": { "id": "Bawa manekin?", "en": "Do you bring a mannequin?" }, "kind": "choice", "options": ["Ya", "Tidak"], "is_required": true });
        for (name, value, pointer) in [
            ("options", json!(["Ya"]), "/options"), ("kind", json!("text"), "/options"), ("options", json!(["Ya", " "]), "/options/1"), ("text", json!({ "id": "" }), "/text/id"),
            ("scope", json!("tidak-ada"), "/scope"),
        ] {
            let mut wrong = choice.clone();
            wrong[name] = value;
            ask(wrong).await.refuses(pointer);
        }
        let mannequin = ask(choice.clone()).await.expect(201);
        mannequin.has("", &choice);
        assert_eq!(mannequin.text("/scope"), "all");
        let chilled = ask(json!({ "text": { "id": "Perlu lemari es?" }, "kind": "boolean", "scope": "food", "is_required": true })).await.expect(201);
        let people = ask(json!({ "text": { "id": "Berapa orang?" }, "kind": "number" })).await.expect(201);
        town.officer.post(&path, choice).await.expect(403);
        let listed = async || {
            let call = world.public().get("/v1/storefront/exhibitions/pameran/call").await.expect(200);
            call.body["questions"].as_array().unwrap().iter().map(|question| question["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(listed().await, [mannequin.text("/id"), chilled.text("/id"), people.text("/id")]);

        let who = begun(&world, &town, &exhibition, "penjahit").await;
        let answer = async |question: &str, value: Value| {
            let etag = who.owner.get(&who.path).await.expect(200).etag();
            who.owner.patch(&who.path, &etag, json!({ "answers": { (question): value } })).await
        };
        let refused = who.step("submit").await.refuses(&format!("/answers/{}", mannequin.text("/id")));
        assert_eq!(refused.body["errors"].as_array().unwrap().len(), 1, "a shirt needs no refrigerator, and nobody has to bring people");
        for (question, value) in [(&mannequin, json!("Mungkin")), (&people, json!("tiga")), (&chilled, json!("ya"))] {
            answer(&question.text("/id"), value).await.refuses(&format!("/answers/{}", question.text("/id")));
        }
        answer(&town.sme, json!("x")).await.refuses(&format!("/answers/{}", town.sme));
        let (choice_id, people_id) = (mannequin.text("/id"), people.text("/id"));
        let etag = who.owner.get(&who.path).await.expect(200).etag();
        let answers = json!({ (choice_id.as_str()): "Ya", (people_id.as_str()): 3 });
        who.owner.patch(&who.path, &etag, json!({ "answers": answers })).await.expect(200);
        who.step("submit").await.expect(200);
        assert_eq!(town.officer.get(&who.path).await.expect(200).body["answers"], answers, "the office reads them");
        // Handed in, it stays complete.
        answer(&people_id, json!(4)).await.refuses(&format!("/answers/{choice_id}"));

        let gone = format!("{path}/{people_id}");
        town.officer.delete(&gone, "*").await.expect(403);
        town.coordinator.delete(&gone, "*").await.expect(204);
        town.coordinator.delete(&gone, "*").await.expect(404);
        assert_eq!(listed().await, [mannequin.text("/id"), chilled.text("/id")]);
        answer(&people_id, json!(4)).await.refuses(&format!("/answers/{people_id}"));
        assert_eq!(who.owner.get(&who.path).await.expect(200).body["answers"], answers, "what was answered stays");
    }

    async fn an_application_says_what_it_wishes_and_is_changed_until_it_is_looked_at(world: World) {
        let town = world.town().await;
        let exhibition = town.exhibition("pameran").await;
        town.call(&exhibition, 5).await;
        let batch = json!({ "name": "Gelombang 1", "starts_on": "2030-05-01", "ends_on": "2030-05-02" });
        let batch = town.coordinator.post(&format!("/v1/exhibitions/{exhibition}/batches"), batch).await.expect(201).text("/id");
        let own = town.draft("Dodol").await.text("/id");
        announce_and_open(&town, &exhibition).await;
        let who = begun(&world, &town, &exhibition, "penjahit").await;
        let read = who.owner.get(&who.path).await.expect(200);
        read.has("", &json!({ "status": "draft", "sme_id": who.sme, "brand_name": "penjahit", "answers": {}, "pitch": null, "power_needed_w": 0, "submitted_at": null, "check_in_code": null }));
        let wishes = json!({ "pitch": { "id": "Jahitan rapi.", "en": "Neatly sewn." }, "power_needed_w": 450, "preferred_batch_id": batch, "preferred_booth_class": "corner" });
        who.owner.patch(&who.path, &read.etag(), wishes.clone()).await.expect(200).has("", &wishes);
        who.owner.patch(&who.path, &read.etag(), json!({ "power_needed_w": 0 })).await.expect(412);
        let read = town.officer.get(&who.path).await.expect(200);
        read.has("", &wishes);
        for (patch, pointer) in [
            (json!({ "power_needed_w": -1 }), "/power_needed_w"), (json!({ "preferred_batch_id": town.sme }), "/preferred_batch_id"), (json!({ "preferred_booth_class": " " }), "/preferred_booth_class"),
            (json!({ "pitch": { "id": "" } }), "/pitch/id"), (json!({ "answers": [] }), "/answers"),
        ] {
            who.owner.patch(&who.path, &read.etag(), patch).await.refuses(pointer);
        }
        who.owner.patch(&who.path, &read.etag(), json!({ "product_ids": [own] })).await.conflicts("not_own_product");
        town.owner.patch(&who.path, "*", json!({ "power_needed_w": 0 })).await.expect(404);
        // The same product twice is one wish.
        let second = json!({ "sme_id": who.sme, "category": "pakaian", "title": { "id": "Rok" }, "variants": [{ "price": { "value": "90000" } }] });
        let skirt = who.owner.post("/v1/products", second).await.expect(201).text("/id");
        who.owner.patch(&who.path, &read.etag(), json!({ "product_ids": [skirt, skirt] })).await.expect(200);
        who.step("submit").await.expect(200);
        close(&town, &exhibition).await;
        let share = json!({ "reviewer_ids": [crate::selection::id_of(&town.coordinator).await], "per_application": 1 });
        town.coordinator.post(&format!("/v1/exhibitions/{exhibition}/review-assignments"), share).await.expect(200);
        let queue = town.coordinator.get(&format!("/v1/exhibitions/{exhibition}/review-queue")).await.expect(200);
        queue.has("/data/0", &json!({ "label": "penjahit", "pitch": wishes["pitch"], "is_reviewed": false }));
        assert_eq!(queue.body["data"][0]["products"], json!([{ "product_id": skirt, "title": { "id": "Rok" }, "category": "pakaian" }]));
        let etag = who.owner.get(&who.path).await.expect(200).etag();
        assert_eq!(who.owner.patch(&who.path, &etag, json!({ "power_needed_w": 1 })).await.expect(409).text("/reason"), "call_closed");
    }

    async fn decisions_are_taken_back_together_and_who_waits_is_listed_in_order(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 1).await;
        let mut all = Vec::new();
        for name in ["satu", "dua", "tiga"] {
            all.push(applicant(&world, &town, &exhibition, name).await);
        }
        close(&town, &exhibition).await;
        let (path, decisions) = (format!("/v1/exhibitions/{exhibition}"), format!("/v1/exhibitions/{exhibition}/decisions"));
        let set = prepare(&town, &exhibition, &[(&all[0], "accept"), (&all[2], "waitlist"), (&all[1], "waitlist")]).await.expect(200);
        let seen = town.coordinator.get(&decisions).await.expect(200);
        seen.has("", &json!({ "accept": 1, "waitlist": 2, "reject": 0, "places_free": 1, "is_overbooked": false }));
        let told: Vec<(&str, &str)> =
            seen.body["messages"].as_array().unwrap().iter().map(|one| (one["brand_name"].as_str().unwrap(), one["decision"].as_str().unwrap())).collect();
        assert_eq!(told, [("satu", "accept"), ("tiga", "waitlist"), ("dua", "waitlist")]);
        town.officer.get(&decisions).await.expect(403);
        let listed = async |who: &crate::world::Person, query: &str| who.get(&format!("{path}/applications{query}")).await.expect(200);
        let pending = async |who: &crate::world::Person| listed(who, "").await.column("/pending_decision");
        assert_eq!(pending(&town.coordinator).await, ["accept", "waitlist", "waitlist"]);
        assert_eq!(pending(&town.officer).await, ["", "", ""], "only who decides sees what is not released");
        town.officer.delete(&decisions, "*").await.expect(403);
        town.coordinator.delete(&decisions, "\"1\"").await.expect(412);
        let cleared = town.coordinator.delete(&decisions, &set.etag()).await.expect(200);
        assert_eq!((&cleared.body["applications"], cleared.etag() != set.etag()), (&json!(3), true));
        town.coordinator.get(&decisions).await.expect(200).has("", &json!({ "accept": 0, "waitlist": 0, "messages": [] }));
        assert_eq!(pending(&town.coordinator).await, ["", "", ""]);
        assert_eq!(release(&town, &exhibition, &cleared.etag()).await.expect(200).body["applications"], 0);

        let set = prepare(&town, &exhibition, &[(&all[0], "accept"), (&all[2], "waitlist"), (&all[1], "waitlist")]).await.expect(200);
        release(&town, &exhibition, &set.etag()).await.expect(200);
        let waiting = town.coordinator.get(&format!("{path}/waitlist")).await.expect(200);
        assert_eq!((waiting.column("/brand_name"), waiting.column("/status")), (vec!["tiga".into(), "dua".into()], vec!["waitlisted".into(), "waitlisted".into()]));
        let ranks: Vec<i64> = waiting.body["data"].as_array().unwrap().iter().map(|one| one["waitlist_rank"].as_i64().unwrap()).collect();
        assert!(ranks[0] < ranks[1], "{ranks:?}");
        town.officer.get(&format!("{path}/waitlist")).await.expect(403);
        let order = json!({ "application_ids": [all[0].id()] });
        town.coordinator.put(&format!("{path}/waitlist"), &waiting.etag(), order).await.refuses("/application_ids/0");
        let order = json!({ "application_ids": [all[1].id(), all[2].id()] });
        let ordered = town.coordinator.put(&format!("{path}/waitlist"), "*", order).await.expect(200);
        assert_eq!(ordered.column("/brand_name"), ["dua", "tiga"]);
        assert_eq!(town.coordinator.get(&format!("{path}/waitlist")).await.expect(200).column("/brand_name"), ["dua", "tiga"]);

        assert_eq!(listed(&town.officer, "?status=waitlisted").await.column("/brand_name"), ["dua", "tiga"]);
        let first = listed(&town.officer, "?limit=2").await;
        let rest = listed(&town.officer, &format!("?limit=2&cursor={}", first.text("/page/next_cursor"))).await;
        assert_eq!((first.column("/brand_name"), rest.column("/brand_name")), (vec!["satu".into(), "dua".into()], vec!["tiga".into()]));
        all[0].owner.get(&format!("{path}/applications")).await.expect(404);
        let notices = all[0].owner.get(&format!("/v1/smes/{}/notices", all[0].sme)).await.expect(200);
        assert_eq!(notices.count(), 1);
        notices.has("/data/0", &json!({ "application_id": all[0].id(), "exhibition_id": exhibition, "status": "accepted" }));
        let message = "Congratulations, you are accepted at Pameran. Confirm by 2030-04-01 17:00 WIB; after that the place goes to the waitlist. Reason: Kuota.";
        assert_eq!(notices.text("/data/0/message/en"), message);
        assert_eq!(town.officer.get(&format!("/v1/smes/{}/notices", all[0].sme)).await.expect(200).count(), 1, "the office knows what was told");
        all[1].owner.get(&format!("/v1/smes/{}/notices", all[0].sme)).await.expect(404);
        assert_eq!(town.owner.get(&format!("/v1/smes/{}/notices", town.sme)).await.expect(200).count(), 0);
    }
}
