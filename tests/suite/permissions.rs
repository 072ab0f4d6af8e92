//! The permission table of `identity::policy`, against every operation of the OpenAPI document.

use std::collections::BTreeMap;

use etalase::routes;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Engine, Person, World};

/// Letters: `p` public, `m` any signed-in person, `o` owner, `s` staff of the SME, `x` owner of another SME,
/// `f` officer, `c` coordinator, `a` operator, `k` a program with a secret key of the SME that has all its scopes.
const MAY: &[(&str, &str)] = &[
    ("sign_in", "pmosxfcak"),
    ("accept_invitation", "pmosxfcak"),
    ("register", "pmosxfcak"),
    ("begin_second_factor", "mosxfca"),
    ("confirm_presence", "mosxfca"),
    ("confirm_second_factor", "mosxfca"),
    ("disable_second_factor", "mosxfca"),
    ("sign_out", "mosxfca"),
    ("get_me", "mosxfca"),
    ("list_sessions", "mosxfca"),
    ("revoke_session", "mosxfca"),
    ("list_agencies", "mosxfca"),
    ("create_agency", "a"),
    ("list_staff", "fca"),
    ("remove_staff", "a"),
    ("invite_staff", "a"),
    ("list_staff_invitations", "a"),
    ("list_programmes", "fca"),
    ("list_wub_groups", "fca"),
    ("list_smes", "mosxfca"),
    ("register_sme", "mosxfca"),
    ("get_sme", "osfcak"),
    ("edit_sme", "osa"),
    ("submit_sme", "osa"),
    ("verify_sme", "fca"),
    ("reject_sme", "fca"),
    ("suspend_sme", "fca"),
    ("list_sme_audit", "ofca"),
    ("list_members", "osfca"),
    ("remove_member", "oa"),
    ("invite_member", "oa"),
    ("list_member_invitations", "oa"),
    ("revoke_invitation", "oa"),
    ("list_classifications", "mosxfca"),
    ("list_sme_classifications", "osfca"),
    ("classify_sme", "osa"),
    ("list_documents", "ofc"),
    ("add_document", "o"),
    ("remove_document", "o"),
    ("verify_document", "fc"),
    ("reject_document", "fc"),
    ("revoke_document", "fc"),
    ("list_notices", "osfca"),
    ("list_products", "osfcak"),
    ("list_moderation_queue", "fc"),
    ("create_product", "osk"),
    ("get_product", "osfcak"),
    ("edit_product", "osk"),
    ("delete_product", "osk"),
    ("get_product_readiness", "osfcak"),
    ("submit_product", "osk"),
    ("pause_product", "osk"),
    ("resume_product", "osk"),
    ("archive_product", "osk"),
    ("restore_product", "osk"),
    ("approve_product", "fca"),
    ("request_product_changes", "fca"),
    ("reject_product", "fca"),
    ("suspend_product", "fca"),
    ("reinstate_product", "fca"),
    ("add_variant", "osk"),
    ("edit_variant", "osk"),
    ("delete_variant", "osk"),
    ("add_material", "osk"),
    ("delete_material", "osk"),
    ("attach_image", "osk"),
    ("edit_image", "osk"),
    ("detach_image", "osk"),
    ("list_product_audit", "ofca"),
    ("list_similar_photos", "fca"),
    ("upload_photo", "osk"),
    ("begin_upload", "osk"),
    ("complete_upload", "osk"),
    ("get_photo", "osfcak"),
    ("delete_photo", "osk"),
    ("list_exhibitions", "mosxfca"),
    ("create_exhibition", "c"),
    ("get_exhibition", "fca"),
    ("edit_exhibition", "c"),
    ("announce_exhibition", "c"),
    ("open_exhibition", "c"),
    ("close_exhibition", "c"),
    ("publish_lineup", "c"),
    ("start_exhibition", "c"),
    ("complete_exhibition", "c"),
    ("archive_exhibition", "c"),
    ("postpone_exhibition", "c"),
    ("cancel_exhibition", "c"),
    ("add_hall", "c"),
    ("add_batch", "c"),
    ("add_booths", "c"),
    ("remove_booth", "c"),
    ("get_plan", "fca"),
    ("draw_plan", "fca"),
    ("assign_booth", "c"),
    ("unassign_booth", "c"),
    ("swap_booths", "c"),
    ("suggest_plan", "c"),
    ("publish_plan", "c"),
    ("set_call", "c"),
    ("get_call", "fca"),
    ("grant_grace", "c"),
    ("add_requirement", "c"),
    ("remove_requirement", "c"),
    ("add_question", "c"),
    ("remove_question", "c"),
    ("list_mentors", "osfca"),
    ("add_mentor", "ca"),
    ("remove_mentor", "ca"),
    ("get_rubric", "fca"),
    ("set_rubric", "c"),
    ("get_phases", "fca"),
    ("set_phases", "c"),
    ("share_reviews", "c"),
    ("list_review_progress", "fca"),
    ("unassign_review", "c"),
    ("list_review_queue", "c"),
    ("list_reviews", "c"),
    ("write_review", "c"),
    ("delete_review", "c"),
    ("recuse_review", "c"),
    ("run_selection", "c"),
    ("list_selection_runs", "c"),
    ("get_selection_run", "c"),
    ("compare_selection_runs", "c"),
    ("apply_selection_run", "c"),
    ("list_setup_documents", "fca"),
    ("add_setup_document", "c"),
    ("edit_setup_document", "c"),
    ("acknowledge_setup_document", "os"),
    ("check_in", "fc"),
    ("list_attendance", "fc"),
    ("record_no_shows", "fc"),
    ("report_sales", "osck"),
    ("list_reports", "fc"),
    ("get_results", "fc"),
    ("export_results_csv", "fc"),
    ("export_results_xlsx", "fc"),
    ("export_packing_list", "fca"),
    ("freeze_lineup", "c"),
    ("clone_exhibition", "c"),
    ("begin_application", "os"),
    ("list_applications", "fca"),
    ("get_application", "osfcak"),
    ("edit_application", "os"),
    ("get_application_readiness", "osfcak"),
    ("submit_application", "oc"),
    ("withdraw_application", "oc"),
    ("reopen_application", "oc"),
    ("confirm_application", "oc"),
    ("decline_application", "oc"),
    ("preview_decisions", "c"),
    ("prepare_decisions", "c"),
    ("clear_decisions", "c"),
    ("release_decisions", "c"),
    ("list_waitlist", "c"),
    ("order_waitlist", "c"),
    ("list_exhibitors", "fca"),
    ("add_exhibitor", "c"),
    ("list_lineup", "fca"),
    ("add_lineup_item", "osk"),
    ("edit_lineup_item", "osk"),
    ("remove_lineup_item", "osck"),
    ("list_exhibition_audit", "fca"),
    ("define_category_attributes", "a"),
    ("get_category_attributes", "pmosxfcak"),
    ("list_favourites", "mosxfca"),
    ("merge_favourites", "mosxfca"),
    ("add_favourite", "mosxfca"),
    ("remove_favourite", "mosxfca"),
    ("set_price_tiers", "osk"),
    ("list_api_clients", "oa"),
    ("create_api_client", "oa"),
    ("get_api_client", "oa"),
    ("edit_api_client", "oa"),
    ("revoke_api_client", "oa"),
    ("rotate_api_key", "oa"),
    ("get_api_usage", "oa"),
    ("list_webhook_endpoints", "oa"),
    ("create_webhook_endpoint", "oa"),
    ("get_webhook_endpoint", "oa"),
    ("edit_webhook_endpoint", "oa"),
    ("delete_webhook_endpoint", "oa"),
    ("rotate_webhook_secret", "oa"),
    ("test_webhook_endpoint", "oa"),
    ("replay_webhook_endpoint", "oa"),
    ("list_webhook_deliveries", "oa"),
    ("get_webhook_delivery", "oa"),
    ("replay_webhook_delivery", "oa"),
    ("browse_products", "pmosxfcak"),
    ("suggest", "pmosxfcak"),
    ("get_product_parts", "pmosxfcak"),
    ("get_product_data", "pmosxfcak"),
    ("follow_changes", "pmosxfcak"),
    ("get_public_product", "pmosxfcak"),
    ("get_public_product_by_handle", "pmosxfcak"),
    ("browse_smes", "pmosxfcak"),
    ("get_public_sme", "pmosxfcak"),
    ("list_categories", "pmosxfcak"),
    ("list_regions", "pmosxfcak"),
    ("browse_exhibitions", "pmosxfcak"),
    ("get_public_exhibition", "pmosxfcak"),
    ("get_public_lineup", "pmosxfcak"),
    ("get_public_call", "pmosxfcak"),
    ("list_public_booths", "pmosxfcak"),
    ("draw_public_plan", "pmosxfcak"),
    ("get_products_feed", "pmosxfcak"),
    ("get_merchant_feed", "pmosxfcak"),
    ("get_sitemap_index", "pmosxfcak"),
    ("get_products_sitemap", "pmosxfcak"),
    ("get_exhibitions_feed", "pmosxfcak"),
    ("get_exhibition_calendar", "pmosxfcak"),
    ("get_exhibition_event", "pmosxfcak"),
    ("livez", "pmosxfcak"),
    ("readyz", "pmosxfcak"),
    ("version", "pmosxfcak"),
];

