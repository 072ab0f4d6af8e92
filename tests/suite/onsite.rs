//! At the venue: papers to know, who came, what is packed.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Engine, Person, Town, World};

struct Exhibitor {
    owner: Person,
    sme: String,
    application: String,
    code: String,
}

/// An exhibition with exhibitors who have a place for sure.
struct Hall {
    town: Town,
    path: String,
    exhibitors: Vec<Exhibitor>,
}

impl Hall {
    async fn new(world: &World, names: &[&str]) -> Self {
        let town = world.town().await;
        let path = format!("/v1/exhibitions/{}", town.exhibition("pameran").await);
        let mut exhibitors = Vec::new();
        for name in names {
            let owner = world.newcomer(name, false).await;
            let sme = town.new_sme(&owner, name).await;
            let application =
                town.coordinator.post(&format!("{path}/exhibitors"), json!({ "sme_id": sme })).await.expect(201).text("/application_id");
            let code = owner.get(&format!("{path}/applications/{application}")).await.expect(200).text("/check_in_code");
            exhibitors.push(Exhibitor { owner, sme, application, code });
        }
        Self { town, path, exhibitors }
    }

    async fn steps(&self, steps: &[&str]) {
        for step in steps {
            self.town.coordinator.post_empty(&format!("{}/{step}", self.path)).await.expect(200);
        }
    }

    async fn check_in(&self, body: Value) -> Answer {
        self.town.officer.post(&format!("{}/check-ins", self.path), body).await
    }

    async fn no_shows(&self, who: &Person, applications: &[&str]) -> Answer {
        who.post(&format!("{}/no-shows", self.path), json!({ "application_ids": applications })).await
    }
}

