//! Trade offices: who made them, who works there, and the programmes and groups that they keep.

use chrono::NaiveDate;
use etalase::{mentoring, values::Localized};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    selection::{id_of, staff},
    world::{Engine, PASSWORD, Person, World},
};

on_both! {
    async fn an_operator_opens_an_office_that_everybody_can_choose(world: World) {
        let operator = world.newcomer("operator", true).await;
        let new = json!({ "name": "Disperindag Kota", "kind": "city_office", "regency_code": "36.71", "time_zone": "Asia/Jakarta" });
        let made = operator.post("/v1/agencies", new.clone()).await.expect(201);
        made.has("", &new);
        assert_eq!(made.header("location"), format!("/v1/agencies/{}", made.text("/id")));
        let second = json!({ "name": "Dinas Provinsi", "kind": "province_office", "time_zone": "Asia/Makassar" });
        operator.post("/v1/agencies", second.clone()).await.expect(201);
        for (name, value, pointer) in [("name", json!(" "), "/name"), ("time_zone", json!("Asia/Tangerang"), "/time_zone"), ("kind", json!("shop"), "/kind")] {
            let mut wrong = new.clone();
            wrong[name] = value;
            operator.post("/v1/agencies", wrong).await.refuses(pointer);
        }
        let owner = world.newcomer("owner", false).await;
        owner.post("/v1/agencies", new.clone()).await.expect(403);
        let listed = owner.get("/v1/agencies").await.expect(200);
        assert_eq!(listed.count(), 2);
        listed.has("/data/0", &new);
        listed.has("/data/1", &second);
        assert_eq!(listed.body["data"][1]["regency_code"], Value::Null);
        world.public().get("/v1/agencies").await.expect(401);
    }

    async fn staff_are_invited_to_one_role_and_know_nothing_more_once_they_are_removed(world: World) {
        let town = world.town().await;
        let path = format!("/v1/agencies/{}", town.agency);
        let exhibition = town.exhibition("pameran").await;
        let invite = async |who: &Person| who.post(&format!("{path}/invitations"), json!({ "email": "rina@example.org", "role": "officer" })).await;
        invite(&town.coordinator).await.expect(403);
        let first = invite(&town.operator).await.expect(201);
        invite(&town.operator).await.conflicts("already_invited");
        let open = async || town.operator.get(&format!("{path}/invitations")).await.expect(200);
        let listed = open().await;
        listed.has("/data/0", &json!({ "id": first.text("/id"), "email": "rina@example.org", "role": "officer" }));
        assert!(listed.count() == 1 && listed.body["data"][0].get("token").is_none());
        town.coordinator.get(&format!("{path}/invitations")).await.expect(403);
        town.coordinator.delete(&format!("/v1/invitations/{}", first.text("/id")), "*").await.expect(403);
        town.operator.delete(&format!("/v1/invitations/{}", first.text("/id")), "*").await.expect(204);
        assert_eq!(open().await.count(), 0);

        // Who has an account keeps it, and proves to be its owner.
        let rina = world.newcomer("rina", false).await;
        let token = invite(&town.operator).await.expect(201).text("/token");
        let accept = async |token: &str, password: &str| world.public().post("/v1/auth/accept-invitation", json!({ "token": token, "password": password })).await;
        accept(&first.text("/token"), PASSWORD).await.refuses("/token");
        assert_eq!(accept(&token, "a wrong password").await.expect(401).text("/code"), "bad_credentials");
        rina.get(&format!("/v1/exhibitions/{exhibition}")).await.expect(404);
        let joined = accept(&token, PASSWORD).await.expect(200);
        joined.has("/user", &json!({ "id": id_of(&rina).await, "display_name": "rina", "agencies": [{ "agency_id": town.agency, "role": "officer" }] }));
        accept(&token, PASSWORD).await.refuses("/token");
        rina.get(&format!("/v1/exhibitions/{exhibition}")).await.expect(200);
        let members = rina.get(&format!("{path}/members")).await.expect(200);
        assert_eq!((members.column("/email"), members.column("/role")), (
            vec!["officer@example.org".into(), "coordinator@example.org".into(), "rina@example.org".into()], vec!["officer".into(), "coordinator".into(), "officer".into()],
        ));
        town.owner.get(&format!("{path}/members")).await.expect(404);
        let member = format!("{path}/members/{}", id_of(&rina).await);
        town.coordinator.delete(&member, "*").await.expect(403);
        town.operator.delete(&member, "*").await.expect(204);
        rina.get(&format!("/v1/exhibitions/{exhibition}")).await.expect(404);
        rina.get(&format!("{path}/members")).await.expect(404);
        assert_eq!(rina.get("/v1/me").await.expect(200).body["agencies"], json!([]));
        assert_eq!(town.officer.get(&format!("{path}/members")).await.expect(200).count(), 2);
        town.operator.delete(&member, "*").await.expect(404);
    }

    async fn an_office_reads_its_programmes_and_groups_and_nobody_elses(world: World) {
        let town = world.town().await;
        let agency = Uuid::parse_str(&town.agency).unwrap();
        let day = |day| NaiveDate::from_ymd_opt(2017, 10, day).unwrap();
        let programme = |title: &str, first: u32, quota| mentoring::Programme {
            id: Uuid::now_v7(), title: Localized::new(title, title), organiser: "Disperindag".into(), venue: None, starts_on: day(first), ends_on: day(first + 1),
            time_zone: "Asia/Jakarta".into(), quota, source: "uji".into(), source_status: "unverified".into(),
        };
        let group = mentoring::WubGroup {
            id: Uuid::now_v7(), name: Localized::new("WUB Dodol", "Dodol group"), focus: "dodol".into(), members: 0, source: "uji".into(), source_status: "secondary".into(),
        };
        let work = world.app.database.begin().await.unwrap();
        for one in [programme("Bimtek awal", 2, Some(30)), programme("Bimtek lanjutan", 9, None)] {
            mentoring::insert_programme(&work, agency, &one).await.unwrap();
        }
        mentoring::insert_group(&work, agency, &group).await.unwrap();
        mentoring::join_group(&work, group.id, Uuid::parse_str(&town.sme).unwrap()).await.unwrap();
        work.commit().await.unwrap();
        let path = format!("/v1/agencies/{}", town.agency);
        let programmes = town.officer.get(&format!("{path}/programmes")).await.expect(200);
        assert_eq!(programmes.column("/title/id"), ["Bimtek lanjutan", "Bimtek awal"], "the newest first");
        programmes.has("/data/1", &json!({ "starts_on": "2017-10-02", "ends_on": "2017-10-03", "quota": 30, "venue": null, "source_status": "unverified" }));
        let groups = staff(&town, &world, "curator", "kurator").await.get(&format!("{path}/wub-groups")).await.expect(200);
        assert_eq!(groups.count(), 1);
        groups.has("/data/0", &json!({ "id": group.id, "name": { "id": "WUB Dodol", "en": "Dodol group" }, "focus": "dodol", "members": 1 }));
        let other = json!({ "name": "Lain", "kind": "ministry", "time_zone": "Asia/Jakarta" });
        let elsewhere = town.operator.post("/v1/agencies", other).await.expect(201).text("/id");
        for what in ["programmes", "wub-groups"] {
            assert_eq!(town.operator.get(&format!("/v1/agencies/{elsewhere}/{what}")).await.expect(200).count(), 0);
            town.officer.get(&format!("/v1/agencies/{elsewhere}/{what}")).await.expect(404);
            town.owner.get(&format!("{path}/{what}")).await.expect(404);
        }
    }
}