/// Not called by those who may: they would end the session or need a second target.
const ONLY_REFUSALS: &[&str] = &[
    "sign_in",
    "accept_invitation",
    "sign_out",
    "revoke_session",
    "remove_staff",
    "revoke_api_client",
    "add_favourite",
    "define_category_attributes",
    "get_category_attributes",
    "delete_webhook_endpoint",
    "remove_member",
    "revoke_invitation",
    "delete_photo",
    "get_public_product",
    "get_product_data",
    "get_public_product_by_handle",
    "get_public_lineup",
    "remove_lineup_item",
    "get_public_sme",
    "get_public_call",
    "list_public_booths",
    "draw_public_plan",
    "remove_booth",
    "unassign_booth",
    "remove_mentor",
    "unassign_review",
    "get_selection_run",
    "compare_selection_runs",
    "edit_setup_document",
    "acknowledge_setup_document",
    "remove_document",
    "remove_requirement",
    "remove_question",
];

fn upload_of(sme: &str) -> Value {
    json!({ "sme_id": sme, "content_type": "image/jpeg", "bytes": 5, "sha256": "0".repeat(64) })
}

struct Operation {
    id: String,
    method: Method,
    path: String,
    needs_body: bool,
}

fn operations() -> Vec<Operation> {
    let document = routes::document();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push(Operation {
                id: operation["operationId"].as_str().unwrap().into(),
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                needs_body: operation.get("requestBody").is_some(),
            });
        }
    }
    all
}

