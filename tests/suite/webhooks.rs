//! Webhooks: what happened arrives, signed, in its order, again where it has to, and nowhere it should not.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::Utc;
use etalase::{
    platform::jobs::JobKind,
    webhooks::service::{fan_out, rescue, tidy},
};
use hmac::{Hmac, Mac};
use poem::{
    Endpoint, EndpointExt, Request, Response, Server,
    http::StatusCode,
    listener::{Acceptor, Listener, TcpListener},
};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{Answer, Engine, Person, Town, World};

/// A third-party server, which keeps what it is sent.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    got: Arc<Mutex<Vec<Message>>>,
    /// What it answers.
    status: Arc<AtomicU16>,
}

#[derive(Clone)]
pub struct Message {
    headers: HashMap<String, String>,
    body: String,
}

impl Message {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// Whether one of the signatures is by this secret: the other side of Standard Webhooks, written again here.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.{}", self.headers["webhook-id"], self.headers["webhook-timestamp"], self.body).as_bytes());
        let expected = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        self.headers["webhook-signature"].split(' ').any(|signature| signature == expected)
    }
}

impl Receiver {
    pub async fn start() -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
        let url = format!("http://{}/hooks?token=secret", acceptor.local_addr()[0].as_socket_addr().unwrap());
        let receiver = Self { url, got: Arc::default(), status: Arc::new(AtomicU16::new(204)) };
        tokio::spawn(Server::new_with_acceptor(acceptor).run(receiver.clone().endpoint().boxed()));
        receiver
    }

    fn endpoint(self) -> impl Endpoint {
        poem::endpoint::make(move |mut request: Request| {
            let receiver = self.clone();
            async move {
                let headers =
                    request.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned())).collect();
                let body = request.take_body().into_string().await.unwrap();
                receiver.got.lock().unwrap().push(Message { headers, body });
                let status = StatusCode::from_u16(receiver.status.load(Ordering::Relaxed)).unwrap();
                Ok::<_, poem::Error>(Response::builder().status(status).header("location", "http://127.0.0.1:1/").body("what the server says"))
            }
        })
    }

    fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    pub fn messages(&self) -> Vec<Message> {
        self.got.lock().unwrap().clone()
    }

    /// Waits until it has got this many messages.
    pub async fn expect(&self, count: usize) -> Vec<Message> {
        for _ in 0..400 {
            if self.messages().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let messages = self.messages();
        assert_eq!(messages.len(), count, "{:?}", messages.iter().map(|message| &message.body).collect::<Vec<_>>());
        messages
    }
}

pub async fn world_with_hooks(engine: Engine) -> World {
    World::start(engine, |config| config.webhooks_to_private = true).await
}

pub async fn endpoint(person: &Person, owner: (&str, &str), url: &str, events: Value) -> Answer {
    person.post("/v1/webhook-endpoints", json!({ owner.0: owner.1, "url": url, "events": events })).await.expect(201)
}

/// Makes due now what waits to be tried again.
async fn hurry(world: &World) {
    world
        .execute(
            "update jobs set run_at = ? where kind = ?",
            vec![(Utc::now() - chrono::Duration::seconds(1)).into(), JobKind::DeliverWebhook.name().into()],
        )
        .await
        .unwrap();
    world.app.signals.wake_workers();
}

/// Waits until this many attempts of a delivery are recorded, which they are after they were answered.
pub async fn tried(person: &Person, address: &str, attempts: i64) -> Answer {
    person.until(address, |delivery| delivery.body["attempts"] == attempts).await
}

/// Waits until a delivery has this status.
async fn settled(person: &Person, address: &str, status: &str) -> Answer {
    person.until(address, |delivery| delivery.text("/status") == status).await
}

async fn first_delivery(person: &Person, endpoint: &Answer) -> String {
    let listed = person.get(&format!("/v1/webhook-endpoints/{}/deliveries", endpoint.text("/id"))).await.expect(200);
    format!("/v1/webhook-deliveries/{}", listed.text("/data/0/id"))
}

