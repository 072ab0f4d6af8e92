//! Rules that the database holds against anybody who types SQL into it.

use sea_orm::Value;
use serde_json::json;
use uuid::Uuid;

use crate::world::{Engine, World};

fn id(text: &str) -> Value {
    Uuid::parse_str(text).unwrap().into()
}

on_both! {
    async fn no_sql_breaks_the_rules_of_products_and_people(world: World) {
        let town = world.town().await;
        let product = town.published("Dodol").await;
        let (product_id, variant) = (id(&product.text("/id")), id(&product.text("/variants/0/id")));
        let refused = async |text: &str, values: Vec<Value>| {
            let result = world.execute(text, values).await;
            assert!(result.is_err(), "{text}: {result:?}");
        };
        refused("update product_variants set price_minor = 1500050 where id = ?", vec![variant.clone()]).await;
        refused("update product_variants set price_minor = -100 where id = ?", vec![variant.clone()]).await;
        refused("update product_variants set on_hand = -1 where id = ?", vec![variant.clone()]).await;
        refused("update products set status = 'sold' where id = ?", vec![product_id.clone()]).await;
        refused("update products set status = 'suspended', status_reason = null where id = ?", vec![product_id.clone()]).await;
        refused("update products set published_at = null where id = ?", vec![product_id.clone()]).await;
        refused("delete from sme_memberships", vec![]).await;
        refused("update sme_memberships set role = 'staff'", vec![]).await;
        refused("update audit_log set action = 'nothing'", vec![]).await;
        refused("delete from audit_log", vec![]).await;
        refused("update media_assets set status = 'deleting'", vec![]).await;
        refused("update smes set handle = 'x'", vec![]).await;
        refused("update users set email = 'Upper@Example.org'", vec![]).await;
        refused("update sessions set user_id = ?", vec![Uuid::now_v7().into()]).await;
        let line = "insert into product_materials (id, product_id, name, origin, mass_share_bp) values (?, ?, ?, 'natural', ?)";
        let material = |share: i64| vec![Uuid::now_v7().into(), product_id.clone(), json!({ "id": "x" }).into(), share.into()];
        world.execute(line, material(6000)).await.unwrap();
        refused(line, material(4001)).await;
        world.execute(line, material(4000)).await.unwrap();
    }

    async fn no_sql_has_somebody_decide_on_an_sme_of_their_own(world: World) {
        let town = world.town().await;
        let exhibition = town.exhibition("pameran").await;
        town.call(&exhibition, 10).await;
        let document = json!({ "kind": "nib", "number": "9120001234567" });
        town.owner.post(&format!("/v1/smes/{}/documents", town.sme), document).await.expect(201);
        let (owner, staff) = ("(select user_id from sme_memberships)", "(select user_id from agency_members where role = 'coordinator')");
        let decide = |by: &str| format!("update legal_documents set status = 'verified', decided_by = {by}, decided_at = created_at");
        let grant = |by: &str| format!("insert into call_graces (exhibition_id, sme_id, until, granted_by) select c.exhibition_id, s.id, c.closes_at, {by} from exhibition_calls c, smes s");
        for text in [decide(owner), grant(owner)] {
            let error = world.execute(&text, vec![]).await.unwrap_err().to_string();
            assert!(error.contains("decides_on_own_sme"), "{error}");
        }
        for text in [decide(staff), grant(staff)] {
            world.execute(&text, vec![]).await.unwrap();
        }
        world.execute(&format!("update call_graces set granted_by = {owner}"), vec![]).await.unwrap_err();
    }

    async fn no_sql_breaks_the_rules_of_exhibitions(world: World) {
        let town = world.town().await;
        let product = town.published("Dodol").await;
        let exhibition = town.exhibition("pameran").await;
        let path = format!("/v1/exhibitions/{exhibition}");
        town.coordinator.post(&format!("{path}/exhibitors"), json!({ "sme_id": town.sme })).await.expect(201);
        assert_eq!(town.coordinator.post(&format!("{path}/exhibitors"), json!({ "sme_id": town.sme })).await.expect(409).text("/reason"), "already_applied");
        let item = json!({ "sme_id": town.sme, "variant_id": product.text("/variants/0/id"), "units_planned": 5 });
        let added = town.owner.post(&format!("{path}/lineup"), item.clone()).await.expect(201);
        assert_eq!(town.owner.post(&format!("{path}/lineup"), item).await.expect(409).text("/reason"), "already_in_lineup");
        let refused = async |text: &str| {
            let result = world.execute(text, vec![]).await;
            assert!(result.is_err(), "{text}: {result:?}");
        };
        refused("update exhibitions set ends_on = '2029-01-01'").await;
        refused("update exhibitions set date_precision = 'unknown'").await;
        refused("update exhibitions set starts_on = null, ends_on = null").await;
        refused("update exhibitions set status = 'cancelled'").await;
        refused("update lineup_items set units_planned = 0").await;
        refused("update lineup_items set exhibition_price_minor = 150").await;
        let frozen = chrono::Utc::now();
        world.execute("update exhibitions set lineup_frozen_at = ?", vec![frozen.into()]).await.unwrap();
        refused("update lineup_items set units_planned = 6").await;
        refused("delete from lineup_items").await;
        let late = town.owner.patch(&format!("{path}/lineup/{}", added.text("/id")), &added.etag(), json!({ "units_planned": 9 })).await.expect(409);
        assert_eq!(late.text("/reason"), "lineup_frozen");
    }

    async fn a_line_up_takes_published_products_only_and_hides_what_left(world: World) {
        let town = world.town().await;
        let exhibition = town.exhibition("pameran").await;
        let path = format!("/v1/exhibitions/{exhibition}");
        town.coordinator.post(&format!("{path}/exhibitors"), json!({ "sme_id": town.sme })).await.expect(201);
        let draft = town.draft("Dodol draf").await;
        let item = |product: &crate::world::Answer| json!({ "sme_id": town.sme, "variant_id": product.text("/variants/0/id"), "units_planned": 5 });
        assert_eq!(town.owner.post(&format!("{path}/lineup"), item(&draft)).await.expect(409).text("/reason"), "not_published");
        let product = town.published("Dodol terbit").await;
        town.owner.post(&format!("{path}/lineup"), item(&product)).await.expect(201);
        for step in ["announce", "open", "close", "publish-lineup"] {
            town.coordinator.post_empty(&format!("{path}/{step}")).await.expect(200);
        }
        let shown = async || world.public().get("/v1/storefront/exhibitions/pameran/lineup").await.expect(200).body["data"].as_array().unwrap().len();
        assert_eq!(shown().await, 1);
        world.execute("update products set status = 'paused' where id = ?", vec![id(&product.text("/id"))]).await.unwrap();
        world.execute("update catalogue_version set version = version + 1", vec![]).await.unwrap();
        world.app.signals.reread_catalogue_version(&world.app.database).await;
        assert_eq!(shown().await, 0, "even when it was paused by hand");
    }
}
