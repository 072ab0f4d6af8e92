//! Review without conflicts of interest, and a selection that can be repeated and explained.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    applications::{Applicant, applicant, close, open_exhibition, release},
    world::{Answer, Engine, Person, Town, World},
};

fn uuid(text: &str) -> sea_orm::Value {
    Uuid::parse_str(text).unwrap().into()
}

/// Somebody on the staff of the town's agency.
pub async fn staff(town: &Town, world: &World, role: &str, name: &str) -> Person {
    let invitation = json!({ "email": format!("{name}@example.org"), "role": role });
    let invited = town.operator.post(&format!("/v1/agencies/{}/invitations", town.agency), invitation).await.expect(201);
    let accept = json!({ "token": invited.text("/token"), "display_name": name, "password": crate::world::PASSWORD });
    let token = world.public().post("/v1/auth/accept-invitation", accept).await.expect(200).text("/token");
    Person { token: Some(token), ..world.public() }
}

pub async fn id_of(person: &Person) -> String {
    person.get("/v1/me").await.expect(200).text("/id")
}

pub async fn share(town: &Town, path: &str, reviewers: &[String], each: u32) -> Answer {
    town.coordinator.post(&format!("{path}/review-assignments"), json!({ "reviewer_ids": reviewers, "per_application": each })).await
}

/// Gives every required category the same score.
pub async fn judge(reviewer: &Person, path: &str, application: &str, score: i64) -> Answer {
    let rubric = reviewer.get(&format!("{path}/rubric")).await.expect(200);
    let scores = rubric.body["categories"].as_array().unwrap().iter().map(|category| json!({ "category_id": category["id"], "score": score }));
    let body = json!({ "scores": scores.collect::<Vec<_>>(), "comment": "Rapi." });
    reviewer.send(reviewer.request(Method::PUT, &format!("{path}/applications/{application}/reviews")).json(&body)).await
}

async fn set_phase(town: &Town, path: &str, phase: Value) -> Answer {
    let phases = format!("{path}/phases");
    let etag = town.coordinator.get(&phases).await.expect(200).etag();
    town.coordinator.put(&phases, &etag, json!({ "phases": [phase] })).await
}

fn review_phase(see_others: &str, is_blind: bool) -> Value {
    json!({ "name": { "id": "Penilaian" }, "can_review": true, "see_others": see_others, "is_blind": is_blind, "is_active": true })
}

/// A closed call with applicants and two curators.
struct Jury {
    town: Town,
    path: String,
    applicants: Vec<Applicant>,
    curators: Vec<Person>,
    ids: Vec<String>,
}

impl Jury {
    async fn new(world: &World, names: &[&str], capacity: i64) -> Self {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", capacity).await;
        let mut applicants = Vec::new();
        for name in names {
            applicants.push(applicant(world, &town, &exhibition, name).await);
        }
        close(&town, &exhibition).await;
        let curators = vec![staff(&town, world, "curator", "kurator-a").await, staff(&town, world, "curator", "kurator-b").await];
        let ids = vec![id_of(&curators[0]).await, id_of(&curators[1]).await];
        Self { path: format!("/v1/exhibitions/{exhibition}"), town, applicants, curators, ids }
    }

    async fn run(&self, body: Value) -> Answer {
        self.town.coordinator.post(&format!("{}/selection-runs", self.path), body).await
    }
}

/// One more applicant, though the call is closed.
async fn applicant_by_hand(world: &World, town: &Town, exhibition: &str, name: &str) -> String {
    let owner = world.newcomer(name, false).await;
    let sme = town.new_sme(&owner, name).await;
    let until = json!({ "until": "2030-03-05T17:00" });
    town.coordinator.put(&format!("/v1/exhibitions/{exhibition}/call/graces/{sme}"), "*", until).await.expect(200);
    owner.post(&format!("/v1/exhibitions/{exhibition}/applications"), json!({ "sme_id": sme })).await.expect(201).text("/id")
}

