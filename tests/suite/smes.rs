//! Businesses: their profile, people, trades, papers and mentors.

use serde_json::{Value, json};

use crate::{
    selection::{id_of, staff},
    world::{Engine, PASSWORD, Person, World},
};

on_both! {
    async fn a_business_is_registered_edited_and_listed_to_those_whom_it_concerns(world: World) {
        let town = world.town().await;
        let sari = world.newcomer("sari", false).await;
        let new = json!({ "agency_id": town.agency, "brand_name": "Tempe Sari", "story": { "id": "Tempe.", "en": "Tempeh." }, "regency_code": "36.74" });
        let made = sari.post("/v1/smes", new.clone()).await.expect(201);
        let path = format!("/v1/smes/{}", made.text("/id"));
        assert_eq!((made.header("location"), made.etag()), (path.clone(), "\"1\"".into()));
        let expected = json!({
            "handle": "tempe-sari", "brand_name": "Tempe Sari", "legal_name": "Tempe Sari", "story": { "id": "Tempe.", "en": "Tempeh." }, "regency_code": "36.74",
            "time_zone": "Asia/Jakarta", "status": "pending", "public_contacts": [], "phone": null, "socials": {}, "location": null, "version": 1,
        });
        sari.get(&path).await.expect(200).has("", &expected);
        for (name, value, pointer) in [
            ("brand_name", json!(" "), "/brand_name"), ("regency_code", json!("3674"), "/regency_code"), ("agency_id", json!(town.sme), "/agency_id"),
            ("story", json!({ "id": "" }), "/story/id"), ("handle", json!("Tempe Sari"), "/handle"),
        ] {
            let mut wrong = new.clone();
            wrong[name] = value;
            sari.post("/v1/smes", wrong).await.refuses(pointer);
        }
        let mut same = new;
        same["handle"] = json!("tempe-sari");
        sari.post("/v1/smes", same).await.conflicts("handle_taken");

        let seen = async |who: &Person| who.get("/v1/smes").await.expect(200).column("/brand_name");
        assert_eq!((seen(&sari).await, seen(&town.owner).await), (vec!["Tempe Sari".to_owned()], vec!["Dodol Cisadane".to_owned()]));
        for office in [&town.officer, &town.operator] {
            assert_eq!(seen(office).await, ["Dodol Cisadane", "Tempe Sari"]);
        }
        assert!(seen(&world.newcomer("nobody", false).await).await.is_empty());
        let first = town.officer.get("/v1/smes?limit=1").await.expect(200);
        let second = town.officer.get(&format!("/v1/smes?limit=1&cursor={}", first.text("/page/next_cursor"))).await.expect(200);
        assert_eq!((first.column("/id"), second.column("/id")), (vec![town.sme.clone()], vec![made.text("/id")]));

        town.officer.post(&format!("{path}/verify"), json!({})).await.expect(200);
        let change = json!({
            "legal_name": "PT Tempe Sari", "phone": "+62 21 555 0101", "whatsapp": "+62 812 555 0102", "website": "https://example.org/tempe", "founded_year": 1998,
            "public_contacts": ["phone", "website"],
        });
        let stale = sari.get(&path).await.expect(200).etag();
        let edited = sari.patch(&path, &stale, change.clone()).await.expect(200);
        edited.has("", &change);
        sari.patch(&path, &stale, json!({ "phone": null })).await.expect(412);
        let contacts = async || world.public().get("/v1/storefront/smes/tempe-sari").await.expect(200).body["contacts"].clone();
        let (phone, website) = (json!({ "kind": "phone", "value": "+62 21 555 0101" }), json!({ "kind": "website", "value": "https://example.org/tempe" }));
        assert_eq!(contacts().await, json!([phone, website]), "what is not public stays with the office");
        let cleared = sari.patch(&path, &edited.etag(), json!({ "phone": null, "founded_year": null })).await.expect(200);
        cleared.has("", &json!({ "phone": null, "founded_year": null, "whatsapp": "+62 812 555 0102" }));
        assert_eq!(contacts().await, json!([website]));
        for (patch, pointer) in [
            (json!({ "website": "ftp://example.org" }), "/website"), (json!({ "founded_year": 1700 }), "/founded_year"), (json!({ "public_contacts": ["fax"] }), "/public_contacts"),
            (json!({ "regency_code": "x" }), "/regency_code"), (json!({ "brand_name": "" }), "/brand_name"),
        ] {
            sari.patch(&path, &cleared.etag(), patch).await.refuses(pointer);
        }
        town.officer.patch(&path, "*", json!({ "phone": null })).await.expect(403);
    }

    async fn a_business_is_reached_as_it_says(world: World) {
        let town = world.town().await;
        let path = format!("/v1/smes/{}", town.sme);
        let change = async |body: Value| town.owner.patch(&path, "*", body).await;
        for (patch, pointer) in [
            (json!({ "email": "bukan surel" }), "/email"), (json!({ "phone": "hubungi saya" }), "/phone"), (json!({ "phone": "1234567" }), "/phone"),
            (json!({ "whatsapp": "0812 3456 7890 1234 5678" }), "/whatsapp"), (json!({ "whatsapp": "https://wa.me/62812" }), "/whatsapp"),
            (json!({ "website": "https://" }), "/website"), (json!({ "website": "https://bank.example@example.org" }), "/website"),
            (json!({ "website": "javascript:alert(1)" }), "/website"), (json!({ "socials": { "instagram": "https:///" } }), "/socials/instagram"),
            (json!({ "socials": { "instagram": "https://a:b@example.org/x" } }), "/socials/instagram"), (json!({ "regency_code": "99.99" }), "/regency_code"),
            (json!({ "regency_code": "36.00" }), "/regency_code"), (json!({ "street": "\u{2800}" }), "/street"),
        ] {
            change(patch).await.refuses(pointer);
        }
        let kept = change(json!({
            "email": " Toko@Example.ORG ", "phone": "(021) 555-0101", "whatsapp": "+62 812 3456 7890", "website": "HTTPS://Example.ORG/tempe",
            "socials": { "instagram": "https://Example.org/tempe" }, "public_contacts": ["email", "phone", "email"], "regency_code": "33.72",
        }));
        kept.await.expect(200).has("", &json!({
            "email": "toko@example.org", "phone": "(021) 555-0101", "whatsapp": "+62 812 3456 7890", "website": "https://example.org/tempe",
            "socials": { "instagram": "https://example.org/tempe" }, "public_contacts": ["email", "phone"], "regency_code": "33.72",
        }));
        let new = json!({ "agency_id": town.agency, "brand_name": "Lain", "story": { "id": "x" }, "regency_code": "00.01" });
        town.owner.post("/v1/smes", new).await.refuses("/regency_code");
    }

    async fn the_office_decides_on_a_business_and_every_step_is_on_record(world: World) {
        let town = world.town().await;
        let sari = world.newcomer("sari", false).await;
        let new = json!({ "agency_id": town.agency, "brand_name": "Tempe Sari", "story": { "id": "Tempe." }, "regency_code": "36.71" });
        let path = format!("/v1/smes/{}", sari.post("/v1/smes", new).await.expect(201).text("/id"));
        let decide = async |step: &str, body: Value| town.officer.post(&format!("{path}/{step}"), body).await;
        sari.post_empty(&format!("{path}/submit")).await.allows_only(&["verify", "reject"]);
        decide("suspend", json!({ "reason": "x" })).await.allows_only(&["verify", "reject"]);
        decide("reject", json!({ "reason": "Alamat belum ada." })).await.expect(200).has("", &json!({ "status": "rejected", "status_reason": "Alamat belum ada." }));
        sari.post(&format!("{path}/verify"), json!({})).await.expect(403);
        decide("verify", json!({})).await.allows_only(&["submit"]);
        sari.post_empty(&format!("{path}/submit")).await.expect(200).has("", &json!({ "status": "pending", "status_reason": null }));
        decide("verify", json!({})).await.expect(200).has("", &json!({ "status": "verified" }));
        world.public().get("/v1/storefront/smes/tempe-sari").await.expect(200);
        decide("suspend", json!({ "reason": " " })).await.refuses("/reason");
        decide("suspend", json!({ "reason": "Alamat pindah." })).await.expect(200).has("", &json!({ "status": "suspended" }));
        sari.get(&path).await.expect(200).has("", &json!({ "status": "suspended", "status_reason": "Alamat pindah." }));
        world.public().get("/v1/storefront/smes/tempe-sari").await.expect(404);
        decide("verify", json!({})).await.expect(200).has("", &json!({ "status": "verified", "status_reason": null }));

        let trail = sari.get(&format!("{path}/audit")).await.expect(200);
        assert_eq!(trail.column("/action"), ["review", "review", "review", "submit", "review", "register"]);
        assert_eq!(trail.column("/change/status"), ["verified", "suspended", "verified", "pending", "rejected", ""]);
        assert_eq!(trail.column("/reason"), ["", "Alamat pindah.", "", "", "Alamat belum ada.", ""]);
        trail.has("/data/1", &json!({ "actor_user_id": id_of(&town.officer).await, "on_behalf_of_sme_id": sari.get(&path).await.text("/id") }));
        trail.has("/data/5", &json!({ "actor_user_id": id_of(&sari).await, "on_behalf_of_sme_id": null }));
        town.owner.get(&format!("{path}/audit")).await.expect(404);
    }

    async fn an_invitation_is_open_until_it_is_accepted_or_revoked_and_a_member_until_removed(world: World) {
        let town = world.town().await;
        let path = format!("/v1/smes/{}", town.sme);
        let invite = async |who: &Person, email: &str| who.post(&format!("{path}/invitations"), json!({ "email": email, "role": "staff" })).await;
        let open = async || town.owner.get(&format!("{path}/invitations")).await.expect(200);
        let accept = async |token: &str, password: &str| {
            let body = json!({ "token": token, "display_name": "Budi", "password": password });
            world.public().post("/v1/auth/accept-invitation", body).await
        };
        invite(&town.owner, "no address").await.refuses("/email");
        let invited = invite(&town.owner, "Budi@example.org").await.expect(201);
        assert_eq!((invited.text("/email"), invited.text("/role"), invited.header("location")), ("budi@example.org".into(), "staff".into(), format!("/v1/invitations/{}", invited.text("/id"))));
        let listed = open().await;
        listed.has("/data/0", &json!({ "id": invited.text("/id"), "email": "budi@example.org", "role": "staff", "expires_at": invited.body["expires_at"] }));
        assert!(listed.count() == 1 && !listed.body.to_string().contains(&invited.text("/token")), "the token is shown once");
        for who in [&town.officer, &world.newcomer("stranger", false).await] {
            assert!(matches!(who.delete(&format!("/v1/invitations/{}", invited.text("/id")), "*").await.status, 403 | 404));
        }
        town.owner.delete(&format!("/v1/invitations/{}", invited.text("/id")), "*").await.expect(204);
        assert_eq!(open().await.count(), 0);
        accept(&invited.text("/token"), PASSWORD).await.refuses("/token");
        town.owner.delete(&format!("/v1/invitations/{}", invited.text("/id")), "*").await.expect(404);

        let token = invite(&town.owner, "budi@example.org").await.expect(201).text("/token");
        accept(&token, "short").await.refuses("/password");
        let joined = accept(&token, PASSWORD).await.expect(200);
        joined.has("/user", &json!({ "email": "budi@example.org", "display_name": "Budi", "is_operator": false, "smes": [{ "sme_id": town.sme, "role": "staff" }], "agencies": [] }));
        assert_eq!(open().await.count(), 0);
        let budi = Person { token: Some(joined.text("/token")), ..world.public() };
        budi.get(&path).await.expect(200);
        invite(&budi, "x@example.org").await.expect(403);
        let members = budi.get(&format!("{path}/members")).await.expect(200);
        assert_eq!((members.column("/email"), members.column("/role")), (vec!["owner@example.org".into(), "budi@example.org".into()], vec!["owner".into(), "staff".into()]));
        let member = format!("{path}/members/{}", id_of(&budi).await);
        budi.delete(&member, "*").await.expect(403);
        town.owner.delete(&member, "*").await.expect(204);
        budi.get(&path).await.expect(404);
        assert_eq!(budi.get("/v1/me").await.expect(200).body["smes"], json!([]));
        assert_eq!(town.owner.get(&format!("{path}/members")).await.expect(200).column("/email"), ["owner@example.org"]);
        town.owner.delete(&member, "*").await.expect(404);
        let trail = town.owner.get(&format!("{path}/audit")).await.expect(200);
        assert_eq!(trail.column("/action")[..3], ["remove_member", "accept_invitation", "invite"]);
    }

    async fn a_business_states_its_trades_one_of_them_first_and_all_of_them_known(world: World) {
        let town = world.town().await;
        let path = format!("/v1/smes/{}/classifications", town.sme);
        let code = |version: &str, code: &str, first: i64| json!({ "scheme": "KBLI", "version": version, "code": code, "is_primary": first });
        let state = async |codes: Value| town.owner.post(&path, json!({ "codes": codes })).await;
        assert_eq!(town.owner.get(&path).await.expect(200).count(), 0);
        let stated = state(json!([code("2020", "10794", 0), code("2020", "10796", 1), code("2025", "10796", 0)])).await.expect(200);
        let expected = json!([code("2020", "10796", 1), code("2020", "10794", 0), code("2025", "10796", 0)]);
        assert_eq!(stated.body["data"], expected, "the main trade first");
        state(json!([code("2020", "10796", 1), code("2020", "10794", 1)])).await.refuses("/codes");
        state(json!([code("2020", "10796", 1), code("2020", "99999", 0)])).await.refuses("/codes/1");
        state(json!([code("2020", "10796", 1), code("2020", "10796", 0)])).await.refuses("/codes/1");
        assert_eq!(town.officer.get(&path).await.expect(200).body["data"], expected, "what was refused has changed nothing");
        town.officer.post(&path, json!({ "codes": [] })).await.expect(403);
        assert_eq!(state(json!([code("2025", "10796", 0)])).await.expect(200).count(), 1, "they take the place of those before");
        world.newcomer("stranger", false).await.get(&path).await.expect(404);

        let all = town.owner.get("/v1/classifications").await.expect(200);
        let of_2025 = town.owner.get("/v1/classifications?version=2025").await.expect(200);
        assert!(of_2025.count() < all.count() && of_2025.column("/version").iter().all(|version| version == "2025"));
        let changed = all.body["data"].as_array().unwrap().iter().find(|row| row["version"] == "2020" && row["code"] == "10793").unwrap();
        assert_eq!((&changed["next_code"], &changed["next_relation"], &changed["verified"]), (&json!("10793"), &json!("changed_meaning"), &json!("secondary")));
    }

    async fn a_paper_is_registered_looked_at_and_decided_once_with_a_reason(world: World) {
        let town = world.town().await;
        let product = town.published("Dodol").await;
        let path = format!("/v1/smes/{}/documents", town.sme);
        let add = async |body: Value| town.owner.post(&path, body).await;
        let tax = add(json!({ "kind": "npwp", "number": "09.254.294.3-407.000", "issuer": "DJP", "issued_on": "2020-01-02" })).await.expect(201);
        tax.has("", &json!({ "number": "••.•••.•••.•-•••.000", "issuer": "DJP", "issued_on": "2020-01-02", "expires_on": null, "status": "uploaded", "note": null, "hints": [] }));
        let permit = json!({ "kind": "pirt", "number": "2063603010001-28", "product_id": product.text("/id"), "expires_on": "2029-03-01" });
        let permit = add(permit).await.expect(201);
        assert_eq!((permit.body["hints"].as_array().unwrap().len(), permit.text("/product_id")), (2, product.text("/id")), "another regency and another year: {:#}", permit.body);
        let halal = add(json!({ "kind": "halal", "number": "ID36110000123450921" })).await.expect(201);
        for (body, pointer) in [
            (json!({ "kind": "nib", "number": " " }), "/number"), (json!({ "kind": "nib", "number": "1", "issued_on": "2030-01-02", "expires_on": "2030-01-01" }), "/expires_on"),
            (json!({ "kind": "pirt", "number": "1", "product_id": town.sme }), "/product_id"),
        ] {
            add(body).await.refuses(pointer);
        }
        for who in [&town.owner, &town.officer] {
            assert_eq!(who.get(&path).await.expect(200).count(), 3);
        }
        town.operator.get(&path).await.expect(403);
        staff(&town, &world, "curator", "kurator").await.get(&path).await.expect(403);
        town.officer.post(&path, json!({ "kind": "nib", "number": "1" })).await.expect(403);

        let of = |document: &crate::world::Answer, step: &str| format!("{path}/{}/{step}", document.text("/id"));
        let plain = |document: &crate::world::Answer| format!("{path}/{}", document.text("/id"));
        town.officer.post(&of(&permit, "revoke"), json!({ "reason": "x" })).await.allows_only(&["verify", "reject"]);
        town.officer.post(&of(&permit, "reject"), json!({})).await.refuses("/reason");
        town.owner.post(&of(&permit, "reject"), json!({ "reason": "x" })).await.expect(403);
        let rejected = town.officer.post(&of(&permit, "reject"), json!({ "reason": "Kode daerah lain." })).await.expect(200);
        rejected.has("", &json!({ "status": "rejected", "note": "Kode daerah lain.", "version": 2 }));
        assert_ne!(rejected.text("/decided_at"), "");
        town.officer.post(&of(&permit, "verify"), json!({})).await.allows_only(&[]);
        town.owner.delete(&plain(&permit), "*").await.conflicts("already_decided");
        town.owner.delete(&plain(&tax), "*").await.expect(204);
        town.owner.delete(&plain(&tax), "*").await.expect(404);
        let left = town.owner.get(&path).await.expect(200);
        let mut kinds = left.column("/kind");
        kinds.sort();
        assert_eq!(kinds, ["halal", "pirt"]);

        // While it is verified buyers see it; what is revoked is gone from there in the same moment.
        let certified = async || world.public().get("/v1/storefront/products?halal=certified").await.expect(200).count();
        assert_eq!(certified().await, 0);
        town.officer.post(&of(&halal, "verify"), json!({})).await.expect(200).has("", &json!({ "status": "verified", "note": null }));
        assert_eq!(certified().await, 1);
        let other = world.newcomer("other", false).await;
        let elsewhere = format!("/v1/smes/{}/documents", town.new_sme(&other, "Peniru").await);
        let copied = other.post(&elsewhere, json!({ "kind": "halal", "number": "ID36110000123450921" })).await.expect(201).text("/id");
        town.officer.post(&format!("{elsewhere}/{copied}/verify"), json!({})).await.conflicts("already_verified");
        town.officer.post(&of(&halal, "revoke"), json!({ "reason": " " })).await.refuses("/reason");
        town.officer.post(&of(&halal, "revoke"), json!({ "reason": "Dicabut BPJPH." })).await.expect(200).has("", &json!({ "status": "revoked", "note": "Dicabut BPJPH." }));
        assert_eq!(certified().await, 0);
        town.officer.post(&of(&halal, "revoke"), json!({ "reason": "x" })).await.allows_only(&[]);
        town.officer.post(&format!("{elsewhere}/{copied}/verify"), json!({})).await.expect(200);
        let trail = town.owner.get(&format!("/v1/smes/{}/audit", town.sme)).await.expect(200);
        let expected = ["revoke_document", "verify_document", "remove_document", "reject_document", "add_document", "add_document", "add_document"];
        assert_eq!(trail.column("/action")[..7], expected);
        assert_eq!((trail.text("/data/0/reason"), trail.text("/data/3/change/kind")), ("Dicabut BPJPH.".into(), "pirt".into()));
    }

    async fn a_mentor_is_assigned_once_from_the_staff_and_may_be_taken_off_again(world: World) {
        let town = world.town().await;
        let mentor = staff(&town, &world, "mentor", "pembina").await;
        let (path, id) = (format!("/v1/smes/{}/mentors", town.sme), id_of(&mentor).await);
        for _ in 0..2 {
            let assigned = town.coordinator.post(&path, json!({ "user_id": id })).await.expect(200);
            assert_eq!(assigned.body["data"], json!([{ "user_id": id, "display_name": "pembina" }]), "twice is once");
        }
        town.coordinator.post(&path, json!({ "user_id": id_of(&town.owner).await })).await.refuses("/user_id");
        town.officer.post(&path, json!({ "user_id": id })).await.expect(403);
        for who in [&town.owner, &town.officer, &mentor] {
            assert_eq!(who.get(&path).await.expect(200).column("/display_name"), ["pembina"]);
        }
        world.newcomer("stranger", false).await.get(&path).await.expect(404);
        town.owner.delete(&format!("{path}/{id}"), "*").await.expect(403);
        town.coordinator.delete(&format!("{path}/{id}"), "*").await.expect(204);
        assert_eq!(town.owner.get(&path).await.expect(200).count(), 0);
        town.coordinator.delete(&format!("{path}/{id}"), "*").await.expect(404);
        let trail = town.owner.get(&format!("/v1/smes/{}/audit", town.sme)).await.expect(200);
        assert_eq!(trail.column("/action")[..2], ["remove_mentor", "add_mentor"]);
        assert_eq!(trail.text("/data/0/change/mentor"), id);
    }
}
