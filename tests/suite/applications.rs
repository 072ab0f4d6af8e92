//! From the call to a confirmed place: documents, deadline, decisions, waitlist.

use chrono::{Duration, Utc};
use etalase::exhibitions::applications::service;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Answer, Engine, Person, Town, World};

fn uuid(text: &str) -> sea_orm::Value {
    Uuid::parse_str(text).unwrap().into()
}

/// An SME that applied, with all that is asked for.
pub struct Applicant {
    pub owner: Person,
    pub sme: String,
    pub path: String,
}

impl Applicant {
    pub async fn step(&self, step: &str) -> Answer {
        self.owner.post_empty(&format!("{}/{step}", self.path)).await
    }

    async fn status(&self) -> String {
        self.owner.get(&self.path).await.expect(200).text("/status")
    }

    pub fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }
}

pub async fn open_exhibition(town: &Town, slug: &str, capacity: i64) -> String {
    let exhibition = town.exhibition(slug).await;
    town.call(&exhibition, capacity).await;
    announce_and_open(town, &exhibition).await;
    exhibition
}

/// The clock may open a call in the moment between.
pub async fn announce_and_open(town: &Town, exhibition: &str) {
    let path = format!("/v1/exhibitions/{exhibition}");
    town.coordinator.post_empty(&format!("{path}/announce")).await.expect(200);
    let opened = town.coordinator.post_empty(&format!("{path}/open")).await;
    let status = town.coordinator.get(&path).await.expect(200).text("/status");
    assert_eq!(status, "applications_open", "{:#}", opened.body);
}

/// Registers an SME, has its NIB verified, lets it wish a garment, which needs no food permit, and hands in.
pub async fn applicant(world: &World, town: &Town, exhibition: &str, name: &str) -> Applicant {
    let owner = world.newcomer(name, false).await;
    let sme = town.new_sme(&owner, name).await;
    let number = format!("{:013}", Uuid::now_v7().as_u128() % 10_000_000_000_000);
    let document = owner.post(&format!("/v1/smes/{sme}/documents"), json!({ "kind": "nib", "number": number })).await.expect(201).text("/id");
    town.officer.post(&format!("/v1/smes/{sme}/documents/{document}/verify"), json!({})).await.expect(200);
    let garment = json!({
        "sme_id": sme, "category": "pakaian", "title": { "id": "Kemeja" }, "summary": { "id": "Katun." },
        "variants": [{ "price": { "value": "150000" } }],
    });
    let product = owner.post("/v1/products", garment).await.expect(201).text("/id");
    let begun = owner.post(&format!("/v1/exhibitions/{exhibition}/applications"), json!({ "sme_id": sme })).await.expect(201);
    let path = begun.header("location");
    owner.patch(&path, &begun.etag(), json!({ "product_ids": [product], "pitch": { "id": "Jahitan rapi." } })).await.expect(200);
    let applicant = Applicant { owner, sme, path };
    applicant.step("submit").await.expect(200);
    applicant
}

pub async fn close(town: &Town, exhibition: &str) {
    town.coordinator.post_empty(&format!("/v1/exhibitions/{exhibition}/close")).await.expect(200);
}

/// Prepares decisions under the current ETag.
pub async fn prepare(town: &Town, exhibition: &str, decisions: &[(&Applicant, &str)]) -> Answer {
    let path = format!("/v1/exhibitions/{exhibition}/decisions");
    let etag = town.coordinator.get(&path).await.expect(200).etag();
    let decisions: Vec<Value> =
        decisions.iter().map(|(who, decision)| json!({ "application_id": who.id(), "decision": decision, "reason": "Kuota." })).collect();
    town.coordinator.put(&path, &etag, json!({ "decisions": decisions })).await
}

pub async fn release(town: &Town, exhibition: &str, etag: &str) -> Answer {
    let request = town.coordinator.request(reqwest::Method::POST, &format!("/v1/exhibitions/{exhibition}/decisions/release"));
    town.coordinator.send(request.header("if-match", etag)).await
}