fn order(run: &Answer) -> Vec<String> {
    run.body["result"]["lines"].as_array().unwrap().iter().map(|line| line["application_id"].as_str().unwrap().to_owned()).collect()
}

on_both! {
    async fn nobody_reviews_an_sme_they_belong_to_or_mentor_and_the_database_holds_it(world: World) {
        let jury = Jury::new(&world, &["satu", "dua"], 2).await;
        let (town, first, second) = (&jury.town, &jury.applicants[0], &jury.applicants[1]);
        let mentors = format!("/v1/smes/{}/mentors", first.sme);
        town.coordinator.post(&mentors, json!({ "user_id": jury.ids[0] })).await.expect(200);
        let owner = id_of(&first.owner).await;
        assert_eq!(town.coordinator.post(&mentors, json!({ "user_id": owner })).await.expect(422).text("/errors/0/pointer"), "/user_id");
        let shared = share(town, &jury.path, &jury.ids, 2).await.expect(200);
        assert_eq!((&shared.body["assigned"], &shared.body["short"]), (&json!(3), &json!([first.id()])), "{:#}", shared.body);
        assert_eq!(judge(&jury.curators[0], &jury.path, first.id(), 5).await.expect(403).text("/reason"), "reviewer_has_conflict");
        judge(&jury.curators[1], &jury.path, first.id(), 4).await.expect(200);
        let exhibition = jury.path.rsplit('/').next().unwrap();
        let now = || sea_orm::Value::from(chrono::Utc::now());
        for person in [&owner, &jury.ids[0]] {
            let review = "insert into reviews (application_id, reviewer_id, exhibition_id, comment, created_at, updated_at) values (?, ?, ?, '', ?, ?)";
            assert!(world.execute(review, vec![uuid(first.id()), uuid(person), uuid(exhibition), now(), now()]).await.is_err(), "{person}");
            let assign = "insert into review_assignments (application_id, reviewer_id, exhibition_id, created_at) values (?, ?, ?, ?)";
            assert!(world.execute(assign, vec![uuid(first.id()), uuid(person), uuid(exhibition), now()]).await.is_err(), "{person}");
        }
        let steal = "update reviews set reviewer_id = ? where application_id = ?";
        assert!(world.execute(steal, vec![uuid(&jury.ids[0]), uuid(first.id())]).await.is_err());
        assert!(world.execute("update review_scores set score = 6", vec![]).await.is_err());
        assert!(world.execute("update review_phases set is_active = 1", vec![]).await.is_err(), "one phase is active");
        // Whoever becomes a mentor later has a review that no longer counts.
        let line = |run: &Answer| run.body["result"]["lines"].as_array().unwrap().iter().find(|line| line["application_id"] == first.id()).unwrap().clone();
        assert_eq!(line(&jury.run(json!({})).await.expect(201))["score_centi"], 400);
        town.coordinator.post(&mentors, json!({ "user_id": jury.ids[1] })).await.expect(200);
        let after = line(&jury.run(json!({})).await.expect(201));
        assert_eq!((&after["score_centi"], after["reason"]["en"].as_str().unwrap()), (&Value::Null, "Not reviewed enough: 0 of 1 reviews."));
        judge(&jury.curators[0], &jury.path, second.id(), 3).await.expect(200);
    }

    async fn the_scores_of_others_stay_hidden_until_ones_own_and_names_while_the_review_is_blind(world: World) {
        let jury = Jury::new(&world, &["satu"], 1).await;
        let (one, other, application) = (&jury.curators[0], &jury.curators[1], jury.applicants[0].id());
        let reviews = format!("{}/applications/{application}/reviews", jury.path);
        assert_eq!(one.get(&reviews).await.expect(403).text("/reason"), "not_assigned");
        share(&jury.town, &jury.path, &jury.ids, 2).await.expect(200);
        judge(one, &jury.path, application, 5).await.expect(200);
        let hidden = other.get(&reviews).await.expect(200);
        assert_eq!((&hidden.body["others_hidden"], &hidden.body["reviews"], &hidden.body["mean_centi"]), (&json!(true), &json!([]), &Value::Null));
        let seen = judge(other, &jury.path, application, 2).await.expect(200);
        assert_eq!((seen.body["reviews"].as_array().unwrap().len(), &seen.body["mean_centi"]), (2, &json!(350)));
        assert_eq!(jury.town.coordinator.get(&reviews).await.expect(200).body["mean_centi"], 350, "who oversees sees all");

        set_phase(&jury.town, &jury.path, review_phase("never", true)).await.expect(200);
        let queue = one.get(&format!("{}/review-queue", jury.path)).await.expect(200);
        let case = &queue.body["data"][0];
        assert!(!queue.body.to_string().contains("satu") && case["label"].as_str().unwrap().starts_with("Pendaftar "), "{:#}", queue.body);
        assert_eq!((&case["sme_id"], &case["products"][0]["product_id"], &case["products"][0]["title"]["id"]), (&Value::Null, &Value::Null, &json!("Kemeja")));
        for path in [format!("{}/applications", jury.path), format!("{}/applications/{application}", jury.path), format!("{}/exhibitors", jury.path)] {
            assert_eq!(one.get(&path).await.expect(403).text("/reason"), "blind_phase", "{path}");
            jury.town.officer.get(&path).await.expect(200);
        }
        assert_eq!(one.get(&reviews).await.expect(200).body["reviews"].as_array().unwrap().len(), 1, "never: one's own only");

        let over = json!({ "name": { "id": "Penilaian" }, "can_review": true, "see_others": "always", "ends_at": "2020-01-01T09:00", "is_active": true });
        set_phase(&jury.town, &jury.path, over).await.expect(200);
        let late = judge(one, &jury.path, application, 1).await.expect(409);
        assert!(late.text("/reason") == "phase_over" && late.text("/detail").contains("WIB"), "{:#}", late.body);
        let none = set_phase(&jury.town, &jury.path, json!({ "name": { "id": "x" }, "can_review": true, "see_others": "always", "is_active": false })).await;
        assert_eq!(none.expect(422).text("/errors/0/code"), "one_active");
    }

    async fn many_applicants_cost_no_more_statements_than_few(world: World) {
        let few = Jury::new(&world, &["satu", "dua"], 2).await;
        // The watcher of the catalogue version and the jobs ask now and then; the fewest of some tries is what the request takes.
        let fewest = async || {
            let mut all = Vec::new();
            for path in ["applications", "review-assignments", "review-queue", "check-ins", "reports", "results", "plan?plan=draft", "selection-runs", "run", "apply"] {
                let mut fewest = u64::MAX;
                for _ in 0..6 {
                    let before = world.app.database.statements();
                    let answer = match path {
                        "run" => few.run(json!({ "seed": 1, "min_reviews": 0 })).await,
                        "apply" => {
                            let run = few.town.coordinator.get(&format!("{}/selection-runs", few.path)).await.text("/data/0/id");
                            let request = few.town.coordinator.request(Method::POST, &format!("{}/selection-runs/{run}/apply", few.path));
                            few.town.coordinator.send(request.header("if-match", "*")).await
                        }
                        _ => few.town.coordinator.get(&format!("{}/{path}", few.path)).await,
                    };
                    assert!(answer.status < 300, "{path}: {:#}", answer.body);
                    fewest = fewest.min(world.app.database.statements() - before);
                }
                all.push((path, fewest));
            }
            all
        };
        share(&few.town, &few.path, &few.ids[..1], 1).await.expect(200);
        for who in &few.applicants {
            judge(&few.curators[0], &few.path, who.id(), 4).await.expect(200);
        }
        let with_two = fewest().await;
        let exhibition = few.path.rsplit('/').next().unwrap();
        for name in ["tiga", "empat", "lima", "enam"] {
            let grown = applicant_by_hand(&world, &few.town, exhibition, name).await;
            world.execute("update applications set status = 'under_review' where id = ?", vec![uuid(&grown)]).await.unwrap();
        }
        share(&few.town, &few.path, &few.ids[..1], 1).await.expect(200);
        assert_eq!(fewest().await, with_two);
    }

    async fn a_reviewer_steps_aside_with_a_reason_and_the_work_goes_to_somebody_else(world: World) {
        let jury = Jury::new(&world, &["satu", "dua"], 1).await;
        share(&jury.town, &jury.path, &jury.ids[..1], 1).await.expect(200);
        let aside = format!("{}/applications/{}/recuse", jury.path, jury.applicants[0].id());
        assert_eq!(jury.curators[0].post(&aside, json!({})).await.expect(422).text("/errors/0/pointer"), "/reason");
        jury.curators[0].post(&aside, json!({ "reason": "Saudara saya." })).await.expect(204);
        assert_eq!(judge(&jury.curators[0], &jury.path, jury.applicants[0].id(), 5).await.expect(403).text("/reason"), "recused");
        let again = share(&jury.town, &jury.path, &jury.ids, 1).await.expect(200);
        assert_eq!(again.body["assigned"], 1, "only what is missing, and to the other one");
        judge(&jury.curators[1], &jury.path, jury.applicants[0].id(), 4).await.expect(200);
        let progress = jury.town.coordinator.get(&format!("{}/review-assignments", jury.path)).await.expect(200);
        let of = |index: usize| progress.body["data"].as_array().unwrap().iter().find(|row| row["reviewer_id"] == jury.ids[index].as_str()).unwrap().clone();
        assert_eq!((&of(0)["assigned"], &of(0)["recused"], &of(1)["reviewed"]), (&json!(1), &json!(1), &json!(1)));
        let rubric = format!("{}/rubric", jury.path);
        let etag = jury.town.coordinator.get(&rubric).await.expect(200).etag();
        let new = json!({ "categories": [{ "name": { "id": "Rasa" }, "weight_bp": 10000 }] });
        assert_eq!(jury.town.coordinator.put(&rubric, &etag, new).await.expect(409).text("/reason"), "already_scored");
    }

    async fn what_is_judged_is_set_before_the_first_score_under_the_version_of_the_call(world: World) {
        let jury = Jury::new(&world, &["satu"], 1).await;
        let (town, rubric, phases) = (&jury.town, format!("{}/rubric", jury.path), format!("{}/phases", jury.path));
        let usual = town.officer.get(&rubric).await.expect(200);
        let weights: Vec<i64> = usual.body["categories"].as_array().unwrap().iter().map(|one| one["weight_bp"].as_i64().unwrap()).collect();
        assert_eq!(weights, [5_000, 2_500, 2_500, 0]);
        let category = |name: &str, weight: i64, is_required: bool| json!({ "name": { "id": name }, "weight_bp": weight, "is_required": is_required });
        let new = json!({ "categories": [category("Rasa", 7_500, true), category("Kemasan", 2_500, false)] });
        for (categories, pointer) in [
            (json!([category("Rasa", 0, true)]), "/categories"), (json!([category(" ", 1, true)]), "/categories/0/name/id"),
            (json!([category("Rasa", 1, true), category("Kemasan", 10_001, true)]), "/categories/1/weight_bp"), (json!([]), "/categories"),
        ] {
            town.coordinator.put(&rubric, &usual.etag(), json!({ "categories": categories })).await.refuses(pointer);
        }
        town.officer.put(&rubric, "*", new.clone()).await.expect(403);
        let set = town.coordinator.put(&rubric, &usual.etag(), new.clone()).await.expect(200);
        town.coordinator.put(&rubric, &usual.etag(), new).await.expect(412);
        let read = jury.curators[0].get(&rubric).await.expect(200);
        assert_eq!((*read.body == *set.body, read.etag()), (true, set.etag()));
        read.has("/categories/0", &category("Rasa", 7_500, true));
        read.has("/categories/1", &category("Kemasan", 2_500, false));

        share(town, &jury.path, &jury.ids[..1], 1).await.expect(200);
        let reviews = format!("{}/applications/{}/reviews", jury.path, jury.applicants[0].id());
        let (taste, packing) = (read.text("/categories/0/id"), read.text("/categories/1/id"));
        let score = |category: &str, score: i64| json!({ "category_id": category, "score": score });
        let write = async |scores: Value| jury.curators[0].put(&reviews, "*", json!({ "scores": scores, "comment": "Enak." })).await;
        for (scores, pointer) in [
            (json!([score(&packing, 3)]), "/scores"), (json!([score(&taste, 6)]), "/scores/0/score"), (json!([score(&taste, 3), score(&town.sme, 3)]), "/scores/1/category_id"),
            (json!([score(&taste, 3), score(&taste, 4)]), "/scores/1/category_id"),
        ] {
            write(scores).await.refuses(pointer);
        }
        let written = write(json!([score(&taste, 5), score(&packing, 3)])).await.expect(200);
        assert_eq!(written.body["mean_centi"], 450, "three quarters of 5 and one of 3");
        written.has("/reviews/0", &json!({ "is_own": true, "counts": true, "comment": "Enak.", "reviewer": "kurator-a" }));
        assert_eq!(write(json!([score(&taste, 4)])).await.expect(200).body["mean_centi"], 400, "in place of the earlier one");
        town.coordinator.put(&rubric, "*", json!({ "categories": [category("Rasa", 1, true)] })).await.conflicts("already_scored");

        let two = town.officer.get(&phases).await.expect(200);
        assert_eq!((two.text("/phases/0/see_others"), &two.body["phases"][1]["can_review"]), ("after_own".into(), &json!(false)));
        let phase = |name: &str, ends_at: Option<&str>, is_active: bool| json!({
            "name": { "id": name }, "can_review": true, "see_others": "always", "is_blind": false, "ends_at": ends_at, "is_active": is_active,
        });
        for (phases_sent, pointer) in [
            (json!([phase("Satu", Some("besok"), true)]), "/phases/0/ends_at"), (json!([phase("Satu", None, true), phase("Dua", None, true)]), "/phases"),
            (json!([phase("", None, true)]), "/phases/0/name/id"),
        ] {
            town.coordinator.put(&phases, "*", json!({ "phases": phases_sent })).await.refuses(pointer);
        }
        let sent = json!({ "phases": [phase("Satu", Some("2030-03-10T17:00"), false), phase("Dua", None, true)] });
        town.officer.put(&phases, "*", sent.clone()).await.expect(403);
        town.coordinator.put(&phases, "\"1\"", sent.clone()).await.expect(412);
        town.coordinator.put(&phases, &two.etag(), sent.clone()).await.expect(200).has("", &sent);
        let read = jury.curators[1].get(&phases).await.expect(200);
        assert_eq!((&read.body["phases"], read.etag() != two.etag()), (&sent["phases"], true));
    }

    async fn a_review_is_taken_back_by_who_wrote_it_and_work_by_who_gave_it(world: World) {
        let jury = Jury::new(&world, &["satu", "dua"], 1).await;
        let (town, one) = (&jury.town, &jury.curators[0]);
        share(town, &jury.path, &jury.ids[..1], 1).await.expect(200);
        let application = jury.applicants[0].id();
        let reviews = format!("{}/applications/{application}/reviews", jury.path);
        let queue = async || one.get(&format!("{}/review-queue", jury.path)).await.expect(200);
        let done = async || queue().await.body["data"].as_array().unwrap().iter().map(|case| case["is_reviewed"].as_bool().unwrap()).collect::<Vec<_>>();
        assert_eq!((queue().await.column("/label"), done().await), (vec!["satu".into(), "dua".into()], vec![false, false]));
        judge(one, &jury.path, application, 5).await.expect(200);
        assert_eq!(done().await, [true, false]);
        let first = one.get(&format!("{}/review-queue?limit=1", jury.path)).await.expect(200);
        let rest = one.get(&format!("{}/review-queue?limit=1&cursor={}", jury.path, first.text("/page/next_cursor"))).await.expect(200);
        assert_eq!((first.column("/label"), rest.column("/label")), (vec!["satu".into()], vec!["dua".into()]));
        jury.curators[1].delete(&reviews, "*").await.expect(404);
        one.delete(&reviews, "*").await.expect(204);
        let none = town.coordinator.get(&reviews).await.expect(200);
        assert_eq!((&none.body["reviews"], &none.body["mean_centi"]), (&json!([]), &Value::Null));
        assert_eq!(done().await, [false, false]);
        one.delete(&reviews, "*").await.expect(404);

        judge(one, &jury.path, application, 4).await.expect(200);
        let given = format!("{}/review-assignments/{application}/{}", jury.path, jury.ids[0]);
        town.officer.delete(&given, "*").await.expect(403);
        town.coordinator.delete(&given, "*").await.expect(204);
        town.coordinator.delete(&given, "*").await.expect(404);
        assert_eq!(queue().await.column("/label"), ["dua"]);
        assert_eq!(judge(one, &jury.path, application, 1).await.expect(403).text("/reason"), "not_assigned");
        let kept = town.coordinator.get(&reviews).await.expect(200);
        assert_eq!((kept.body["reviews"].as_array().unwrap().len(), &kept.body["mean_centi"]), (1, &json!(400)), "what was written stays");
        let progress = town.officer.get(&format!("{}/review-assignments", jury.path)).await.expect(200);
        progress.has("/data/0", &json!({ "reviewer_id": jury.ids[0], "reviewer": "kurator-a", "assigned": 1, "reviewed": 0, "recused": 0 }));
        let phase = json!({ "name": { "id": "Seleksi" }, "can_review": false, "see_others": "always", "is_active": true });
        set_phase(town, &jury.path, phase).await.expect(200);
        one.delete(&reviews, "*").await.conflicts("not_in_review");
        town.officer.get(&reviews).await.expect(403);
    }

    async fn runs_of_a_selection_are_kept_with_who_made_them_and_from_what(world: World) {
        let jury = Jury::new(&world, &["satu", "dua"], 1).await;
        let runs = format!("{}/selection-runs", jury.path);
        assert_eq!(jury.town.coordinator.get(&runs).await.expect(200).count(), 0);
        let first = jury.run(json!({ "seed": 3, "min_reviews": 0 })).await.expect(201);
        let second = jury.run(json!({ "seed": 4, "min_reviews": 0, "places": 2, "waitlist": 0 })).await.expect(201);
        assert_eq!(first.header("location"), format!("{runs}/{}", first.text("/id")));
        let listed = jury.town.coordinator.get(&runs).await.expect(200);
        assert_eq!(listed.column("/id"), [second.text("/id"), first.text("/id")], "the newest first");
        listed.has("/data/1", &json!({ "params": first.body["params"], "inputs_sha256": first.text("/inputs_sha256"), "created_by": id_of(&jury.town.coordinator).await }));
        listed.has("/data/0/params", &json!({ "seed": 4, "places": 2, "waitlist": 0, "history_years": 3, "participation_penalty_centi": 30 }));
        assert_eq!((listed.body["data"][0].get("result"), first.body["params"]["places"].as_i64()), (None, Some(1)), "the places of the call");
        for (name, pointer) in [("places", "/places"), ("history_years", "/history_years"), ("min_reviews", "/min_reviews")] {
            jury.run(json!({ name: 10_001 })).await.refuses(pointer);
        }
        jury.town.officer.get(&runs).await.expect(403);
        jury.curators[0].get(&format!("{runs}/{}", first.text("/id"))).await.expect(403);
        jury.town.coordinator.get(&format!("{runs}/{}", jury.town.sme)).await.expect(404);
    }

    async fn a_selection_is_repeated_explained_compared_and_becomes_prepared_decisions(world: World) {
        let jury = Jury::new(&world, &["satu", "dua", "tiga"], 2).await;
        share(&jury.town, &jury.path, &jury.ids[..1], 1).await.expect(200);
        for (who, score) in jury.applicants.iter().zip([5, 4, 3]) {
            judge(&jury.curators[0], &jury.path, who.id(), score).await.expect(200);
        }
        // The first took part three times in exhibitions of the agency.
        for index in 0..3 {
            let past = jury.town.exhibition(&format!("dulu-{index}")).await;
            jury.town.coordinator.post(&format!("/v1/exhibitions/{past}/exhibitors"), json!({ "sme_id": jury.applicants[0].sme })).await.expect(201);
            let held = "update exhibitions set status = 'completed', starts_on = '2029-05-01', ends_on = '2029-05-04' where id = ?";
            world.execute(held, vec![uuid(&past)]).await.unwrap();
        }
        let plain = jury.run(json!({ "seed": 7, "participation_penalty_centi": 0 })).await.expect(201);
        let id = |index: usize| jury.applicants[index].id().to_owned();
        assert_eq!(order(&plain), [id(0), id(1), id(2)]);
        let fair = jury.run(json!({
            "seed": 7, "participation_penalty_centi": 80, "most_penalty_centi": 500, "waitlist": 1, "quotas": [{ "kind": "first_timer", "places": 1 }],
        })).await.expect(201);
        assert_eq!(order(&fair), [id(1), id(2), id(0)], "500 less 3 × 80");
        assert_eq!((&fair.body["is_reproduced"], &fair.body["result"]["quotas"][0]["filled"]), (&json!(true), &json!(1)));
        let last = &fair.body["result"]["lines"][2];
        assert_eq!(last["proposal"], "waitlist");
        assert!(last["reason"]["id"].as_str().unwrap().contains("ikut 3 kali dalam 3 tahun terakhir"), "{last:#}");
        assert_eq!(plain.text("/inputs_sha256"), fair.text("/inputs_sha256"), "only the parameters differ");
        let compare = format!("{}/selection-runs/{}/comparison?with={}", jury.path, fair.text("/id"), plain.text("/id"));
        let comparison = jury.town.coordinator.get(&compare).await.expect(200);
        assert_eq!((comparison.text("/only_in_this/0/application_id"), comparison.text("/only_in_other/0/application_id")), (id(2), id(0)));
        let read = jury.town.coordinator.get(&format!("{}/selection-runs/{}", jury.path, fair.text("/id"))).await.expect(200);
        assert_eq!(read.body["result"], fair.body["result"]);
        assert!(world.execute("update selection_runs set result = inputs", vec![]).await.is_err(), "a run is a record");
        let unknown = jury.run(json!({ "quotas": [{ "kind": "category", "scope": "tidak-ada", "places": 1 }] })).await.expect(422);
        assert_eq!(unknown.text("/errors/0/pointer"), "/quotas/0/scope");

        let decisions = format!("{}/decisions", jury.path);
        let etag = jury.town.coordinator.get(&decisions).await.expect(200).etag();
        let apply = async |run: &Answer, etag: &str| {
            let request = jury.town.coordinator.request(Method::POST, &format!("{}/selection-runs/{}/apply", jury.path, run.text("/id")));
            jury.town.coordinator.send(request.header("if-match", etag)).await
        };
        let set = apply(&fair, &etag).await.expect(200);
        assert_eq!((&set.body["accept"], &set.body["waitlist"], &set.body["reject"]), (&json!(2), &json!(1), &json!(0)));
        apply(&fair, &etag).await.expect(412);
        // One more review, and what was explained is no longer what would be decided.
        judge(&jury.curators[0], &jury.path, jury.applicants[2].id(), 1).await.expect(200);
        assert_eq!(apply(&fair, &set.etag()).await.expect(409).text("/reason"), "inputs_changed");
        let exhibition = jury.path.rsplit('/').next().unwrap().to_owned();
        let etag = jury.town.coordinator.get(&decisions).await.expect(200).etag();
        release(&jury.town, &exhibition, &etag).await.expect(200);
        let told = jury.applicants[0].owner.get(&format!("/v1/smes/{}/notices", jury.applicants[0].sme)).await.expect(200);
        assert!(told.text("/data/0/message/en").contains("took part 3 times in the last 3 years"), "{:#}", told.body);
    }
}
