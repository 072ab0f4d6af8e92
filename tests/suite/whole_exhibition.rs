//! One exhibition from its announcement to its results, as five people: coordinator, head of office, curator, officer at the
//! entrance, owners; and a buyer who watches.

use std::io::Cursor;

use calamine::{Data, Reader, Xlsx};
use chrono::{Days, NaiveDate, Utc};
use chrono_tz::Asia::Makassar;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    applications::{Applicant, announce_and_open, applicant, close},
    selection::{id_of, judge, share, staff},
    world::{Engine, Person, Town, World},
};

fn today() -> NaiveDate {
    Utc::now().with_timezone(&Makassar).date_naive()
}

fn after(days: u64) -> NaiveDate {
    today().checked_add_days(Days::new(days)).unwrap()
}

fn yesterday() -> NaiveDate {
    today().pred_opt().unwrap()
}

async fn put(person: &Person, path: &str, body: Value) -> crate::world::Answer {
    person.send(person.request(Method::PUT, path).json(&body)).await
}

/// The main SME applies with its dodol, for which it needs a NIB and a P-IRT.
async fn dodol_applies(town: &Town, exhibition: &str, product: &str) -> Applicant {
    for document in
        [json!({ "kind": "nib", "number": "1234567890123" }), json!({ "kind": "pirt", "number": "206367101000130-39", "expires_on": "2039-12-31" })]
    {
        let documents = format!("/v1/smes/{}/documents", town.sme);
        let id = town.owner.post(&documents, document).await.expect(201).text("/id");
        town.officer.post(&format!("{documents}/{id}/verify"), json!({})).await.expect(200);
    }
    let begun = town.owner.post(&format!("/v1/exhibitions/{exhibition}/applications"), json!({ "sme_id": town.sme })).await.expect(201);
    let path = begun.header("location");
    let change = json!({ "product_ids": [product], "pitch": { "id": "Dodol khas." }, "power_needed_w": 400, "preferred_booth_class": "corner" });
    town.owner.patch(&path, &begun.etag(), change).await.expect(200);
    town.owner.post_empty(&format!("{path}/submit")).await.expect(200);
    Applicant { owner: town.owner.clone(), sme: town.sme.clone(), path }
}