on_both! {
    async fn nobody_decides_on_an_sme_of_their_own(world: World) {
        let town = world.town().await;
        let sme = town.new_sme(&town.coordinator, "Usaha Petugas").await;
        town.coordinator.post(&format!("/v1/smes/{sme}/suspend"), json!({ "reason": "x" })).await.expect(403);
        let mut body = town.dodol("Dodol petugas");
        body["sme_id"] = json!(sme);
        let product = town.coordinator.post("/v1/products", body).await.expect(201).text("/id");
        town.coordinator.post(&format!("/v1/products/{product}/approve"), json!({})).await.expect(403);
    }
}

#[test]
fn the_table_names_every_operation_and_nothing_else() {
    let mut documented: Vec<_> = operations().into_iter().map(|operation| operation.id).collect();
    let mut listed: Vec<_> = MAY.iter().map(|(id, _)| (*id).to_owned()).collect();
    documented.sort();
    listed.sort();
    assert_eq!(documented, listed);
}

on_both! {
    async fn every_operation_lets_in_whom_the_table_names_and_nobody_else(world: World) {
        let town = world.town().await;
        let other = world.newcomer("stranger", false).await;
        town.new_sme(&other, "Lain").await;
        let invited = town.owner.post(&format!("/v1/smes/{}/invitations", town.sme), json!({ "email": "staff@example.org", "role": "staff" })).await.expect(201);
        let accept = json!({ "token": invited.text("/token"), "display_name": "Staf", "password": crate::world::PASSWORD });
        let staff = Person { token: Some(world.public().post("/v1/auth/accept-invitation", accept).await.expect(200).text("/token")), ..world.public() };
        let open = town.owner.post(&format!("/v1/smes/{}/invitations", town.sme), json!({ "email": "open@example.org", "role": "staff" })).await.expect(201);
        let product = town.published("Dodol").await;
        let exhibition = town.exhibition("pameran").await;
        let exhibitor = town.coordinator.post(&format!("/v1/exhibitions/{exhibition}/exhibitors"), json!({ "sme_id": town.sme })).await.expect(201);
        let document = json!({ "kind": "nib", "number": "1234567890123" });
        let document = town.owner.post(&format!("/v1/smes/{}/documents", town.sme), document).await.expect(201);
        town.call(&exhibition, 5).await;
        let item = json!({ "sme_id": town.sme, "variant_id": product.text("/variants/0/id"), "units_planned": 5 });
        let item = town.owner.post(&format!("/v1/exhibitions/{exhibition}/lineup"), item).await.expect(201);
        let upload = town.owner.post("/v1/uploads", upload_of(&town.sme)).await.expect(201);
        let scopes = ["sme:read", "products:write", "exhibitions:read", "lineup:write", "sales:write"];
        let client = json!({ "sme_id": town.sme, "name": "Kasir", "kind": "secret", "scopes": scopes, "rate_tier": "standard" });
        let client = town.owner.post("/v1/api-clients", client).await.expect(201);
        let program = Person { token: Some(client.text("/key")), ..world.public() };
        let hook = json!({ "sme_id": town.sme, "url": "https://hooks.example.org/", "events": ["product.listed"] });
        let hook = town.owner.post("/v1/webhook-endpoints", hook).await.expect(201).text("/id");
        let ping = town.owner.post_empty(&format!("/v1/webhook-endpoints/{hook}/test")).await.expect(202).text("/id");
        let nowhere = uuid::Uuid::now_v7().to_string();
        let targets: BTreeMap<&str, String> = BTreeMap::from([
            ("{sme_id}", town.sme.clone()), ("{agency_id}", town.agency.clone()), ("{product_id}", product.text("/id")),
            ("{variant_id}", product.text("/variants/0/id")), ("{image_id}", product.text("/images/0/id")), ("{material_id}", nowhere.clone()),
            ("{media_id}", product.text("/images/0/photo/id")), ("{exhibition_id}", exhibition), ("{item_id}", item.text("/id")),
            ("{application_id}", exhibitor.text("/application_id")), ("{document_id}", document.text("/id")),
            ("{requirement_id}", nowhere.clone()), ("{booth_id}", nowhere.clone()), ("{assignment_id}", nowhere.clone()), ("{question_id}", nowhere.clone()), ("{run_id}", nowhere.clone()), ("{day}", "2030-05-01".into()),
            ("{upload_id}", upload.text("/id")), ("{client_id}", client.text("/id")), ("{endpoint_id}", hook), ("{delivery_id}", ping), ("{invitation_id}", open.text("/id")), ("{session_id}", nowhere.clone()), ("{user_id}", nowhere),
            ("{sme}", "dodol-cisadane".into()), ("{handle}", "dodol".into()), ("{slug}", "pameran".into()),
        ]);
        let member = world.newcomer("nobody", false).await;
        let people = [
            ('p', world.public()), ('m', member), ('o', town.owner.clone()), ('s', staff), ('x', other), ('f', town.officer.clone()),
            ('c', town.coordinator.clone()), ('a', town.operator.clone()), ('k', program),
        ];
        for refusals in [true, false] {
            for operation in operations() {
                let may = MAY.iter().find(|(id, _)| *id == operation.id).unwrap().1;
                for (letter, person) in &people {
                    if may.contains(*letter) == refusals || (!refusals && ONLY_REFUSALS.contains(&operation.id.as_str())) {
                        continue;
                    }
                    let mut path = operation.path.clone();
                    for (name, id) in &targets {
                        path = path.replace(name, id);
                    }
                    if ["upload_photo", "list_products", "list_api_clients", "list_webhook_endpoints"].contains(&operation.id.as_str()) {
                        path = format!("{path}?sme_id={}", town.sme);
                    }
                    if operation.id == "get_product_parts" {
                        path = format!("{path}?ids={}&fields=title", targets["{product_id}"]);
                    }
                    if operation.id == "compare_selection_runs" {
                        path.push_str(&format!("?with={}", targets["{run_id}"]));
                    }
                    if operation.id == "unassign_booth" {
                        path.push_str("?plan=draft");
                    }
                    let body = match operation.id.as_str() {
                        "begin_application" => json!({ "sme_id": town.sme }),
                        "create_api_client" => json!({ "sme_id": town.sme, "name": "x", "kind": "secret" }),
                        "create_webhook_endpoint" => json!({ "sme_id": town.sme, "url": "", "events": [] }),
                        "begin_upload" => upload_of(&town.sme),
                        "create_product" => town.dodol("Dodol izin"),
                        "create_exhibition" => json!({ "agency_id": town.agency, "title": { "id": "" }, "city": "x", "province_code": "ID-BA", "dates": { "precision": "unknown" }, "time_zone": "Asia/Jakarta" }),
                        "add_lineup_item" => json!({ "sme_id": town.sme, "variant_id": uuid::Uuid::now_v7(), "units_planned": 1 }),
                        _ => json!({}),
                    };
                    let mut request = person.request(operation.method.clone(), &path);
                    if operation.id == "upload_photo" {
                        request = request.multipart(reqwest::multipart::Form::new().text("file", "no photo"));
                    } else if operation.needs_body {
                        request = request.json::<Value>(&body);
                    }
                    let answer = person.send(request).await;
                    let denied = matches!(answer.status, 401 | 403 | 404);
                    if refusals {
                        assert!(denied, "{} lets {letter} in: {} {:#}", operation.id, answer.status, answer.body);
                        assert_eq!(answer.status == 401, *letter == 'p', "{} to {letter}", operation.id);
                    } else {
                        let missing_part = answer.status == 404 && operation.id == "delete_material";
                        assert!(!denied || missing_part, "{} keeps {letter} out: {} {:#}", operation.id, answer.status, answer.body);
                        assert!(answer.status < 500, "{}: {:#}", operation.id, answer.body);
                    }
                }
            }
        }
    }
}