on_both! {
    async fn an_applicant_learns_what_is_missing_and_why_before_and_after_the_office_has_looked(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 5).await;
        let product = town.draft("Dodol").await.text("/id");
        let begun = town.owner.post(&format!("/v1/exhibitions/{exhibition}/applications"), json!({ "sme_id": town.sme })).await.expect(201);
        let path = begun.header("location");
        assert_eq!(town.owner.post_empty(&format!("{path}/submit")).await.expect(422).text("/errors/0/pointer"), "/product_ids");
        town.owner.patch(&path, &begun.etag(), json!({ "product_ids": [product] })).await.expect(200);
        let checks = async || town.owner.get(&format!("{path}/readiness")).await.expect(200);
        let states = |answer: &Answer| answer.body["checks"].as_array().unwrap().iter().map(|check| check["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(states(&checks().await), ["missing", "missing", "missing"], "NIB, food permit, and halal as a warning");
        let refused = town.owner.post_empty(&format!("{path}/submit")).await.expect(409);
        assert_eq!((refused.text("/reason"), refused.body["checks"].as_array().unwrap().len()), ("not_ready".into(), 2), "the warning does not block");
        let register = async |body: Value| town.owner.post(&format!("/v1/smes/{}/documents", town.sme), body).await.expect(201);
        register(json!({ "kind": "nib", "number": "1234567890123" })).await;
        // The exhibition ends on 4 May 2030.
        let early = register(json!({ "kind": "pirt", "number": "206367101000130-30", "expires_on": "2030-05-03" })).await;
        assert_eq!(states(&checks().await), ["not_verified", "expires_too_early", "missing"]);
        town.owner.post_empty(&format!("{path}/submit")).await.expect(409);
        let gone = format!("/v1/smes/{}/documents/{}", town.sme, early.text("/id"));
        town.owner.send(town.owner.request(reqwest::Method::DELETE, &gone)).await.expect(204);
        register(json!({ "kind": "bpom_md", "number": "123456789012", "expires_on": "2030-05-04" })).await;
        let ready = checks().await;
        assert_eq!(states(&ready), ["not_verified", "not_verified", "missing"]);
        assert_eq!((&ready.body["can_be_submitted"], &ready.body["can_be_accepted"]), (&json!(true), &json!(false)));
        let submitted = town.owner.post_empty(&format!("{path}/submit")).await.expect(200);
        assert_eq!(submitted.text("/status"), "submitted");
        close(&town, &exhibition).await;
        let me = Applicant { owner: town.owner.clone(), sme: town.sme.clone(), path };
        let unverified = prepare(&town, &exhibition, &[(&me, "accept")]).await.expect(422);
        assert!(unverified.text("/errors/0/message").contains("NIB"), "{:#}", unverified.body);
    }

    async fn nobody_hands_in_one_second_after_the_deadline_whatever_the_jobs_have_done(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 5).await;
        world.execute("update exhibitions set time_zone = 'Asia/Makassar'", vec![]).await.unwrap();
        let applicant = applicant(&world, &town, &exhibition, "penjahit").await;
        applicant.step("withdraw").await.expect(200);
        applicant.step("reopen").await.expect(200);
        let closed_at = Utc::now() - Duration::seconds(1);
        world.execute("update exhibition_calls set closes_at = ?", vec![closed_at.into()]).await.unwrap();
        let late = applicant.step("submit").await.expect(409);
        assert_eq!(late.text("/reason"), "call_closed");
        assert!(late.text("/detail").contains("WITA") && late.text("/closes_at").ends_with("+08:00"), "{:#}", late.body);
        let etag = applicant.owner.get(&applicant.path).await.etag();
        assert_eq!(applicant.owner.patch(&applicant.path, &etag, json!({ "pitch": null })).await.expect(409).text("/reason"), "call_closed");
        service::by_the_clock(&world.app, Uuid::parse_str(&exhibition).unwrap(), etalase::exhibitions::model::ExhibitionEvent::Close, "test").await.unwrap();
        assert_eq!(town.coordinator.get(&format!("/v1/exhibitions/{exhibition}")).await.text("/status"), "curation");
    }

    async fn an_sme_that_was_invited_late_applies_after_the_deadline_and_nobody_else_does(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 5).await;
        let (late, other) = (applicant(&world, &town, &exhibition, "telat").await, applicant(&world, &town, &exhibition, "lain").await);
        for who in [&late, &other] {
            who.step("withdraw").await.expect(200);
        }
        close(&town, &exhibition).await;
        assert_eq!(late.step("reopen").await.expect(409).text("/reason"), "call_closed");
        let grace = format!("/v1/exhibitions/{exhibition}/call/graces/{}", late.sme);
        let until = town.coordinator.put(&grace, "*", json!({ "until": "2030-03-05T17:00" })).await.expect(200);
        assert_eq!(until.text("/until/time_zone_label"), "WIB");
        late.step("reopen").await.expect(200).has("", &json!({ "status": "draft", "submitted_at": null }));
        assert_eq!(late.step("submit").await.expect(200).text("/status"), "under_review");
        assert_eq!(other.step("reopen").await.expect(409).text("/reason"), "call_closed");
        town.coordinator.put(&grace, "*", json!({ "until": "2020-03-05T17:00" })).await.expect(200);
        late.step("withdraw").await.expect(200);
        assert_eq!(late.step("reopen").await.expect(409).text("/reason"), "call_closed");
    }

    async fn a_release_and_a_withdrawal_at_the_same_moment_leave_one_story(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 2).await;
        let mut all = Vec::new();
        for name in ["satu", "dua", "tiga", "empat"] {
            all.push(applicant(&world, &town, &exhibition, name).await);
        }
        close(&town, &exhibition).await;
        let set = prepare(&town, &exhibition, &[(&all[0], "accept"), (&all[1], "accept"), (&all[2], "waitlist"), (&all[3], "waitlist")]).await.expect(200);
        let etag = set.etag();
        let withdrawals = futures_util::future::join_all(all[..2].iter().map(|who| who.step("withdraw")));
        let (released, withdrawn) = futures_util::future::join(release(&town, &exhibition, &etag), withdrawals).await;
        assert!(matches!(released.status, 200 | 412), "{:#}", released.body);
        assert!(withdrawn.iter().all(|answer| matches!(answer.status, 200 | 412)), "{withdrawn:?}");
        // Whoever came first: a place is never held by somebody who left, nor lost to those who wait.
        let call = town.coordinator.get(&format!("/v1/exhibitions/{exhibition}/call")).await.expect(200);
        let mut held = 0;
        for who in &all {
            held += i64::from(matches!(who.status().await.as_str(), "accepted" | "confirmed"));
        }
        assert_eq!(call.body["taken"], held);
        for who in &all {
            let notices = who.owner.get(&format!("/v1/smes/{}/notices", who.sme)).await.expect(200);
            let times = |status: &str| notices.body["data"].as_array().unwrap().iter().filter(|notice| notice["status"] == status).count();
            assert!(times("accepted") <= 1, "told once: {:#}", notices.body);
        }
    }

    async fn whoever_applied_learns_that_an_exhibition_is_postponed_or_cancelled_and_why(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 5).await;
        let (here, gone) = (applicant(&world, &town, &exhibition, "satu").await, applicant(&world, &town, &exhibition, "dua").await);
        gone.step("withdraw").await.expect(200);
        let dates = json!({ "dates": { "starts_on": "2030-06-01", "ends_on": "2030-06-04", "precision": "day" }, "reason": "Gedung direnovasi." });
        town.coordinator.post(&format!("/v1/exhibitions/{exhibition}/postpone"), dates).await.expect(200);
        town.coordinator.post(&format!("/v1/exhibitions/{exhibition}/cancel"), json!({ "reason": "Banjir." })).await.expect(200);
        let notices = here.owner.get(&format!("/v1/smes/{}/notices", here.sme)).await.expect(200);
        assert_eq!(notices.text("/data/0/message/id"), "Pameran dibatalkan. Alasan: Banjir.");
        let expected = "Pameran is postponed: 1–4 June 2030. Your application stands. Reason: Gedung direnovasi.";
        assert_eq!((notices.text("/data/1/message/en"), notices.text("/data/1/status")), (expected.into(), "submitted".into()));
        assert_eq!(gone.owner.get(&format!("/v1/smes/{}/notices", gone.sme)).await.expect(200).body["data"], json!([]));
    }

    async fn decisions_stay_unseen_until_they_are_released_together_and_told_once(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 1).await;
        let (first, second, third) = (
            applicant(&world, &town, &exhibition, "satu").await, applicant(&world, &town, &exhibition, "dua").await,
            applicant(&world, &town, &exhibition, "tiga").await,
        );
        close(&town, &exhibition).await;
        let too_many = prepare(&town, &exhibition, &[(&first, "accept"), (&second, "accept"), (&third, "reject")]).await.expect(200);
        assert_eq!((&too_many.body["is_overbooked"], &too_many.body["places_free"]), (&json!(true), &json!(1)));
        assert!(too_many.body["messages"].to_string().contains("Congratulations"), "{:#}", too_many.body);
        let seen = first.owner.get(&first.path).await.expect(200);
        assert_eq!((seen.text("/status"), &seen.body["pending_decision"], &seen.body["decision_reason"]), ("under_review".into(), &Value::Null, &Value::Null));
        assert_eq!(release(&town, &exhibition, &too_many.etag()).await.expect(409).text("/reason"), "exhibition_is_full");
        for applicant in [&first, &second, &third] {
            assert_eq!(applicant.status().await, "under_review", "all or nothing");
            let notices = applicant.owner.get(&format!("/v1/smes/{}/notices", applicant.sme)).await.expect(200);
            assert!(notices.body["data"].as_array().unwrap().is_empty());
        }
        let set = prepare(&town, &exhibition, &[(&second, "waitlist")]).await.expect(200);
        prepare(&town, &exhibition, &[(&third, "reject")]).await.expect(200);
        assert_eq!(release(&town, &exhibition, &set.etag()).await.expect(412).text("/code"), "precondition_failed", "somebody else decided meanwhile");
        let etag = town.coordinator.get(&format!("/v1/exhibitions/{exhibition}/decisions")).await.etag();
        assert_eq!(release(&town, &exhibition, &etag).await.expect(200).body["applications"], 3);
        assert_eq!((first.status().await, second.status().await, third.status().await), ("accepted".into(), "waitlisted".into(), "rejected".into()));
        let notices = third.owner.get(&format!("/v1/smes/{}/notices", third.sme)).await.expect(200);
        assert_eq!(notices.body["data"].as_array().unwrap().len(), 1);
        assert!(notices.text("/data/0/message/id").ends_with("Alasan: Kuota."), "{:#}", notices.body);
        let etag = town.coordinator.get(&format!("/v1/exhibitions/{exhibition}/decisions")).await.etag();
        assert_eq!(release(&town, &exhibition, &etag).await.expect(200).body["applications"], 0, "nothing is told twice");
    }

    async fn a_freed_place_goes_to_the_next_on_the_waitlist_in_the_same_moment(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 1).await;
        let mut all = Vec::new();
        for name in ["satu", "dua", "tiga", "empat"] {
            all.push(applicant(&world, &town, &exhibition, name).await);
        }
        close(&town, &exhibition).await;
        let set = prepare(&town, &exhibition, &[(&all[0], "accept"), (&all[1], "waitlist"), (&all[2], "waitlist"), (&all[3], "waitlist")]).await.expect(200);
        release(&town, &exhibition, &set.etag()).await.expect(200);
        let waitlist = format!("/v1/exhibitions/{exhibition}/waitlist");
        let etag = town.coordinator.get(&waitlist).await.expect(200).etag();
        let ordered = town.coordinator.put(&waitlist, &etag, json!({ "application_ids": [all[3].id()] })).await.expect(200);
        let order: Vec<_> = ordered.body["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(order, [all[3].id(), all[1].id(), all[2].id()]);
        assert_eq!(town.coordinator.put(&waitlist, &etag, json!({ "application_ids": [] })).await.expect(412).text("/code"), "precondition_failed");
        assert_eq!(all[0].step("decline").await.expect(200).text("/status"), "declined");
        assert_eq!(all[3].status().await, "accepted");
        all[3].step("confirm").await.expect(200);
        all[3].step("withdraw").await.expect(200);
        assert_eq!((all[1].status().await, all[2].status().await), ("accepted".into(), "waitlisted".into()));
        // The offer runs out: the next one is made by the clock, and a late yes is too late.
        world.execute("update applications set confirm_by = ? where id = ?", vec![(Utc::now() - Duration::seconds(1)).into(), uuid(all[1].id())]).await.unwrap();
        assert_eq!(all[1].step("confirm").await.expect(409).text("/reason"), "offer_lapsed");
        service::lapse(&world.app, Uuid::parse_str(&exhibition).unwrap(), "test").await.unwrap();
        assert_eq!((all[1].status().await, all[2].status().await), ("lapsed".into(), "accepted".into()));
        let confirm_by = all[2].owner.get(&all[2].path).await.body["confirm_by"].clone();
        assert_eq!(confirm_by["local"], "2030-04-01T17:00");
        let call = town.coordinator.get(&format!("/v1/exhibitions/{exhibition}/call")).await.expect(200);
        assert_eq!((&call.body["taken"], &call.body["capacity"]), (&json!(1), &json!(1)));
    }

    async fn what_was_prepared_stays_unseen_by_whoever_withdraws_before_it_is_released(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 1).await;
        let (first, second) = (applicant(&world, &town, &exhibition, "satu").await, applicant(&world, &town, &exhibition, "dua").await);
        close(&town, &exhibition).await;
        prepare(&town, &exhibition, &[(&first, "reject"), (&second, "waitlist")]).await.expect(200);
        for who in [&first, &second] {
            let withdrawn = who.step("withdraw").await.expect(200);
            assert_eq!((&withdrawn.body["decision_reason"], &withdrawn.body["waitlist_rank"]), (&Value::Null, &Value::Null));
            assert_eq!(who.owner.get(&who.path).await.expect(200).body["decision_reason"], Value::Null);
        }
        let twice = prepare(&town, &exhibition, &[(&first, "reject")]).await.expect(422);
        assert_eq!(twice.text("/errors/0/pointer"), "/decisions/0/application_id");
    }

    async fn an_offer_that_the_clock_makes_lapses_by_the_clock_too(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 1).await;
        let (first, second) = (applicant(&world, &town, &exhibition, "satu").await, applicant(&world, &town, &exhibition, "dua").await);
        close(&town, &exhibition).await;
        let set = prepare(&town, &exhibition, &[(&first, "accept"), (&second, "waitlist")]).await.expect(200);
        release(&town, &exhibition, &set.etag()).await.expect(200);
        for who in [&first, &second] {
            let over = vec![(Utc::now() - Duration::seconds(1)).into(), uuid(who.id())];
            world.execute("update applications set confirm_by = ? where id = ?", over).await.unwrap();
            world.execute("update jobs set run_at = ? where kind = 'lapse_offers'", vec![Utc::now().into()]).await.unwrap();
            world.app.signals.wake_workers();
            for _ in 0..200 {
                if who.status().await == "lapsed" {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            assert_eq!(who.status().await, "lapsed");
        }
    }

    async fn a_freed_place_passes_by_whoever_lacks_a_document_and_nobody_is_promoted_into_a_cancelled_exhibition(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 1).await;
        let mut all = Vec::new();
        for name in ["satu", "dua", "tiga", "empat"] {
            all.push(applicant(&world, &town, &exhibition, name).await);
        }
        close(&town, &exhibition).await;
        let set = prepare(&town, &exhibition, &[(&all[0], "accept"), (&all[1], "waitlist"), (&all[2], "waitlist"), (&all[3], "waitlist")]).await.expect(200);
        release(&town, &exhibition, &set.etag()).await.expect(200);
        let documents = town.officer.get(&format!("/v1/smes/{}/documents", all[1].sme)).await.expect(200).text("/data/0/id");
        town.officer.post(&format!("/v1/smes/{}/documents/{documents}/revoke", all[1].sme), json!({ "reason": "Dicabut." })).await.expect(200);
        all[0].step("decline").await.expect(200);
        assert_eq!((all[1].status().await, all[2].status().await), ("waitlisted".into(), "accepted".into()), "the next who is eligible");
        town.coordinator.post(&format!("/v1/exhibitions/{exhibition}/cancel"), json!({ "reason": "Banjir." })).await.expect(200);
        all[2].step("withdraw").await.expect(200);
        assert_eq!(all[3].status().await, "waitlisted");
    }

    async fn places_freed_by_many_at_once_are_each_offered_once(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 3).await;
        let mut all = Vec::new();
        for name in ["satu", "dua", "tiga", "empat", "lima", "enam"] {
            all.push(applicant(&world, &town, &exhibition, name).await);
        }
        close(&town, &exhibition).await;
        let decisions: Vec<_> = all.iter().enumerate().map(|(index, who)| (who, if index < 3 { "accept" } else { "waitlist" })).collect();
        let set = prepare(&town, &exhibition, &decisions).await.expect(200);
        release(&town, &exhibition, &set.etag()).await.expect(200);
        let answers = futures_util::future::join_all(all[..3].iter().map(|who| who.step("withdraw"))).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        for who in &all[3..] {
            assert_eq!(who.status().await, "accepted");
        }
    }

    async fn a_wub_group_shares_one_place_and_its_members_follow_the_lead(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 1).await;
        let lead = applicant(&world, &town, &exhibition, "ketua").await;
        let other = world.newcomer("anggota", false).await;
        let sme = town.new_sme(&other, "Anggota").await;
        let join = json!({ "sme_id": sme, "lead_application_id": lead.id() });
        let path = format!("/v1/exhibitions/{exhibition}/applications");
        assert_eq!(other.post(&path, join.clone()).await.expect(422).text("/errors/0/pointer"), "/lead_application_id");
        let group = Uuid::now_v7();
        let insert = "insert into wub_groups (id, agency_id, name, focus, source, source_status, created_at) values (?, ?, ?, 'garments', 'test', 'unverified', ?)";
        let values = vec![group.into(), uuid(&town.agency), json!({ "id": "Pakaian" }).into(), Utc::now().into()];
        world.execute(insert, values).await.unwrap();
        for member in [&lead.sme, &sme] {
            world.execute("insert into wub_members (group_id, sme_id) values (?, ?)", vec![group.into(), uuid(member)]).await.unwrap();
        }
        let begun = other.post(&path, join).await.expect(201);
        let member = Applicant { owner: other, sme, path: begun.header("location") };
        // The lead hands in again; what the other has begun stays a draft of its own.
        lead.step("withdraw").await.expect(200);
        assert_eq!(member.step("submit").await.expect(409).text("/reason"), "lead_is_decided");
        lead.step("reopen").await.expect(200);
        lead.step("submit").await.expect(200);
        assert_eq!(member.status().await, "draft");
        world.execute("update applications set status = 'submitted' where id = ?", vec![uuid(member.id())]).await.unwrap();
        close(&town, &exhibition).await;
        let unverified = prepare(&town, &exhibition, &[(&lead, "accept")]).await.expect(422);
        assert!(unverified.text("/errors/0/message").contains("NIB"), "the other one lacks it: {:#}", unverified.body);
        let number = json!({ "kind": "nib", "number": "9998887776665" });
        let document = member.owner.post(&format!("/v1/smes/{}/documents", member.sme), number).await.expect(201).text("/id");
        town.officer.post(&format!("/v1/smes/{}/documents/{document}/verify", member.sme), json!({})).await.expect(200);
        let set = prepare(&town, &exhibition, &[(&lead, "accept")]).await.expect(200);
        release(&town, &exhibition, &set.etag()).await.expect(200);
        assert_eq!(member.status().await, "accepted", "one place for both");
        assert_eq!(member.step("confirm").await.expect(409).text("/reason"), "follows_lead");
        lead.step("confirm").await.expect(200);
        assert_eq!(member.status().await, "confirmed");
    }

    async fn the_database_itself_holds_the_rules_of_applications(world: World) {
        let town = world.town().await;
        let exhibition = open_exhibition(&town, "pameran", 1).await;
        let (first, second) = (applicant(&world, &town, &exhibition, "satu").await, applicant(&world, &town, &exhibition, "dua").await);
        let again = first.owner.post(&format!("/v1/exhibitions/{exhibition}/applications"), json!({ "sme_id": first.sme })).await.expect(409);
        assert_eq!(again.text("/reason"), "already_applied");
        let now = || sea_orm::Value::from(Utc::now());
        let refused = async |text: &str, values: Vec<sea_orm::Value>| {
            let result = world.execute(text, values).await;
            assert!(result.is_err(), "{text}: {result:?}");
        };
        refused("update exhibition_calls set closes_at = opens_at", vec![]).await;
        refused("update exhibition_calls set capacity = 0", vec![]).await;
        refused("update applications set status = 'accepted'", vec![]).await;
        refused("update applications set status = 'accepted', decided_at = ?, confirm_by = ?", vec![now(), now()]).await;
        let accept = "update applications set status = 'accepted', decided_at = ?, confirm_by = ? where id = ?";
        world.execute(accept, vec![now(), now(), uuid(first.id())]).await.unwrap();
        refused(accept, vec![now(), now(), uuid(second.id())]).await;
        refused("update exhibition_calls set taken = 2", vec![]).await;
        refused("update applications set pending_decision = 'accept' where id = ?", vec![uuid(first.id())]).await;
        refused("update application_products set product_id = ?", vec![Uuid::now_v7().into()]).await;
        let foreign = "insert into application_products (application_id, product_id) select ?, product_id from application_products where application_id = ?";
        refused(foreign, vec![uuid(first.id()), uuid(second.id())]).await;
        refused("update applications set lead_id = id", vec![]).await;
        refused("update applications set lead_id = ? where id = ?", vec![uuid(second.id()), uuid(first.id())]).await;
        refused("update applications set sme_id = ? where id = ?", vec![uuid(&town.sme), uuid(first.id())]).await;
        world.execute("update applications set status = 'withdrawn' where id = ?", vec![uuid(first.id())]).await.unwrap();
        world.execute(accept, vec![now(), now(), uuid(second.id())]).await.unwrap();
    }
}