async fn play(world: World) {
    let town = world.town().await;
    let (head, curator) = (staff(&town, &world, "head", "kepala").await, staff(&town, &world, "curator", "kurator").await);
    let buyer = world.public();
    let product = town.published("Dodol").await;

    // The coordinator announces.
    let new = json!({
        "agency_id": town.agency, "slug": "bali", "title": { "id": "Pameran Bali", "en": "Bali fair" }, "city": "Denpasar", "province_code": "ID-BA",
        "venue": { "name": "Gedung Ksirarnawa" }, "dates": { "starts_on": yesterday(), "ends_on": today(), "precision": "day" },
        "opening_hours": [{ "day": today(), "opens": "09:00", "closes": "17:00" }], "time_zone": "Asia/Makassar",
    });
    let exhibition = town.coordinator.post("/v1/exhibitions", new).await.expect(201).text("/id");
    let path = format!("/v1/exhibitions/{exhibition}");
    let call = json!({
        "intro": { "id": "Ajukan produk Anda." }, "opens_at": "2026-01-01T09:00", "closes_at": format!("{}T17:00", after(3)),
        "confirm_by": format!("{}T17:00", after(6)), "capacity": 2,
    });
    put(&town.coordinator, &format!("{path}/call"), call).await.expect(200);
    announce_and_open(&town, &exhibition).await;
    let calendar = buyer.send(buyer.request(Method::GET, "/v1/storefront/exhibitions/bali/calendar.ics")).await.expect(200);
    assert_eq!(calendar.header("content-type"), "text/calendar");
    let event = buyer.get("/v1/storefront/exhibitions/bali/event.jsonld").await.expect(200);
    assert_eq!(
        (event.text("/@type"), event.text("/startDate"), event.text("/organizer/name")),
        ("ExhibitionEvent".into(), yesterday().to_string(), "Disperindag".into())
    );

    // Owners apply; the curator judges; the selection ranks, and explains.
    let dodol = dodol_applies(&town, &exhibition, &product.text("/id")).await;
    let (second, third) = (applicant(&world, &town, &exhibition, "dua").await, applicant(&world, &town, &exhibition, "tiga").await);
    close(&town, &exhibition).await;
    share(&town, &path, &[id_of(&curator).await], 1).await.expect(200);
    for (who, score) in [(&dodol, 5), (&second, 4), (&third, 3)] {
        judge(&curator, &path, who.id(), score).await.expect(200);
    }
    let run = town.coordinator.post(&format!("{path}/selection-runs"), json!({ "seed": 1 })).await.expect(201);
    let etag = town.coordinator.get(&format!("{path}/decisions")).await.expect(200).etag();
    let apply = town.coordinator.request(Method::POST, &format!("{path}/selection-runs/{}/apply", run.text("/id"))).header("if-match", etag);
    let set = town.coordinator.send(apply).await.expect(200);
    assert_eq!((&set.body["accept"], &set.body["waitlist"]), (&json!(2), &json!(1)));
    let release = async |who: &Person| {
        let etag = who.get(&format!("{path}/decisions")).await.expect(200).etag();
        who.send(who.request(Method::POST, &format!("{path}/decisions/release")).header("if-match", etag)).await
    };
    assert_eq!(release(&town.coordinator).await.expect(409).text("/reason"), "second_person_required");
    assert_eq!(release(&head).await.expect(200).body["applications"], 3);

    // One withdraws, and the place is offered to the next in the same moment.
    assert_eq!(dodol.owner.get(&dodol.path).await.expect(200).body["check_in_code"], Value::Null, "not before it is confirmed");
    dodol.step("confirm").await.expect(200);
    second.step("withdraw").await.expect(200);
    let code = third.step("confirm").await.expect(200).text("/check_in_code");

    // Booths, by suggestion; line-up; the papers that exhibitors have to know.
    let hall = json!({ "name": "Aula", "width_mm": 20_000, "depth_mm": 10_000 });
    let hall = town.coordinator.post(&format!("{path}/halls"), hall).await.expect(201).text("/id");
    let batch = json!({ "name": "Semua", "starts_on": yesterday(), "ends_on": today() });
    let batch = town.coordinator.post(&format!("{path}/batches"), batch).await.expect(201).text("/id");
    let booth = |code: &str, class: &str, x: i64| json!({ "hall_id": hall, "code": code, "class": class, "x_mm": x, "y_mm": 0, "width_mm": 3000, "depth_mm": 3000, "power_w": 450 });
    let booths = json!({ "booths": [booth("A-01", "standard", 0), booth("A-02", "corner", 6000)] });
    town.coordinator.post(&format!("{path}/booths"), booths).await.expect(201);
    for act in ["suggest", "publish"] {
        let etag = town.coordinator.get(&format!("{path}/plan?plan=draft")).await.expect(200).etag();
        let request = town.coordinator.request(Method::POST, &format!("{path}/plan/{act}")).header("if-match", etag);
        let request = if act == "suggest" { request.json(&json!({})) } else { request };
        let answer = town.coordinator.send(request).await;
        assert!(answer.status < 300, "{act}: {:#}", answer.body);
    }
    let item = json!({
        "sme_id": town.sme, "variant_id": product.text("/variants/0/id"), "units_planned": 40, "exhibition_price": { "value": "20000" },
    });
    town.owner.post(&format!("{path}/lineup"), item).await.expect(201);
    let foreign = json!({ "sme_id": third.sme, "variant_id": product.text("/variants/0/id"), "units_planned": 1 });
    assert_eq!(third.owner.post(&format!("{path}/lineup"), foreign).await.expect(422).text("/errors/0/pointer"), "/variant_id");
    let paper = json!({ "title": { "id": "Tata tertib" }, "body": { "id": "Bongkar muat pukul 07.00." }, "must_acknowledge": true });
    let paper = town.coordinator.post(&format!("{path}/documents"), paper).await.expect(201);
    let acknowledge = format!("{path}/documents/{}/acknowledgements/{}", paper.text("/id"), dodol.id());
    for _ in 0..2 {
        town.owner.send(town.owner.request(Method::PUT, &acknowledge)).await.expect(200);
    }
    let read_by = async || town.coordinator.get(&format!("{path}/documents")).await.expect(200).body["data"][0]["acknowledged_by"].clone();
    assert_eq!(read_by().await, json!([dodol.id()]));
    let changed = json!({ "title": { "id": "Tata tertib" }, "body": { "id": "Pukul 06.00." }, "must_acknowledge": true });
    town.coordinator.put(&format!("{path}/documents/{}", paper.text("/id")), &paper.etag(), changed).await.expect(200);
    assert_eq!(read_by().await, json!([]), "what changed has to be read again");

    // The buyer sees who shows what, and where.
    town.coordinator.post_empty(&format!("{path}/publish-lineup")).await.expect(200);
    let lineup = buyer.get("/v1/storefront/exhibitions/bali/lineup").await.expect(200);
    let places = json!([{ "booth": "A-02", "batch_id": batch }]);
    assert_eq!(
        (&lineup.body["data"][0]["places"], &lineup.body["data"][0]["exhibition_price"]["display"]),
        (&places, &json!("Rp20.000")),
        "{:#}",
        lineup.body
    );
    for (query, found) in [
        (format!("exhibition=bali&batch={batch}&booth=A-02"), 1),
        (format!("batch={batch}"), 1),
        ("exhibition=bali&booth=A-99".into(), 0),
        (format!("exhibition=bali&batch={}", uuid::Uuid::now_v7()), 0),
    ] {
        let listed = buyer.get(&format!("/v1/storefront/products?{query}")).await.expect(200);
        assert_eq!(listed.body["page"]["total_estimate"], found, "{query}");
    }
    assert_eq!(buyer.get("/v1/storefront/exhibitions/bali/booths").await.expect(200).body["data"].as_array().unwrap().len(), 2);
    let packing = town.coordinator.send(town.coordinator.request(Method::GET, &format!("{path}/packing.csv"))).await.expect(200);
    assert_eq!(packing.header("content-disposition"), "attachment; filename=\"bali-packing.csv\"");
    assert_eq!(packing.content().lines().nth(1), Some("\"A-02\",\"Dodol Cisadane\",\"Dodol\",,false,40,,"));

    // On the day: in by code, as often as it is shown.
    town.coordinator.post_empty(&format!("{path}/start")).await.expect(200);
    let door = format!("{path}/check-ins");
    let dodol_code = dodol.owner.get(&dodol.path).await.expect(200).text("/check_in_code");
    let typed = json!({ "code": format!("{}-{}", dodol_code[..4].to_lowercase(), &dodol_code[4..]) });
    let first = town.officer.post(&door, typed.clone()).await.expect(200);
    assert_eq!(
        (first.text("/brand_name"), &first.body["booths"], &first.body["is_repeat"]),
        ("Dodol Cisadane".into(), &json!(["A-02"]), &json!(false))
    );
    let again = town.officer.post(&door, typed).await.expect(200);
    assert_eq!((&again.body["at"], &again.body["is_repeat"]), (&first.body["at"], &json!(true)));
    assert!(first.text("/at/at").ends_with("+08:00"));
    assert_eq!(town.officer.post(&door, json!({ "code": "NOPE" })).await.expect(422).text("/errors/0/pointer"), "/code");
    town.officer.post(&format!("{path}/no-shows"), json!({ "application_ids": [third.id()] })).await.expect(204);
    assert_eq!(third.owner.get(&third.path).await.expect(200).text("/status"), "no_show");
    town.officer.post(&door, json!({ "code": code })).await.expect(200);
    assert_eq!(third.owner.get(&third.path).await.expect(200).text("/status"), "attended", "late, but there");

    // Reports: what nobody said is not zero.
    let report = |who: &Applicant, day: NaiveDate| format!("{path}/reports/{}/{day}", who.id());
    let sold = json!({ "sales": { "value": "1250000" }, "transactions": 40, "units": 55, "orders": { "value": "500000" }, "note": "=1+1" });
    let reported = put(&dodol.owner, &report(&dodol, yesterday()), sold.clone()).await.expect(200);
    put(&dodol.owner, &report(&dodol, today()), json!({ "sales": { "value": "0" }, "transactions": 0, "units": 0 })).await.expect(200);
    assert_eq!(put(&dodol.owner, &report(&dodol, yesterday()), sold.clone()).await.expect(428).text("/code"), "precondition_required");
    put(&third.owner, &report(&dodol, today()), sold.clone()).await.expect(404);
    assert_eq!(put(&dodol.owner, &report(&dodol, after(1)), sold.clone()).await.expect(409).text("/reason"), "not_an_exhibitor");
    let implausible = json!({ "sales": { "value": "1000" }, "transactions": 0, "units": 0 });
    assert_eq!(put(&third.owner, &report(&third, today()), implausible).await.expect(422).text("/errors/0/code"), "implausible");
    let correction = json!({ "sales": { "value": "1200000" }, "transactions": 39, "units": 54, "note": "=1+1" });
    let corrected = town.coordinator.put(&report(&dodol, yesterday()), &reported.etag(), correction).await.expect(200);
    assert_eq!(corrected.text("/state"), "corrected");
    let days = town.coordinator.get(&format!("{path}/reports")).await.expect(200);
    let silent = days.body["data"].as_array().unwrap().iter().filter(|day| day["state"] == "not_reported").collect::<Vec<_>>();
    assert_eq!(silent.len(), 2);
    assert!(silent.iter().all(|day| day["sales"].is_null() && day["application_id"] == third.id()));
    let results = town.coordinator.get(&format!("{path}/results")).await.expect(200);
    let total = &results.body["results"]["total"];
    assert_eq!((&total["reports"], &total["reports_due"], &total["coverage_bp"]), (&json!(2), &json!(4), &json!(5_000)));
    assert_eq!((&total["sales"]["display"], &total["sales_per_report"]["display"]), (&json!("Rp1.200.000"), &json!("Rp600.000")));
    assert_eq!((&results.body["results"]["exhibitors"], &results.body["results"]["reporting"]), (&json!(2), &json!(1)));
    curator.get(&format!("{path}/results")).await.expect(403);

    let file = async |name: &str| town.coordinator.get(&format!("{path}/{name}")).await.expect(200);
    let csv = file("results.csv").await.content();
    assert_eq!(csv.lines().count(), 5);
    assert!(csv.contains(&format!("{},\"Dodol Cisadane\",\"corrected\",1200000,39,54,,0,\"'=1+1\"\r\n", yesterday())), "{csv}");
    assert!(csv.contains(&format!("{},\"tiga\",\"not_reported\",,,,,,\r\n", today())), "{csv}");
    let mut book = Xlsx::new(Cursor::new(file("results.xlsx").await.bytes().to_vec())).unwrap();
    assert_eq!(book.sheet_names(), ["Summary", "Days", "Exhibitors", "Reports"]);
    let summary = book.worksheet_range("Summary").unwrap();
    assert_eq!((summary.get_value((5, 3)), summary.get_value((5, 4))), (Some(&Data::Float(50.0)), Some(&Data::Float(1_200_000.0))));
    assert_eq!(book.worksheet_range("Reports").unwrap().rows().filter(|row| row[6] == Data::String("=1+1".into())).count(), 1, "text, not a formula");

    // The end: what was shown is a record, and what is suspended is gone from the public all the same.
    town.coordinator.post_empty(&format!("{path}/complete")).await.expect(200);
    world.execute("update product_variants set price_minor = 9900000", vec![]).await.unwrap();
    let record = town.coordinator.get(&format!("{path}/lineup")).await.expect(200);
    assert_eq!(record.body["data"][0]["price"]["display"], "Rp25.000", "as it was shown");
    let product = product.text("/id");
    town.officer.post(&format!("/v1/products/{product}/suspend"), json!({ "reason": "Uji." })).await.expect(200);
    assert_eq!(buyer.get("/v1/storefront/exhibitions/bali/lineup").await.expect(200).body["data"], json!([]));

    // Next year, without anybody's place.
    let next = json!({ "slug": "bali-lagi", "dates": { "starts_on": after(364), "ends_on": after(365), "precision": "day" } });
    let next = town.coordinator.post(&format!("{path}/clone"), next).await.expect(201);
    let renewed = format!("/v1/exhibitions/{}", next.text("/id"));
    assert_eq!(
        (next.text("/status"), next.text("/opening_hours/0/day"), &next.body["lineup_is_frozen"]),
        ("draft".into(), after(365).to_string(), &json!(false))
    );
    let plan = town.coordinator.get(&format!("{renewed}/plan?plan=draft")).await.expect(200);
    assert_eq!(
        (plan.body["booths"].as_array().unwrap().len(), plan.text("/batches/0/starts_on"), &plan.body["assignments"]),
        (2, after(364).to_string(), &json!([]))
    );
    assert_eq!(town.coordinator.get(&format!("{renewed}/applications")).await.expect(200).body["data"], json!([]));
    let call = town.coordinator.get(&format!("{renewed}/call")).await.expect(200);
    assert_eq!((&call.body["taken"], call.text("/closes_at/local")), (&json!(0), format!("{}T17:00", after(368))));
    let documents = town.coordinator.get(&format!("{renewed}/documents")).await.expect(200);
    assert_eq!((documents.text("/data/0/title/id"), &documents.body["data"][0]["acknowledged_by"]), ("Tata tertib".into(), &json!([])));
    assert_eq!(town.coordinator.get(&format!("{renewed}/rubric")).await.expect(200).body["categories"].as_array().unwrap().len(), 4);
    let compared = town.coordinator.get(&format!("{renewed}/results")).await.expect(200);
    assert_eq!((compared.text("/others/0/title/id"), &compared.body["others"][0]["total"]["coverage_bp"]), ("Pameran Bali".into(), &json!(5_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_announcement_to_the_results_as_five_people_on_sqlite() {
    play(World::start(Engine::Sqlite, |config| config.release_by_second_person = true).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_announcement_to_the_results_as_five_people_on_postgresql() {
    play(World::start(Engine::Postgresql, |config| config.release_by_second_person = true).await).await;
}