on_both! {
    async fn exhibitors_read_the_papers_and_each_says_so_for_itself(world: World) {
        let hall = Hall::new(&world, &["satu", "dua"]).await;
        let (town, papers, one, two) = (&hall.town, format!("{}/documents", hall.path), &hall.exhibitors[0], &hall.exhibitors[1]);
        let rules = json!({ "title": { "id": "Tata tertib", "en": "House rules" }, "body": { "id": "Bongkar muat pukul 07.00." }, "must_acknowledge": true });
        town.coordinator.post(&papers, json!({ "title": { "id": "" }, "body": { "id": "x" } })).await.refuses("/title/id");
        town.coordinator.post(&papers, json!({ "title": { "id": "x" }, "body": { "id": " " } })).await.refuses("/body/id");
        town.officer.post(&papers, rules.clone()).await.expect(403);
        let added = town.coordinator.post(&papers, rules.clone()).await.expect(201);
        added.has("", &rules);
        added.has("", &json!({ "version": 1, "acknowledged_by": [] }));
        assert_eq!(added.etag(), "\"1\"");
        let map = town.coordinator.post(&papers, json!({ "title": { "id": "Denah" }, "body": { "id": "Lihat papan." } })).await.expect(201);
        assert_eq!(map.body["must_acknowledge"], false);

        let paper = format!("{papers}/{}", added.text("/id"));
        let acknowledge = async |who: &Person, application: &str| {
            who.send(who.request(Method::PUT, &format!("{paper}/acknowledgements/{application}"))).await
        };
        let said = acknowledge(&one.owner, &one.application).await.expect(200);
        said.has("", &json!({ "id": added.text("/id"), "version": 1, "acknowledged_by": [one.application] }));
        acknowledge(&two.owner, &one.application).await.expect(404);
        acknowledge(&town.coordinator, &two.application).await.expect(403);
        acknowledge(&two.owner, &two.application).await.expect(200);
        let unknown = format!("{papers}/{}/acknowledgements/{}", town.sme, one.application);
        one.owner.send(one.owner.request(Method::PUT, &unknown)).await.expect(404);
        let all = town.officer.get(&papers).await.expect(200);
        assert_eq!(all.column("/title/id"), ["Tata tertib", "Denah"]);
        let mut by: Vec<&str> = all.body["data"][0]["acknowledged_by"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        by.sort_unstable();
        assert_eq!(by, [one.application.as_str(), two.application.as_str()]);
        let own = async |who: &Exhibitor| who.owner.get(&format!("{papers}?sme_id={}", who.sme)).await.expect(200);
        assert_eq!(own(one).await.body["data"][0]["acknowledged_by"], json!([one.application]), "not who else did");
        one.owner.get(&papers).await.expect(404);
        one.owner.get(&format!("{papers}?sme_id={}", two.sme)).await.expect(404);
        town.owner.get(&format!("{papers}?sme_id={}", town.sme)).await.expect(404);

        let changed = json!({ "title": { "id": "Tata tertib" }, "body": { "id": "Pukul 06.00." }, "must_acknowledge": false });
        town.coordinator.put(&paper, "\"9\"", changed.clone()).await.expect(412);
        town.coordinator.put(&paper, &added.etag(), json!({ "title": { "id": "x" }, "body": { "id": "" } })).await.refuses("/body/id");
        town.officer.put(&paper, "*", changed.clone()).await.expect(403);
        let edited = town.coordinator.put(&paper, &added.etag(), changed.clone()).await.expect(200);
        edited.has("", &changed);
        assert_eq!(edited.etag(), "\"2\"");
        let read = own(one).await;
        read.has("/data/0", &changed);
        read.has("/data/0", &json!({ "version": 2, "acknowledged_by": [] }));
        acknowledge(&one.owner, &one.application).await.expect(200).has("", &json!({ "version": 2 }));
        assert_eq!(own(one).await.body["data"][0]["acknowledged_by"], json!([one.application]));
    }

    async fn the_office_sees_who_came_and_notes_who_did_not(world: World) {
        let hall = Hall::new(&world, &["satu", "dua", "tiga"]).await;
        let (town, names) = (&hall.town, ["satu", "dua", "tiga"]);
        let attendance = async || town.officer.get(&format!("{}/check-ins", hall.path)).await.expect(200);
        let before = attendance().await;
        assert_eq!((before.column("/brand_name"), before.column("/status")), (names.map(str::to_owned).to_vec(), vec!["confirmed".to_owned(); 3]));
        assert!(before.body["data"].as_array().unwrap().iter().all(|one| one["check_ins"] == json!([]) && one["booths"] == json!([])));
        let code = |index: usize| json!({ "code": hall.exhibitors[index].code });
        hall.check_in(code(0)).await.conflicts("not_on_the_day");
        hall.steps(&["announce", "open", "close", "publish-lineup"]).await;
        let mut early = code(0);
        early["at"] = json!(chrono::Utc::now() + chrono::Duration::hours(1));
        hall.check_in(early).await.refuses("/at");
        let mut elsewhere = code(0);
        elsewhere["batch_id"] = json!(town.sme);
        hall.check_in(elsewhere).await.refuses("/batch_id");
        hall.check_in(json!({ "code": "00000000" })).await.refuses("/code");
        town.owner.post(&format!("{}/check-ins", hall.path), code(0)).await.expect(404);
        // Noted while the device was offline.
        let mut offline = code(0);
        offline["at"] = json!("2020-05-01T01:30:00Z");
        let arrived = hall.check_in(offline).await.expect(200);
        arrived.has("", &json!({ "application_id": hall.exhibitors[0].application, "brand_name": "satu", "batch_id": null, "booths": [], "is_repeat": false }));
        assert_eq!((arrived.text("/at/local"), arrived.text("/at/time_zone_label")), ("2020-05-01T08:30".into(), "WIB".into()));
        hall.check_in(code(0)).await.expect(200).has("", &json!({ "is_repeat": true, "at": arrived.body["at"] }));
        let seen = attendance().await;
        assert_eq!(seen.column("/status"), ["attended", "confirmed", "confirmed"]);
        assert_eq!(seen.body["data"][0]["check_ins"], json!([{ "batch_id": null, "at": arrived.body["at"] }]));
        town.owner.get(&format!("{}/check-ins", hall.path)).await.expect(404);

        let application = |index: usize| hall.exhibitors[index].application.as_str();
        hall.no_shows(&town.officer, &[application(1)]).await.conflicts("not_on_the_day");
        hall.steps(&["start"]).await;
        hall.no_shows(&town.officer, &[]).await.refuses("/application_ids");
        hall.no_shows(&town.owner, &[application(1)]).await.expect(404);
        let refused = hall.no_shows(&town.officer, &[application(1), application(0)]).await.conflicts("not_confirmed");
        assert_eq!(refused.text("/application_id"), application(0), "who came is no no-show, and then nobody is");
        assert_eq!(attendance().await.column("/status"), ["attended", "confirmed", "confirmed"]);
        hall.no_shows(&town.officer, &[application(1), application(2), application(1)]).await.expect(204);
        assert_eq!(attendance().await.column("/status"), ["attended", "no_show", "no_show"]);
        let owner = &hall.exhibitors[1].owner;
        owner.get(&format!("{}/applications/{}", hall.path, application(1))).await.expect(200).has("", &json!({ "status": "no_show" }));
        let reports = town.officer.get(&format!("{}/reports", hall.path)).await.expect(200);
        assert!(reports.column("/brand_name").iter().all(|name| name == "satu"), "nothing is expected of who did not come");
        assert_eq!(reports.count(), 4);
        hall.check_in(code(2)).await.expect(200).has("", &json!({ "brand_name": "tiga", "is_repeat": false }));
        assert_eq!(attendance().await.column("/status"), ["attended", "no_show", "attended"]);
        let trail = town.coordinator.get(&format!("{}/audit", hall.path)).await.expect(200);
        assert_eq!(trail.text("/data/0/action"), "no_show");
        assert_eq!(trail.body["data"][0]["change"]["applications"].as_array().unwrap().len(), 2);
    }

    async fn an_owner_reads_its_own_days_and_the_office_all_of_them(world: World) {
        let hall = Hall::new(&world, &["satu", "dua"]).await;
        let (town, one) = (&hall.town, &hall.exhibitors[0]);
        // It has begun: three of its four days are over.
        let day = |back: u64| (chrono::Utc::now() + chrono::Duration::hours(7)).date_naive().checked_sub_days(chrono::Days::new(back)).unwrap().to_string();
        let dates = json!({ "dates": { "starts_on": day(2), "ends_on": (chrono::Utc::now() + chrono::Duration::hours(31)).date_naive(), "precision": "day" } });
        hall.steps(&["announce"]).await;
        town.coordinator.post(&format!("{}/postpone", hall.path), dates).await.expect(200);
        hall.steps(&["open", "close", "publish-lineup", "start"]).await;
        let report = async |who: &Person, day: &str, body: Value| {
            who.send(who.request(Method::PUT, &format!("{}/reports/{}/{day}", hall.path, one.application)).json(&body)).await
        };
        let sold = json!({ "sales": { "value": "750000" }, "transactions": 12, "units": 20, "visitors": 90, "orders": { "value": "100000" }, "note": "Ramai." });
        for (name, value, pointer) in [
            ("sales", json!({ "value": "1.5" }), "/sales"), ("transactions", json!(-1), "/transactions"), ("units", json!(-1), "/units"), ("visitors", json!(-1), "/visitors"),
            ("orders", json!({ "value": "x" }), "/orders/value"), ("transactions", json!(0), "/transactions"),
        ] {
            let mut wrong = sold.clone();
            wrong[name] = value;
            report(&one.owner, &day(1), wrong).await.refuses(pointer);
        }
        let tomorrow = (chrono::Utc::now() + chrono::Duration::hours(31)).date_naive().to_string();
        report(&one.owner, &tomorrow, sold.clone()).await.conflicts("in_the_future");
        town.officer.send(town.officer.request(Method::PUT, &format!("{}/reports/{}/{}", hall.path, one.application, day(1))).json(&sold)).await.expect(403);
        let first = report(&one.owner, &day(1), sold).await.expect(200);
        first.has("", &json!({ "day": day(1), "state": "reported", "transactions": 12, "units": 20, "visitors": 90, "note": "Ramai.", "version": 1 }));
        assert_eq!((first.text("/sales/display"), first.text("/orders/display"), first.etag()), ("Rp750.000".into(), "Rp100.000".into(), "\"1\"".into()));
        let own = one.owner.get(&format!("{}/reports?sme_id={}", hall.path, one.sme)).await.expect(200);
        assert_eq!(own.column("/state"), ["not_reported", "reported", "not_reported", "not_reported"]);
        assert_eq!(own.body["data"][1], *first.body);
        one.owner.get(&format!("{}/reports", hall.path)).await.expect(404);
        let that_day = town.officer.get(&format!("{}/reports?day={}", hall.path, day(1))).await.expect(200);
        assert_eq!((that_day.column("/brand_name"), that_day.column("/state")), (vec!["satu".into(), "dua".into()], vec!["reported".into(), "not_reported".into()]));
        let results = town.officer.get(&format!("{}/results", hall.path)).await.expect(200);
        results.has("/results", &json!({ "exhibitors": 2, "reporting": 1 }));
        results.has("/results/total", &json!({ "reports": 1, "reports_due": 6, "transactions": 12, "units": 20 }));
        assert_eq!(results.text("/results/total/sales/display"), "Rp750.000");
        one.owner.get(&format!("{}/results", hall.path)).await.expect(404);
        for file in ["results.csv", "results.xlsx"] {
            one.owner.get(&format!("{}/{file}", hall.path)).await.expect(404);
        }
    }

    async fn what_is_packed_is_listed_by_exhibitor_with_its_weight_and_never_as_a_formula(world: World) {
        let hall = Hall::new(&world, &["satu"]).await;
        let (town, path) = (&hall.town, &hall.path);
        town.coordinator.post(&format!("{path}/exhibitors"), json!({ "sme_id": town.sme })).await.expect(201);
        let draft = town.draft("Dodol").await;
        let product = format!("/v1/products/{}", draft.text("/id"));
        let variant = json!({ "sku": "=1+1", "price": { "value": "9000" }, "net_content": { "value": 100, "unit": "g" }, "weight_g": 110 });
        let both = town.owner.post(&format!("{product}/variants"), variant).await.expect(201);
        town.owner.post_empty(&format!("{product}/submit")).await.expect(200);
        town.officer.post(&format!("{product}/approve"), json!({})).await.expect(200);
        let list = async || town.officer.get(&format!("{path}/packing.csv")).await.expect(200).content();
        let names = ["booth", "brand_name", "product", "sku", "is_sample", "units", "weight_g_each", "weight_g_total"];
        let head = format!("\u{feff}{}\r\n", names.map(|name| format!("\"{name}\"")).join(","));
        assert_eq!(list().await, head);
        for (index, units, is_sample) in [(0, 5, true), (1, 40, false)] {
            let item = json!({ "sme_id": town.sme, "variant_id": both.body["variants"][index]["id"], "units_planned": units, "is_sample": is_sample, "position": index });
            town.owner.post(&format!("{path}/lineup"), item).await.expect(201);
        }
        assert_eq!(list().await, format!("{head}\"\",\"Dodol Cisadane\",\"Dodol\",,true,5,,\r\n\"\",\"Dodol Cisadane\",\"Dodol\",\"'=1+1\",false,40,110,4400\r\n"));
        let answer = town.officer.get(&format!("{path}/packing.csv")).await.expect(200);
        assert_eq!((answer.header("content-type"), answer.header("content-disposition")), ("text/csv; charset=utf-8".into(), "attachment; filename=\"pameran-packing.csv\"".into()));
        town.owner.get(&format!("{path}/packing.csv")).await.expect(404);
    }
}
