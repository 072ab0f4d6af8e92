//! What an owner puts together and a reviewer decides on: products with their variants, materials and photos.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, Engine, Town, World, fixture};

fn address(product: &Answer) -> String {
    format!("/v1/products/{}", product.text("/id"))
}

/// Makes a draft public.
async fn publish(town: &Town, path: &str) -> Answer {
    town.owner.post_empty(&format!("{path}/submit")).await.expect(200);
    town.officer.post(&format!("{path}/approve"), json!({})).await.expect(200)
}

async fn public(world: &World, product: &Answer) -> Answer {
    world.public().get(&format!("/v1/storefront/products/{}", product.text("/id"))).await
}

on_both! {
    async fn a_product_is_what_was_sent_and_what_is_wrong_is_told_by_place(world: World) {
        let town = world.town().await;
        let body = town.dodol("Dodol lengkap");
        let created = town.owner.post("/v1/products", body.clone()).await.expect(201);
        let path = address(&created);
        assert_eq!((created.header("location"), created.etag()), (path.clone(), "\"1\"".into()));
        let read = town.owner.get(&path).await.expect(200);
        assert_eq!(*read.body, *created.body);
        for name in ["sme_id", "category", "title", "summary", "shelf_life_days", "storage", "ingredients", "allergens"] {
            assert_eq!(read.body[name], body[name], "{name}");
        }
        assert_eq!((read.text("/handle"), read.text("/status"), &read.body["published_at"]), ("dodol-lengkap".into(), "draft".into(), &Value::Null));
        assert_eq!(read.body["completeness"]["en_percent"], 66, "title and summary, but not the ingredients");
        for (name, value, pointer) in [
            ("category", json!("tidak-ada"), "/category"), ("title", json!({ "id": " " }), "/title/id"), ("shelf_life_days", json!(0), "/shelf_life_days"),
            ("handle", json!("Dodol Lain"), "/handle"), ("lead_time_days", json!(400), "/lead_time_days"), ("allergens", json!([""]), "/allergens/0"),
            ("materials", json!([{ "name": { "id": "x" }, "origin": "natural", "mass_share_bp": 10_001 }]), "/materials/0/mass_share_bp"),
        ] {
            let mut wrong = body.clone();
            wrong[name] = value;
            town.owner.post("/v1/products", wrong).await.refuses(pointer);
        }
        let mut same = body;
        same["handle"] = json!("dodol-lengkap");
        town.owner.post("/v1/products", same).await.conflicts("handle_taken");

        let patch = json!({ "description": { "id": "Resep nenek.", "en": "Grandmother's recipe." }, "lead_time_days": 4, "allergens": ["kacang"], "category": "kue-basah" });
        let edited = town.owner.patch(&path, &read.etag(), patch.clone()).await.expect(200);
        let cleared = town.owner.patch(&path, &edited.etag(), json!({ "summary": null, "shelf_life_days": null })).await.expect(200);
        assert_eq!(cleared.etag(), "\"3\"");
        let read = town.owner.get(&path).await.expect(200);
        read.has("", &patch);
        assert_eq!((&read.body["summary"], &read.body["shelf_life_days"], &read.body["title"]), (&Value::Null, &Value::Null, &json!({ "id": "Dodol lengkap", "en": "Dodol lengkap (en)" })));
        town.owner.patch(&path, &created.etag(), json!({ "lead_time_days": 5 })).await.expect(412);
        town.owner.patch(&path, &read.etag(), json!({ "title": { "id": "" } })).await.refuses("/title/id");
    }

    async fn a_variant_is_added_sold_and_taken_away_and_its_number_is_free_again(world: World) {
        let town = world.town().await;
        let draft = town.draft("Dodol").await;
        let path = address(&draft);
        let variants = format!("{path}/variants");
        let fields = json!({
            "sku": "DDL-500", "options": { "berat": "500 g" }, "moq": 2, "order_multiple": 2, "net_content": { "value": 500, "unit": "g" }, "weight_g": 520,
            "length_mm": 200, "width_mm": 100, "height_mm": 50, "gtin": "4006381333931", "stock_policy": "track", "on_hand": 12,
        });
        let mut big = fields.clone();
        big["price"] = json!({ "value": "45000" });
        let added = town.owner.post(&variants, big.clone()).await.expect(201);
        assert_eq!((added.header("location"), added.etag() != draft.etag()), (path.clone(), true));
        let read = town.owner.get(&path).await.expect(200);
        read.has("/variants/1", &fields);
        assert_eq!((read.text("/variants/0/price/display"), read.text("/variants/1/price/display")), ("Rp25.000".into(), "Rp45.000".into()));
        for (name, value, pointer) in [
            ("price", json!({ "value": "10" }), "/price"), ("moq", json!(0), "/moq"), ("order_multiple", json!(0), "/order_multiple"), ("on_hand", json!(-1), "/on_hand"),
            ("gtin", json!("4006381333932"), "/gtin"), ("options", json!({ "rasa": "" }), "/options"), ("weight_g", json!(0), "/weight_g"),
            ("length_mm", json!(0), "/length_mm"), ("net_content", json!({ "value": 0, "unit": "g" }), "/net_content/value"), ("sku", json!(" "), "/sku"),
        ] {
            let mut wrong = json!({ "price": { "value": "45000" } });
            wrong[name] = value;
            town.owner.post(&variants, wrong).await.refuses(pointer);
        }
        town.owner.post(&variants, json!({ "sku": "DDL-500", "price": { "value": "45000" } })).await.conflicts("sku_taken");
        town.officer.post(&variants, big.clone()).await.expect(403);

        let variant = format!("{variants}/{}", read.text("/variants/1/id"));
        town.owner.patch(&variant, &draft.etag(), json!({ "on_hand": 3 })).await.expect(412);
        let edited = town.owner.patch(&variant, &read.etag(), json!({ "on_hand": 3, "moq": 1, "gtin": null, "price": { "value": "44000" } })).await.expect(200);
        edited.has("/variants/1", &json!({ "on_hand": 3, "moq": 1, "gtin": null, "sku": "DDL-500", "weight_g": 520 }));
        town.owner.patch(&variant, &edited.etag(), json!({ "on_hand": -1 })).await.refuses("/on_hand");
        town.owner.delete(&variant, &read.etag()).await.expect(412);
        let left = town.owner.delete(&variant, &edited.etag()).await.expect(200);
        assert_eq!((left.body["variants"].as_array().unwrap().len(), left.text("/variants/0/id")), (1, read.text("/variants/0/id")));
        town.owner.delete(&variant, "*").await.expect(404);
        let again = town.owner.post(&variants, big.clone()).await.expect(201);
        assert_ne!(again.text("/variants/1/id"), read.text("/variants/1/id"));

        publish(&town, &path).await;
        let shown = public(&world, &draft).await.expect(200);
        assert_eq!((&shown.body["price_is_from"], shown.text("/price/display"), shown.text("/variants/1/sku")), (&json!(true), "Rp25.000".into(), "DDL-500".into()));
        // What was approved stays, but its stock moves on.
        let variant = format!("{variants}/{}", again.text("/variants/1/id"));
        assert_eq!(town.owner.post(&variants, json!({ "price": { "value": "45000" } })).await.conflicts("not_editable").text("/state"), "published");
        town.owner.delete(&variant, "*").await.conflicts("not_editable");
        town.owner.patch(&variant, "*", json!({ "options": { "berat": "1 kg" } })).await.conflicts("not_editable");
        town.owner.patch(&variant, "*", json!({ "on_hand": 0 })).await.expect(200);
        assert_eq!(public(&world, &draft).await.body["variants"][1]["on_hand"], 0);
    }

    async fn material_lines_never_pass_the_whole_and_tell_buyers_what_waste_became(world: World) {
        let town = world.town().await;
        let draft = town.draft("Tas perca").await;
        let (path, materials) = (address(&draft), format!("{}/materials", address(&draft)));
        let line = json!({
            "name": { "id": "Kain perca", "en": "Offcuts" }, "origin": "upcycled_industrial", "mass_share_bp": 7000, "grams_diverted_per_unit": 120,
            "waste_source": { "id": "Sisa konveksi", "en": "Sewing waste" },
        });
        let added = town.owner.post(&materials, line.clone()).await.expect(201);
        assert_eq!(added.header("location"), path);
        let read = town.owner.get(&path).await.expect(200);
        read.has("/materials/0", &line);
        assert_eq!(read.text("/materials/0/verification"), "self_declared");
        let plain = |share: i64| json!({ "name": { "id": "Benang" }, "origin": "virgin", "mass_share_bp": share });
        town.owner.post(&materials, plain(3001)).await.conflicts("material_shares_over_100");
        assert_eq!(town.owner.get(&path).await.expect(200).etag(), read.etag(), "nothing has changed");
        for (name, value, pointer) in [
            ("mass_share_bp", json!(10_001), "/mass_share_bp"), ("mass_share_bp", json!(-1), "/mass_share_bp"), ("name", json!({ "id": "" }), "/name/id"),
            ("grams_diverted_per_unit", json!(-1), "/grams_diverted_per_unit"), ("waste_source", json!({ "id": " " }), "/waste_source/id"),
        ] {
            let mut wrong = line.clone();
            wrong[name] = value;
            town.owner.post(&materials, wrong).await.refuses(pointer);
        }
        let both = town.owner.post(&materials, plain(3000)).await.expect(201);
        let names: Vec<&Value> = both.body["materials"].as_array().unwrap().iter().map(|line| &line["name"]["id"]).collect();
        assert_eq!(names, ["Kain perca", "Benang"]);
        let thread = format!("{materials}/{}", both.text("/materials/1/id"));
        town.owner.delete(&thread, &read.etag()).await.expect(412);
        town.officer.delete(&thread, "*").await.expect(403);
        let left = town.owner.delete(&thread, &both.etag()).await.expect(200);
        assert_eq!((left.body["materials"].as_array().unwrap().len(), left.text("/materials/0/name/id")), (1, "Kain perca".into()));
        town.owner.delete(&thread, "*").await.expect(404);
        assert_eq!(town.owner.get(&path).await.expect(200).body["materials"], left.body["materials"]);

        publish(&town, &path).await;
        let shown = public(&world, &draft).await.expect(200);
        shown.has("/materials/0", &line);
        assert_eq!(shown.body["material_origins"], json!(["upcycled_industrial"]));
        for (origin, found) in [("upcycled_industrial", 1), ("virgin", 0)] {
            assert_eq!(world.public().get(&format!("/v1/storefront/products?material_origin={origin}")).await.expect(200).count(), found, "{origin}");
        }
        town.owner.post(&materials, plain(10)).await.conflicts("not_editable");
        town.owner.delete(&format!("{materials}/{}", left.text("/materials/0/id")), "*").await.conflicts("not_editable");
    }

    async fn photos_are_ordered_and_described_and_the_next_one_leads_when_the_first_is_taken_off(world: World) {
        let town = world.town().await;
        let draft = town.draft("Dodol").await;
        let (path, images) = (address(&draft), format!("{}/images", address(&draft)));
        let other = town.owner.upload(&town.sme, fixture("photo-progressive.jpg")).await.expect(202).text("/id");
        town.owner.settled_photo(&other).await;
        let attach = json!({ "media_id": other, "alt": { "id": "Kemasan", "en": "Package" } });
        let attached = town.owner.post(&images, attach.clone()).await.expect(201);
        let (first, second) = (attached.text("/images/0/id"), attached.text("/images/1/id"));
        attached.has("/images/0", &json!({ "is_primary": true, "position": 0 }));
        attached.has("/images/1", &json!({ "is_primary": false, "position": 1, "alt": { "id": "Kemasan", "en": "Package" } }));
        assert_eq!(attached.text("/images/1/photo/id"), other);
        town.owner.post(&images, attach).await.conflicts("already_attached");
        town.owner.post(&images, json!({ "media_id": other, "alt": { "id": " " } })).await.refuses("/alt/id");
        let of = |image: &str| format!("{images}/{image}");
        town.owner.patch(&of(&second), &draft.etag(), json!({ "is_primary": true })).await.expect(412);
        let change = json!({ "is_primary": true, "focal_x_bp": 2500, "focal_y_bp": 7500, "alt": { "id": "Kotak", "en": "Box" } });
        let led = town.owner.patch(&of(&second), &attached.etag(), change.clone()).await.expect(200);
        led.has("/images/1", &change);
        led.has("/images/0", &json!({ "is_primary": false, "alt": { "id": "Dodol" } }));
        let moved = town.owner.patch(&of(&first), &led.etag(), json!({ "position": 5 })).await.expect(200);
        let read = town.owner.get(&path).await.expect(200);
        assert_eq!((read.text("/images/0/id"), read.text("/images/1/id"), read.etag()), (second.clone(), first.clone(), moved.etag()));
        for (patch, pointer) in [
            (json!({ "focal_x_bp": 10_001 }), "/focal_x_bp"), (json!({ "focal_y_bp": -1 }), "/focal_y_bp"), (json!({ "position": -1 }), "/position"),
            (json!({ "alt": { "id": "" } }), "/alt/id"),
        ] {
            town.owner.patch(&of(&first), &read.etag(), patch).await.refuses(pointer);
        }
        town.owner.patch(&of(&town.sme), "*", json!({ "position": 1 })).await.expect(404);
        town.officer.patch(&of(&first), "*", json!({ "position": 1 })).await.expect(403);

        publish(&town, &path).await;
        let shown = public(&world, &draft).await.expect(200);
        assert_eq!((shown.text("/image/alt"), &shown.body["image"]["focal_x_bp"], shown.body["images"].as_array().unwrap().len()), ("Box".into(), &json!(2500), 2));
        town.owner.patch(&of(&second), "*", json!({ "alt": { "id": "Kotak", "en": "A box" } })).await.expect(200);
        assert_eq!(public(&world, &draft).await.text("/image/alt"), "A box", "also while it is public");
        town.owner.delete(&of(&second), "*").await.conflicts("not_editable");

        let archived = town.owner.post_empty(&format!("{path}/archive")).await.expect(200);
        assert_eq!(archived.text("/status"), "archived");
        public(&world, &draft).await.expect(404);
        town.owner.post_empty(&format!("{path}/archive")).await.allows_only(&["restore"]);
        let restored = town.owner.post_empty(&format!("{path}/restore")).await.expect(200);
        assert_eq!(restored.text("/status"), "draft");
        town.owner.delete(&of(&second), &archived.etag()).await.expect(412);
        let left = town.owner.delete(&of(&second), &restored.etag()).await.expect(200);
        assert_eq!(left.body["images"].as_array().unwrap().len(), 1);
        left.has("/images/0", &json!({ "id": first, "is_primary": true }));
        town.owner.delete(&of(&second), "*").await.expect(404);
        town.owner.send(town.owner.request(Method::DELETE, &format!("/v1/media/{other}"))).await.expect(204);
        let last = town.owner.delete(&of(&first), &left.etag()).await.expect(200);
        assert_eq!(last.body["images"], json!([]));
        assert_eq!(town.owner.post_empty(&format!("{path}/submit")).await.expect(422).text("/errors/0/code"), "ready_image");
    }

    async fn a_reviewer_rejects_suspends_and_reinstates_for_reasons_that_the_owner_reads(world: World) {
        let town = world.town().await;
        let draft = town.draft("Dodol").await;
        let path = address(&draft);
        let act = async |who: &crate::world::Person, step: &str, body: Value| who.post(&format!("{path}/{step}"), body).await;
        town.officer.post(&format!("{path}/reject"), json!({ "reason": "x" })).await.allows_only(&["submit", "archive"]);
        town.owner.post_empty(&format!("{path}/submit")).await.expect(200).has("", &json!({ "status": "submitted", "published_at": null }));
        assert_eq!(town.officer.get("/v1/moderation/queue").await.expect(200).column("/id"), [draft.text("/id")]);
        act(&town.officer, "reject", json!({ "reason": " " })).await.refuses("/reason");
        act(&town.owner, "reject", json!({ "reason": "x" })).await.expect(403);
        let decision = json!({ "reason": "Bukan produk sendiri.", "reason_codes": ["not_own_product", "photo_unclear"] });
        act(&town.officer, "reject", decision).await.expect(200).has("", &json!({ "status": "rejected" }));
        let read = town.owner.get(&path).await.expect(200);
        read.has("", &json!({ "status": "rejected", "status_reason": "Bukan produk sendiri.", "reason_codes": ["not_own_product", "photo_unclear"], "published_at": null }));
        assert_eq!(town.officer.get("/v1/moderation/queue").await.expect(200).count(), 0);
        town.owner.patch(&path, &read.etag(), json!({ "title": { "id": "Lain" } })).await.conflicts("not_editable");
        town.owner.post_empty(&format!("{path}/submit")).await.allows_only(&["archive"]);

        for step in ["archive", "restore", "submit"] {
            town.owner.post_empty(&format!("{path}/{step}")).await.expect(200);
        }
        let approved = act(&town.officer, "approve", json!({})).await.expect(200);
        approved.has("", &json!({ "status": "published", "status_reason": null, "reason_codes": [] }));
        public(&world, &draft).await.expect(200);
        act(&town.officer, "suspend", json!({})).await.refuses("/reason");
        act(&town.officer, "suspend", json!({ "reason": "Klaim tanpa bukti.", "reason_codes": ["claim_unproven"] })).await.expect(200).has("", &json!({ "status": "suspended" }));
        public(&world, &draft).await.expect(404);
        town.owner.get(&path).await.expect(200).has("", &json!({ "status": "suspended", "status_reason": "Klaim tanpa bukti.", "reason_codes": ["claim_unproven"] }));
        town.owner.post_empty(&format!("{path}/resume")).await.allows_only(&["reinstate", "archive"]);
        act(&town.owner, "reinstate", json!({})).await.expect(403);
        let back = act(&town.officer, "reinstate", json!({})).await.expect(200);
        back.has("", &json!({ "status": "published", "status_reason": null, "reason_codes": [], "published_at": approved.body["published_at"] }));
        public(&world, &draft).await.expect(200);
        act(&town.officer, "reinstate", json!({})).await.allows_only(&["pause", "suspend", "archive"]);
        town.officer.post_empty(&format!("{path}/pause")).await.expect(403);
        town.owner.post_empty(&format!("{path}/pause")).await.expect(200).has("", &json!({ "status": "paused", "published_at": approved.body["published_at"] }));
        public(&world, &draft).await.expect(404);
        town.owner.post_empty(&format!("{path}/pause")).await.allows_only(&["resume", "suspend", "archive"]);
        town.owner.post_empty(&format!("{path}/resume")).await.expect(200).has("", &json!({ "status": "published" }));
        public(&world, &draft).await.expect(200);

        let trail = town.owner.get(&format!("{path}/audit")).await.expect(200);
        let expected = ["resume", "pause", "reinstate", "suspend", "approve", "submit", "restore", "archive", "reject", "submit", "attach_image", "create"];
        assert_eq!(trail.column("/action"), expected);
        let (owner, officer) = (town.owner.get("/v1/me").await.expect(200).text("/id"), town.officer.get("/v1/me").await.expect(200).text("/id"));
        trail.has("/data/8", &json!({ "actor_user_id": officer, "on_behalf_of_sme_id": town.sme, "reason": "Bukan produk sendiri." }));
        trail.has("/data/11", &json!({ "actor_user_id": owner, "on_behalf_of_sme_id": null, "reason": null }));
        assert_eq!(trail.body["data"][8]["change"]["reason_codes"], json!(["not_own_product", "photo_unclear"]));
        world.newcomer("stranger", false).await.get(&format!("{path}/audit")).await.expect(404);
    }

    async fn owners_list_their_products_by_state_and_reviewers_what_waits_longest(world: World) {
        let town = world.town().await;
        let mut ids = Vec::new();
        for title in ["Satu", "Dua", "Tiga"] {
            ids.push(town.draft(title).await.text("/id"));
        }
        let list = async |query: &str| town.owner.get(&format!("/v1/products?sme_id={}{query}", town.sme)).await;
        let all = list("").await.expect(200);
        assert_eq!((all.column("/id"), all.column("/title/id")), (ids.clone(), vec!["Satu".into(), "Dua".into(), "Tiga".into()]));
        let page = list("&limit=2").await.expect(200);
        assert_eq!(page.column("/id"), ids[..2]);
        let rest = list(&format!("&limit=2&cursor={}", page.text("/page/next_cursor"))).await.expect(200);
        assert_eq!((rest.column("/id"), &rest.body["page"].get("next_cursor")), (vec![ids[2].clone()], &None));
        for id in [&ids[2], &ids[0]] {
            town.owner.post_empty(&format!("/v1/products/{id}/submit")).await.expect(200);
        }
        assert_eq!(list("&status=submitted").await.expect(200).column("/id"), [ids[0].clone(), ids[2].clone()]);
        assert_eq!(list("&status=draft").await.expect(200).column("/status"), ["draft"]);
        assert_eq!(list("&status=sold").await.expect(400).text("/code"), "invalid_parameter");
        let waiting = town.officer.get("/v1/moderation/queue?limit=1").await.expect(200);
        let next = town.officer.get(&format!("/v1/moderation/queue?limit=1&cursor={}", waiting.text("/page/next_cursor"))).await.expect(200);
        assert_eq!((waiting.column("/id"), next.column("/id")), (vec![ids[0].clone()], vec![ids[2].clone()]));
        town.owner.get("/v1/moderation/queue").await.expect(403);
        let other = world.newcomer("other", false).await;
        other.get(&format!("/v1/products?sme_id={}", town.sme)).await.expect(404);

        // Gone, and its handle is another's: what comes back has to make room.
        let gone = format!("/v1/products/{}", ids[1]);
        town.owner.send(town.owner.request(Method::DELETE, &gone)).await.expect(428);
        town.owner.delete(&gone, "\"99\"").await.expect(412);
        town.officer.delete(&gone, "*").await.expect(403);
        town.owner.delete(&gone, &town.owner.get(&gone).await.etag()).await.expect(204);
        assert_eq!(list("").await.expect(200).column("/id"), [ids[0].clone(), ids[2].clone()]);
        let heir = town.owner.post("/v1/products", town.dodol("Dua")).await.expect(201);
        assert_eq!(heir.text("/handle"), "dua");
        town.owner.post_empty(&format!("{gone}/restore")).await.conflicts("handle_taken");
        let renamed = town.owner.patch(&address(&heir), &heir.etag(), json!({ "handle": "dua-baru" })).await.expect(200);
        assert_eq!(renamed.text("/handle"), "dua-baru");
        let back = town.owner.post_empty(&format!("{gone}/restore")).await.expect(200);
        back.has("", &json!({ "status": "draft", "handle": "dua" }));
        assert_eq!(back.body["variants"].as_array().unwrap().len(), 1, "with its variants");
        assert_eq!(list("").await.expect(200).count(), 4);
    }

    async fn the_checklist_says_what_is_missing_where_and_in_ones_own_language(world: World) {
        let town = world.town().await;
        let mut body = town.dodol("Dodol");
        body["storage"] = json!(null);
        let created = town.owner.post("/v1/products", body).await.expect(201);
        let path = address(&created);
        let checklist = town.owner.get(&format!("{path}/readiness")).await.expect(200);
        assert_eq!(checklist.body["ready"], false);
        let unmet: Vec<&Value> = checklist.body["checks"].as_array().unwrap().iter().filter(|check| check["met"] == false).collect();
        assert_eq!(unmet, [
            &json!({ "code": "ready_image", "pointer": "/images", "met": false, "message": "At least one photo that is ready." }),
            &json!({ "code": "storage", "pointer": "/storage", "met": false, "message": "How it is stored." }),
        ]);
        let indonesian = crate::world::Person { language: "id", ..town.owner.clone() };
        assert_eq!(indonesian.get(&format!("{path}/readiness")).await.expect(200).text("/checks/0/message"), "Ringkasan dalam bahasa Indonesia.");
        town.owner.patch(&path, &created.etag(), json!({ "storage": "chilled" })).await.expect(200);
        let media = town.ready_photo().await;
        town.owner.post(&format!("{path}/images"), json!({ "media_id": media, "alt": { "id": "Dodol" } })).await.expect(201);
        assert_eq!(town.officer.get(&format!("{path}/readiness")).await.expect(200).body["ready"], true, "its office reads it too");
    }
}