/// Runs each test on both databases, with webhooks that may go to this machine.
macro_rules! with_hooks {
    ($(async fn $name:ident($world:ident: World) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn run($world: World) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                run(world_with_hooks(Engine::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgresql() {
                run(world_with_hooks(Engine::Postgresql).await).await;
            }
        })*
    };
}
pub(crate) use with_hooks;

with_hooks! {
    async fn what_happens_arrives_signed_and_in_its_order(world: World) {
        let town = world.town().await;
        let receiver = Receiver::start().await;
        let events = json!(["product.listed", "product.changed", "product.removed"]);
        let hook = endpoint(&town.coordinator, ("agency_id", &town.agency), &receiver.url, events).await;
        let product = town.published("Dodol").await.text("/id");
        receiver.expect(1).await;
        town.owner.patch("/v1/smes/x", "*", json!({})).await.expect(404);
        let sme = format!("/v1/smes/{}", town.sme);
        let etag = town.owner.get(&sme).await.expect(200).etag();
        town.owner.patch(&sme, &etag, json!({ "brand_name": "Dodol Baru" })).await.expect(200);
        town.owner.post_empty(&format!("/v1/products/{product}/pause")).await.expect(200);
        let messages = receiver.expect(3).await;
        assert_eq!(messages.iter().map(Message::kind).collect::<Vec<_>>(), ["product.listed", "product.changed", "product.removed"]);
        for (number, message) in messages.iter().enumerate() {
            assert!(message.is_signed_by(&hook.text("/secret")) && !message.is_signed_by("whsec_AAAA"));
            let data = &message.json()["data"];
            assert_eq!((data["id"].as_str(), data["sequence"].as_u64()), (Some(product.as_str()), Some(number as u64 + 1)));
            assert_eq!(message.headers["content-type"], "application/json");
            let sent_at: i64 = message.headers["webhook-timestamp"].parse().unwrap();
            assert!((Utc::now().timestamp() - sent_at).abs() < 60);
        }
        assert!(messages[0].json()["data"]["url"].as_str().unwrap().ends_with(&format!("/v1/storefront/products/{product}")));
    }

    async fn everybody_is_told_what_they_may_know_and_asked_for(world: World) {
        let town = world.town().await;
        let other = world.newcomer("other", false).await;
        let elsewhere = town.new_sme(&other, "Lain").await;
        // What happened before is nobody's.
        fan_out(&world.app).await.unwrap();
        let (of_agency, of_sme, of_other) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
        let all = json!(["product.listed", "exhibition.changed", "application.changed", "sme.changed"]);
        endpoint(&town.coordinator, ("agency_id", &town.agency), &of_agency.url, all.clone()).await;
        endpoint(&town.owner, ("sme_id", &town.sme), &of_sme.url, all.clone()).await;
        endpoint(&other, ("sme_id", &elsewhere), &of_other.url, all).await;
        town.published("Dodol").await;
        town.new_sme(&world.newcomer("third", false).await, "Ketiga").await;
        let exhibition = town.exhibition("pameran").await;
        town.coordinator.post(&format!("/v1/exhibitions/{exhibition}/exhibitors"), json!({ "sme_id": town.sme })).await.expect(201);
        town.coordinator.post_empty(&format!("/v1/exhibitions/{exhibition}/announce")).await.expect(200);
        let kinds = |receiver: &Receiver| {
            let mut kinds: Vec<String> = receiver.messages().iter().map(Message::kind).collect();
            kinds.sort();
            kinds.dedup();
            kinds
        };
        for _ in 0..200 {
            if kinds(&of_agency).len() == 4 && kinds(&of_sme).len() == 3 && kinds(&of_other).len() == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(kinds(&of_agency), ["application.changed", "exhibition.changed", "product.listed", "sme.changed"]);
        assert_eq!(kinds(&of_sme), ["application.changed", "exhibition.changed", "product.listed"]);
        assert_eq!(kinds(&of_other), ["exhibition.changed"]);
        let changed = of_sme.messages().into_iter().find(|message| message.kind() == "exhibition.changed").unwrap().json();
        assert_eq!(changed["data"]["status"], "announced");
        assert!(changed["data"]["url"].as_str().unwrap().ends_with("/v1/storefront/exhibitions/pameran"));
    }

    async fn what_is_not_taken_is_tried_again_and_keeps_what_is_behind_it_waiting(world: World) {
        let town = world.town().await;
        let receiver = Receiver::start().await;
        receiver.answer_with(500);
        let hook = endpoint(&town.owner, ("sme_id", &town.sme), &receiver.url, json!(["product.listed", "product.removed"])).await;
        let product = town.published("Dodol").await.text("/id");
        receiver.expect(1).await;
        town.owner.post_empty(&format!("/v1/products/{product}/pause")).await.expect(200);
        let delivery = first_delivery_of_kind(&town.owner, &hook, "product.listed").await;
        // The second waits for the first, however often workers look.
        for attempts in 1..=2 {
            tried(&town.owner, &delivery, attempts).await;
            hurry(&world).await;
        }
        tried(&town.owner, &delivery, 3).await;
        assert!(receiver.messages().iter().all(|message| message.kind() == "product.listed"));
        let ids: Vec<_> = receiver.messages().iter().map(|message| message.headers["webhook-id"].clone()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]));
        receiver.answer_with(200);
        hurry(&world).await;
        let messages = receiver.expect(5).await;
        assert_eq!(messages.iter().map(Message::kind).collect::<Vec<_>>()[3..], ["product.listed", "product.removed"]);
        let done = settled(&town.owner, &delivery, "delivered").await;
        let log = done.body["log"].as_array().unwrap().clone();
        assert_eq!(log.iter().map(|attempt| attempt["status_code"].as_i64().unwrap()).collect::<Vec<_>>(), [500, 500, 500, 200]);
        assert_eq!(log[0]["answer"], "what the server says");
        assert_eq!(done.text("/payload"), messages[0].body);
    }

    async fn what_is_given_up_is_dead_can_be_replayed_and_switches_a_silent_endpoint_off(world: World) {
        let town = world.town().await;
        let receiver = Receiver::start().await;
        receiver.answer_with(503);
        let hook = endpoint(&town.owner, ("sme_id", &town.sme), &receiver.url, json!(["product.listed"])).await;
        town.published("Dodol").await;
        receiver.expect(1).await;
        let delivery = first_delivery(&town.owner, &hook).await;
        for attempts in 1..=8 {
            tried(&town.owner, &delivery, attempts).await;
            hurry(&world).await;
        }
        assert_eq!(settled(&town.owner, &delivery, "dead").await.body["attempts"], 9);
        let address = format!("/v1/webhook-endpoints/{}", hook.text("/id"));
        let off = town.owner.get(&address).await.expect(200);
        assert_eq!((off.body["enabled"].as_bool(), off.text("/disabled_reason").as_str()), (Some(false), "failing"));
        receiver.answer_with(200);
        town.owner.patch(&address, &off.etag(), json!({ "enabled": true })).await.expect(200);
        let replayed = town.owner.post(&format!("{address}/replay"), json!({ "since": "2020-01-01T00:00:00Z" })).await.expect(202);
        assert_eq!(replayed.body["deliveries"], 1);
        settled(&town.owner, &delivery, "delivered").await;
        let messages = receiver.expect(10).await;
        assert_eq!(messages[9].headers["webhook-id"], messages[0].headers["webhook-id"]);
        // And once more what arrived.
        town.owner.post_empty(&format!("{delivery}/replay")).await.expect(202).has("", &json!({ "status": "waiting", "attempts": 0, "ended_at": null }));
        receiver.expect(11).await;
        settled(&town.owner, &delivery, "delivered").await;
        tidy(&world.app, Utc::now() + chrono::Duration::seconds(1)).await.unwrap();
        town.owner.get(&delivery).await.expect(404);
    }

    async fn an_endpoint_that_is_gone_or_leads_elsewhere_is_not_followed(world: World) {
        let town = world.town().await;
        let receiver = Receiver::start().await;
        let hook = endpoint(&town.owner, ("sme_id", &town.sme), &receiver.url, json!(["product.listed"])).await;
        let address = format!("/v1/webhook-endpoints/{}", hook.text("/id"));
        receiver.answer_with(302);
        let ping = town.owner.post_empty(&format!("{address}/test")).await.expect(202);
        let ping = format!("/v1/webhook-deliveries/{}", ping.text("/id"));
        let redirected = tried(&town.owner, &ping, 1).await;
        assert_eq!((redirected.text("/status").as_str(), redirected.text("/log/0/error").as_str()), ("waiting", "answered 302"));
        receiver.answer_with(410);
        hurry(&world).await;
        settled(&town.owner, &ping, "dead").await;
        assert_eq!(town.owner.get(&address).await.expect(200).text("/disabled_reason"), "gone");
        // What nobody answers says why, and not where: the address holds a token.
        let nobody = endpoint(&town.owner, ("sme_id", &town.sme), "http://127.0.0.1:1/?token=secret", json!(["product.listed"])).await;
        town.owner.post_empty(&format!("/v1/webhook-endpoints/{}/test", nobody.text("/id"))).await.expect(202);
        let delivery = first_delivery(&town.owner, &nobody).await;
        let error = tried(&town.owner, &delivery, 1).await.text("/log/0/error");
        assert!(error.starts_with("no connection") && !error.contains("token"), "{error}");
    }

    async fn a_new_secret_signs_beside_the_old_one_for_as_long_as_was_said(world: World) {
        let town = world.town().await;
        let receiver = Receiver::start().await;
        let hook = endpoint(&town.owner, ("sme_id", &town.sme), &receiver.url, json!(["product.listed"])).await;
        let address = format!("/v1/webhook-endpoints/{}", hook.text("/id"));
        let ping = async || town.owner.post_empty(&format!("{address}/test")).await.expect(202);
        let second = town.owner.post(&format!("{address}/rotate"), json!({ "overlap_hours": 1 })).await.expect(200).text("/secret");
        ping().await;
        let both = receiver.expect(1).await;
        assert!(both[0].is_signed_by(&hook.text("/secret")) && both[0].is_signed_by(&second));
        let third = town.owner.post(&format!("{address}/rotate"), json!({ "overlap_hours": 0 })).await.expect(200).text("/secret");
        ping().await;
        let one = receiver.expect(2).await;
        assert!(one[1].is_signed_by(&third) && !one[1].is_signed_by(&second));
        assert!(!town.owner.get(&address).await.expect(200).body.to_string().contains("whsec_"));
    }

    async fn endpoints_are_listed_and_changed_by_their_owner_and_what_was_sent_is_read_back(world: World) {
        let town = world.town().await;
        let receiver = Receiver::start().await;
        let first = endpoint(&town.owner, ("sme_id", &town.sme), &receiver.url, json!(["product.listed"])).await;
        let second = endpoint(&town.owner, ("sme_id", &town.sme), &receiver.url, json!(["exhibition.changed", "product.removed"])).await;
        first.has("", &json!({ "sme_id": town.sme, "agency_id": null, "events": ["product.listed"], "enabled": true, "disabled_reason": null, "version": 1 }));
        let list = format!("/v1/webhook-endpoints?sme_id={}", town.sme);
        let listed = town.owner.get(&list).await.expect(200);
        assert_eq!(listed.column("/id"), [second.text("/id"), first.text("/id")], "the newest first");
        assert!(listed.body["data"][0].get("secret").is_none());
        town.coordinator.get(&list).await.expect(404);
        assert_eq!(town.coordinator.get(&format!("/v1/webhook-endpoints?agency_id={}", town.agency)).await.expect(200).count(), 0);
        assert_eq!(town.owner.get("/v1/webhook-endpoints").await.expect(400).text("/code"), "invalid_parameter");

        let address = format!("/v1/webhook-endpoints/{}", first.text("/id"));
        let change = json!({ "events": ["product.removed"], "enabled": false });
        let edited = town.owner.patch(&address, &first.etag(), change.clone()).await.expect(200);
        edited.has("", &change);
        edited.has("", &json!({ "url": receiver.url, "disabled_reason": "by_hand", "version": 2 }));
        town.owner.patch(&address, &first.etag(), json!({ "enabled": true })).await.expect(412);
        town.owner.patch(&address, &edited.etag(), json!({ "url": "ftp://example.org" })).await.refuses("/url");
        town.owner.patch(&address, &edited.etag(), json!({ "events": [] })).await.refuses("/events");
        let on = town.owner.patch(&address, &edited.etag(), json!({ "enabled": true })).await.expect(200);
        on.has("", &json!({ "enabled": true, "disabled_reason": null, "events": ["product.removed"] }));
        assert_eq!(*town.owner.get(&address).await.expect(200).body, *on.body);

        let mut pings = Vec::new();
        for _ in 0..2 {
            let ping = town.owner.post_empty(&format!("{address}/test")).await.expect(202);
            ping.has("", &json!({ "kind": "ping", "subject_id": first.text("/id") }));
            settled(&town.owner, &ping.header("location"), "delivered").await;
            pings.push(ping.text("/id"));
        }
        let messages = receiver.expect(2).await;
        let deliveries = format!("{address}/deliveries");
        let page = town.owner.get(&format!("{deliveries}?limit=1")).await.expect(200);
        let rest = town.owner.get(&format!("{deliveries}?limit=1&cursor={}", page.text("/page/next_cursor"))).await.expect(200);
        assert_eq!((page.column("/id"), rest.column("/id")), (vec![pings[1].clone()], vec![pings[0].clone()]));
        page.has("/data/0", &json!({ "kind": "ping", "status": "delivered", "attempts": 1, "sequence": 2, "next_at": null }));
        assert_eq!(town.owner.get(&format!("{deliveries}?status=delivered")).await.expect(200).count(), 2);
        assert_eq!(town.owner.get(&format!("{deliveries}?status=dead")).await.expect(200).count(), 0);
        let detail = town.owner.get(&format!("/v1/webhook-deliveries/{}", pings[0])).await.expect(200);
        assert_eq!((detail.text("/payload"), detail.body["log"].as_array().unwrap().len()), (messages[0].body.clone(), 1));
        detail.has("/log/0", &json!({ "status_code": 204, "error": null }));
        for path in [&deliveries, &format!("/v1/webhook-deliveries/{}", pings[0])] {
            town.coordinator.get(path).await.expect(404);
        }
        let again = town.owner.post(&format!("{address}/replay"), json!({ "since": "2020-01-01T00:00:00Z", "status": "delivered" })).await.expect(202);
        assert_eq!(again.body["deliveries"], 2);
        receiver.expect(4).await;
        assert!(town.owner.get(&address).await.expect(200).body["last_success_at"].is_string());
    }

    async fn a_delivery_whose_job_is_lost_is_found_and_sent(world: World) {
        let town = world.town().await;
        let receiver = Receiver::start().await;
        receiver.answer_with(500);
        let hook = endpoint(&town.owner, ("sme_id", &town.sme), &receiver.url, json!(["product.listed"])).await;
        town.owner.post_empty(&format!("/v1/webhook-endpoints/{}/test", hook.text("/id"))).await.expect(202);
        receiver.expect(1).await;
        let delivery = first_delivery(&town.owner, &hook).await;
        tried(&town.owner, &delivery, 1).await;
        // Its worker has let go of the job.
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.execute("delete from jobs where kind = ?", vec![JobKind::DeliverWebhook.name().into()]).await.unwrap();
        receiver.answer_with(200);
        rescue(&world.app, Utc::now()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(receiver.messages().len(), 1, "it is not due yet");
        rescue(&world.app, Utc::now() + chrono::Duration::minutes(1)).await.unwrap();
        receiver.expect(2).await;
        settled(&town.owner, &delivery, "delivered").await;
    }

    async fn an_endpoint_belongs_to_its_owner_and_a_removed_one_is_sent_nothing(world: World) {
        let town = world.town().await;
        let receiver = Receiver::start().await;
        let hook = endpoint(&town.owner, ("sme_id", &town.sme), &receiver.url, json!(["product.listed"])).await;
        let address = format!("/v1/webhook-endpoints/{}", hook.text("/id"));
        for person in [&town.coordinator, &town.officer] {
            person.get(&address).await.expect(404);
            person.post_empty(&format!("{address}/test")).await.expect(404);
        }
        town.owner.delete(&address, "*").await.expect(204);
        town.published("Dodol").await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(receiver.messages().len(), 0);
        town.owner.get(&address).await.expect(404);
    }
}

async fn first_delivery_of_kind(person: &Person, endpoint: &Answer, kind: &str) -> String {
    let listed = person.get(&format!("/v1/webhook-endpoints/{}/deliveries", endpoint.text("/id"))).await.expect(200);
    let found = listed.body["data"].as_array().unwrap().iter().find(|delivery| delivery["kind"] == kind).unwrap().clone();
    format!("/v1/webhook-deliveries/{}", found["id"].as_str().unwrap())
}

on_both! {
    async fn webhooks_go_to_public_addresses_only(world: World) {
        let town: Town = world.town().await;
        for url in ["http://hooks.example.org/", "https://localhost/", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data", "https://a:b@example.org/"] {
            let body = json!({ "sme_id": town.sme, "url": url, "events": ["product.listed"] });
            let refused = town.owner.post("/v1/webhook-endpoints", body).await.expect(422);
            assert_eq!(refused.text("/errors/0/pointer"), "/url", "{url}");
        }
        let body = json!({ "sme_id": town.sme, "url": "https://hooks.example.org/", "events": [] });
        assert_eq!(town.owner.post("/v1/webhook-endpoints", body).await.expect(422).text("/errors/0/pointer"), "/events");
    }

    async fn a_statement_typed_by_hand_is_told_too_and_no_sql_breaks_a_delivery(world: World) {
        let town = world.town().await;
        fan_out(&world.app).await.unwrap();
        let happened = async || world.execute("update outbox set number = number", vec![]).await.unwrap();
        endpoint(&town.owner, ("sme_id", &town.sme), "https://hooks.example.org/", json!(["sme.changed"])).await;
        world.execute("update smes set status = 'suspended', status_reason = 'x'", vec![]).await.unwrap();
        for _ in 0..100 {
            if happened().await == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for text in [
            "update webhook_deliveries set status = 'lost'",
            "update webhook_deliveries set status = 'delivered', ended_at = null",
            "update webhook_endpoints set agency_id = sme_id",
            "update webhook_endpoints set enabled = 0, disabled_reason = null",
            "update webhook_deliveries set endpoint_id = event_id",
        ] {
            assert!(world.execute(text, vec![]).await.is_err(), "{text}");
        }
        let told = world.execute("update webhook_deliveries set sequence = sequence", vec![]).await.unwrap();
        assert_eq!(told, 1);
    }
}
