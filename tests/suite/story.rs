//! The main job, and what follows from it.

use serde_json::json;

use crate::world::{Engine, World};

on_both! {
    async fn an_owner_lists_a_product_and_a_buyer_finds_it_at_an_exhibition(world: World) {
        let town = world.town().await;
        let buyer = world.public();
        let draft = town.draft("Kue dodol durian").await;
        let id = draft.text("/id");
        assert_eq!(draft.text("/status"), "draft");
        assert_eq!(buyer.get("/v1/storefront/products?q=dodol").await.expect(200).body["data"], json!([]));
        assert_eq!(town.owner.get(&format!("/v1/products/{id}/readiness")).await.expect(200).body["ready"], json!(true));

        town.owner.post_empty(&format!("/v1/products/{id}/submit")).await.expect(200);
        assert_eq!(town.officer.get("/v1/moderation/queue").await.expect(200).text("/data/0/id"), id);
        let published = town.officer.post(&format!("/v1/products/{id}/approve"), json!({})).await.expect(200);
        let variant = published.text("/variants/0/id");

        let list = buyer.get("/v1/storefront/products?q=DODOL%20dur&category=makanan&region=36.71").await.expect(200);
        assert_eq!(list.text("/data/0/title"), "Kue dodol durian (en)");
        assert_eq!(list.text("/data/0/price/display"), "Rp25.000");
        assert_eq!(list.header("content-language"), "en");
        let image = list.body.pointer("/data/0/image").unwrap();
        assert_eq!((image["width"].as_i64(), image["height"].as_i64()), (Some(700), Some(500)));
        let url = image["renditions"][0]["url"].as_str().unwrap();
        let rendition = buyer.send(buyer.request(reqwest::Method::GET, url)).await;
        assert_eq!(rendition.header("cache-control"), "public, max-age=31536000, immutable");

        let exhibition = town.exhibition("pontianak-2030").await;
        let path = format!("/v1/exhibitions/{exhibition}");
        let item = json!({ "sme_id": town.sme, "variant_id": variant, "units_planned": 40, "exhibition_price": { "value": "22000" } });
        assert_eq!(town.owner.post(&format!("{path}/lineup"), item.clone()).await.expect(409).text("/reason"), "not_confirmed");
        town.coordinator.post(&format!("{path}/exhibitors"), json!({ "sme_id": town.sme })).await.expect(201);
        town.owner.post(&format!("{path}/lineup"), item).await.expect(201);
        for step in ["announce", "open", "close", "publish-lineup"] {
            town.coordinator.post_empty(&format!("{path}/{step}")).await.expect(200);
        }
        let lineup = buyer.get("/v1/storefront/exhibitions/pontianak-2030/lineup").await.expect(200);
        assert_eq!(lineup.text("/data/0/exhibition_price/value"), "22000.00");
        let public = buyer.get("/v1/storefront/exhibitions/pontianak-2030").await.expect(200);
        assert_eq!((public.text("/time_zone_label"), public.text("/dates_label")), ("WIB".into(), "1–4 May 2030".into()));
        let shown = buyer.get("/v1/storefront/products?exhibition=pontianak-2030").await.expect(200);
        assert_eq!(shown.text("/data/0/id"), id);
        let detail = buyer.get(&format!("/v1/storefront/products/{id}")).await.expect(200);
        assert_eq!(detail.text("/exhibitions/0/slug"), "pontianak-2030");

        // Not over yet, so it can't be completed; once it is, the line-up is frozen for good.
        town.coordinator.post_empty(&format!("{path}/start")).await.expect(200);
        assert_eq!(town.coordinator.post_empty(&format!("{path}/complete")).await.expect(409).text("/reason"), "not_over");
    }

    async fn what_leaves_the_catalogue_leaves_every_public_page_with_the_same_commit(world: World) {
        let town = world.town().await;
        let buyer = world.public();
        let id = town.published("Dodol wijen").await.text("/id");
        let seen = async |count: usize| {
            let list = buyer.get("/v1/storefront/products").await.expect(200);
            assert_eq!(list.body["data"].as_array().unwrap().len(), count);
            buyer.get(&format!("/v1/storefront/products/{id}")).await.expect(if count == 0 { 404 } else { 200 });
        };
        seen(1).await;
        town.owner.post_empty(&format!("/v1/products/{id}/pause")).await.expect(200);
        seen(0).await;
        town.owner.post_empty(&format!("/v1/products/{id}/resume")).await.expect(200);
        seen(1).await;
        town.officer.post(&format!("/v1/smes/{}/suspend", town.sme), json!({ "reason": "Dokumen kedaluwarsa" })).await.expect(200);
        seen(0).await;
        buyer.get("/v1/storefront/smes/dodol-cisadane").await.expect(404);
        town.officer.post(&format!("/v1/smes/{}/verify", town.sme), json!({})).await.expect(200);
        seen(1).await;
        let etag = town.owner.get(&format!("/v1/products/{id}")).await.etag();
        town.owner.delete(&format!("/v1/products/{id}"), &etag).await.expect(204);
        seen(0).await;
        town.owner.get(&format!("/v1/products/{id}")).await.expect(404);
        assert_eq!(town.owner.post_empty(&format!("/v1/products/{id}/restore")).await.expect(200).text("/status"), "draft");
    }

    async fn a_renamed_handle_redirects(world: World) {
        let town = world.town().await;
        let buyer = world.public();
        let product = town.published("Dodol kacang").await;
        let id = product.text("/id");
        town.owner.patch(&format!("/v1/products/{id}"), &product.etag(), json!({ "handle": "dodol-kacang-tanah" })).await.expect(200);
        let moved = buyer.get("/v1/storefront/products/by-handle/dodol-cisadane/dodol-kacang").await.expect(308);
        let location = moved.header("location");
        assert_eq!(location, "/v1/storefront/products/by-handle/dodol-cisadane/dodol-kacang-tanah");
        assert_eq!(buyer.get(&location).await.expect(200).text("/id"), id);
        let sme = town.owner.get(&format!("/v1/smes/{}", town.sme)).await;
        town.owner.patch(&format!("/v1/smes/{}", town.sme), &sme.etag(), json!({ "handle": "dodol-baru" })).await.expect(200);
        assert_eq!(buyer.get(&location).await.expect(308).header("location"), "/v1/storefront/products/by-handle/dodol-baru/dodol-kacang-tanah");
        assert_eq!(buyer.get("/v1/storefront/smes/dodol-cisadane").await.expect(308).header("location"), "/v1/storefront/smes/dodol-baru");
    }

    async fn a_listing_comes_back_with_reasons_and_is_not_submitted_before_it_is_ready(world: World) {
        let town = world.town().await;
        let mut food = town.dodol("Dodol tanpa isi");
        food["variants"][0]["net_content"] = json!(null);
        let id = town.owner.post("/v1/products", food).await.expect(201).text("/id");
        let refused = town.owner.post_empty(&format!("/v1/products/{id}/submit")).await.expect(422);
        let codes: Vec<_> = refused.body["errors"].as_array().unwrap().iter().map(|error| error["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["ready_image", "net_content"]);

        let draft = town.draft("Dodol biasa").await.text("/id");
        town.owner.post_empty(&format!("/v1/products/{draft}/submit")).await.expect(200);
        town.officer.post(&format!("/v1/products/{draft}/request-changes"), json!({})).await.expect(422);
        let decision = json!({ "reason": "Foto gelap", "reason_codes": ["photo_unclear"] });
        let back = town.officer.post(&format!("/v1/products/{draft}/request-changes"), decision).await.expect(200);
        assert_eq!((back.text("/status"), back.text("/status_reason")), ("changes_requested".into(), "Foto gelap".into()));
        let conflict = town.owner.post_empty(&format!("/v1/products/{draft}/pause")).await.expect(409);
        assert_eq!((conflict.text("/code"), conflict.body["allowed"].clone()), ("invalid_transition".into(), json!(["submit", "archive"])));
        let trail = town.owner.get(&format!("/v1/products/{draft}/audit")).await.expect(200);
        assert_eq!(trail.text("/data/0/reason"), "Foto gelap");
        assert_ne!(trail.text("/data/0/on_behalf_of_sme_id"), "");
    }

    async fn published_texts_stay_as_approved_while_prices_may_move(world: World) {
        let town = world.town().await;
        let product = town.published("Dodol tetap").await;
        let path = format!("/v1/products/{}", product.text("/id"));
        let refused = town.owner.patch(&path, &product.etag(), json!({ "title": { "id": "Lain" } })).await.expect(409);
        assert_eq!(refused.text("/reason"), "not_editable");
        let variant = product.text("/variants/0/id");
        town.owner.patch(&format!("{path}/variants/{variant}"), &product.etag(), json!({ "price": { "value": "27000" } })).await.expect(200);
        assert_eq!(world.public().get("/v1/storefront/products").await.text("/data/0/price/value"), "27000.00");
    }

    async fn a_public_list_takes_one_statement_at_most_a_detail_three_and_a_repetition_none(world: World) {
        let town = world.town().await;
        let buyer = world.public();
        for title in ["Dodol satu", "Dodol dua", "Dodol tiga"] {
            town.published(title).await;
        }
        // Watchers ask every now and then; many tries leave them no chance to disturb all.
        let count = async |path: String| {
            let mut fewest = u64::MAX;
            for _ in 0..20 {
                world.app.answers.invalidate_all();
                world.app.answers.run_pending_tasks().await;
                let before = world.app.database.statements();
                buyer.get(&path).await.expect(200);
                fewest = fewest.min(world.app.database.statements() - before);
            }
            fewest
        };
        assert!(count("/v1/storefront/products?q=dodol&category=makanan&sort=price".into()).await <= 1);
        let id = buyer.get("/v1/storefront/products").await.text("/data/0/id");
        assert!(count(format!("/v1/storefront/products/{id}")).await <= 3);
        assert!(count("/v1/storefront/categories".into()).await <= 1);
        let first = buyer.get("/v1/storefront/products").await.expect(200);
        let mut fewest = u64::MAX;
        for _ in 0..20 {
            let before = world.app.database.statements();
            let request = buyer.request(reqwest::Method::GET, "/v1/storefront/products").header("if-none-match", first.etag());
            buyer.send(request).await.expect(304);
            fewest = fewest.min(world.app.database.statements() - before);
        }
        assert_eq!(fewest, 0);
    }

    async fn nobody_is_given_what_was_encoded_for_somebody_else(world: World) {
        let town = world.town().await;
        for number in 0..4 {
            town.published(&format!("Dodol {number}")).await;
        }
        let buyer = world.public();
        let ask = async |encodings: &[&str]| {
            let mut request = buyer.request(reqwest::Method::GET, "/v1/storefront/products");
            for encoding in encodings {
                request = request.header("accept-encoding", *encoding);
            }
            let response = request.send().await.unwrap();
            response.headers().get("content-encoding").map(|encoding| encoding.to_str().unwrap().to_owned())
        };
        for _ in 0..2 {
            assert_eq!(ask(&["", "br"]).await.as_deref(), Some("br"));
            assert_eq!(ask(&[]).await, None);
            assert_eq!(ask(&["gzip"]).await.as_deref(), Some("gzip"));
            assert_eq!(ask(&["gzip;q=0", "br"]).await.as_deref(), Some("br"));
            assert_eq!(ask(&[""]).await, None);
        }
    }

    async fn pages_follow_each_other_without_gap_or_repetition_in_every_order(world: World) {
        let town = world.town().await;
        let buyer = world.public();
        for title in ["Dodol c", "Dodol a", "dodol B"] {
            town.published(title).await;
        }
        for sort in ["-published_at", "price", "-price", "title"] {
            let mut titles = Vec::new();
            let mut next = format!("/v1/storefront/products?sort={sort}&limit=1");
            loop {
                let page = buyer.get(&next).await.expect(200);
                titles.extend(page.body["data"].as_array().unwrap().iter().map(|card| card["title"].as_str().unwrap().to_owned()));
                let link = page.header("link");
                match link.strip_prefix('<').and_then(|link| link.split_once('>')) {
                    Some((address, _)) => address.clone_into(&mut next),
                    None => break,
                }
            }
            assert_eq!(titles.len(), 3, "{sort}");
            if sort == "title" {
                assert_eq!(titles, ["Dodol a (en)", "dodol B (en)", "Dodol c (en)"]);
            }
            titles.sort();
            titles.dedup();
            assert_eq!(titles.len(), 3, "{sort}");
        }
    }

    async fn a_held_exhibition_without_known_dates_is_history_and_a_month_stays_a_month(world: World) {
        let town = world.town().await;
        let body = |slug: &str, dates: serde_json::Value| json!({
            "agency_id": town.agency, "slug": slug, "title": { "id": "Pameran" }, "city": "Bali", "province_code": "ID-BA",
            "dates": dates, "time_zone": "Asia/Makassar",
        });
        let bali = town.coordinator.post("/v1/exhibitions", body("bali", json!({ "precision": "unknown" }))).await.expect(201).text("/id");
        town.coordinator.post_empty(&format!("/v1/exhibitions/{bali}/announce")).await.expect(200);
        assert_eq!(town.coordinator.post_empty(&format!("/v1/exhibitions/{bali}/open")).await.expect(409).text("/reason"), "dates_not_exact");
        let done = town.coordinator.post_empty(&format!("/v1/exhibitions/{bali}/complete")).await.expect(200);
        assert_eq!((done.text("/status"), done.text("/time_zone_label")), ("completed".into(), "WITA".into()));
        let month = json!({ "starts_on": "2017-12-01", "ends_on": "2017-12-31", "precision": "month" });
        let solo = town.coordinator.post("/v1/exhibitions", body("solo", month)).await.expect(201).text("/id");
        town.coordinator.post_empty(&format!("/v1/exhibitions/{solo}/announce")).await.expect(200);
        assert_eq!(world.public().get("/v1/storefront/exhibitions/solo").await.expect(200).text("/dates_label"), "December 2017");
        let wrong = json!({ "dates": { "starts_on": "2017-12-31", "ends_on": "2017-12-01", "precision": "day" } });
        town.coordinator.post(&format!("/v1/exhibitions/{solo}/postpone"), wrong).await.expect(422);
        town.coordinator.post(&format!("/v1/exhibitions/{solo}/cancel"), json!({})).await.expect(422);
        town.coordinator.post(&format!("/v1/exhibitions/{solo}/cancel"), json!({ "reason": "Batal" })).await.expect(200);
    }

    async fn members_are_invited_once_and_the_last_owner_stays(world: World) {
        let town = world.town().await;
        let path = format!("/v1/smes/{}", town.sme);
        let invite = json!({ "email": "staff@example.org", "role": "staff" });
        let invited = town.owner.post(&format!("{path}/invitations"), invite.clone()).await.expect(201);
        assert_eq!(town.owner.post(&format!("{path}/invitations"), invite).await.expect(409).text("/reason"), "already_invited");
        let accept = json!({ "token": invited.text("/token"), "display_name": "Staf", "password": crate::world::PASSWORD });
        world.public().post("/v1/auth/accept-invitation", accept.clone()).await.expect(200);
        world.public().post("/v1/auth/accept-invitation", accept).await.expect(422);
        let members = town.owner.get(&format!("{path}/members")).await.expect(200);
        let owner = members.body["data"].as_array().unwrap().iter().find(|member| member["role"] == "owner").unwrap()["user_id"].clone();
        let refused = town.owner.send(town.owner.request(reqwest::Method::DELETE, &format!("{path}/members/{}", owner.as_str().unwrap()))).await.expect(409);
        assert_eq!(refused.text("/reason"), "last_owner");
        let codes = json!({ "codes": [{ "scheme": "KBLI", "version": "2020", "code": "10796", "is_primary": 1 }] });
        town.owner.post(&format!("{path}/classifications"), codes).await.expect(200);
        let tempe = town.owner.get("/v1/classifications?version=2020").await.expect(200);
        let moved = tempe.body["data"].as_array().unwrap().iter().find(|row| row["code"] == "10391").unwrap().clone();
        assert_eq!((moved["next_code"].as_str(), moved["next_relation"].as_str()), (Some("10307"), Some("moved")));
    }
}
