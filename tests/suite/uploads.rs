//! Uploads straight to the bucket, as a phone app would send them.

use std::time::{Duration as Pause, Instant};

use chrono::Duration;
use etalase::{media::fsck, platform::jobs};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use crate::{
    headers::raw,
    world::{Answer, Engine, Town, World, fixture, small_photo},
};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub async fn begin(town: &Town, content_type: &str, bytes: &[u8]) -> Answer {
    let body = json!({ "sme_id": town.sme, "content_type": content_type, "bytes": bytes.len(), "sha256": sha256(bytes) });
    town.owner.post("/v1/uploads", body).await
}

/// Sends `bytes` as the answer to [`begin`] says, with the given type.
async fn send(world: &World, upload: &Answer, content_type: &str, bytes: Vec<u8>) -> u16 {
    let request = world.client.put(upload.text("/url")).header("content-type", content_type);
    request.body(bytes).send().await.unwrap().status().as_u16()
}

async fn complete(town: &Town, upload: &Answer) -> Answer {
    town.owner.post_empty(&format!("/v1/uploads/{}/complete", upload.text("/id"))).await
}

on_both! {
    async fn a_photo_sent_straight_to_the_bucket_becomes_ready_like_any_other(world: World) {
        let town = world.town().await;
        let photo = fixture("photo-progressive.jpg");
        let upload = begin(&town, "image/jpeg", &photo).await.expect(201);
        assert_eq!(upload.body["headers"], json!({ "Content-Type": "image/jpeg", "Content-Length": photo.len().to_string() }));
        assert_eq!(complete(&town, &upload).await.expect(409).text("/reason"), "not_uploaded");
        assert_eq!(send(&world, &upload, "image/jpeg", photo.clone()).await, 200);
        let completed = complete(&town, &upload).await.expect(202);
        assert_eq!(town.owner.settled_photo(&completed.text("/id")).await.text("/status"), "ready");
        assert_eq!(complete(&town, &upload).await.expect(202).text("/id"), completed.text("/id"), "completing twice is completing once");
        assert_eq!(town.owner.upload(&town.sme, photo).await.expect(202).text("/id"), completed.text("/id"), "the same photo by the other way");
        assert!(fsck::run(&world.app, false).await.unwrap().is_clean());
    }

    async fn the_signed_address_takes_nothing_but_what_was_announced(world: World) {
        let town = world.town().await;
        let photo = small_photo();
        let upload = begin(&town, "image/jpeg", &photo).await.expect(201);
        assert_eq!(send(&world, &upload, "text/html", photo.clone()).await, 403, "another type");
        let longer = [photo.clone(), vec![0]].concat();
        assert_eq!(send(&world, &upload, "image/jpeg", longer).await, 403, "another length");
        let elsewhere = upload.text("/url").replace("/uploads/", "/originals/");
let elsewhere = world.client.put(elsewhere).body(photo.clone()).send().await.unwrap().status();
        assert!(elsewhere.is_client_error(), "another key: {elsewhere}");
        let mut other = photo.clone();
        other[300] ^= 1;
        assert_eq!(send(&world, &upload, "image/jpeg", other).await, 200, "the bucket can't know the digest");
        assert_eq!(complete(&town, &upload).await.expect(409).text("/reason"), "differs_from_announced");
        assert_eq!(send(&world, &upload, "image/jpeg", photo).await, 200);
        let completed = complete(&town, &upload).await.expect(202).text("/id");
        assert_eq!(send(&world, &upload, "image/jpeg", vec![0; small_photo().len()]).await, 200, "still signed, but it changes nothing");
        assert_eq!(town.owner.settled_photo(&completed).await.text("/status"), "ready");
    }

    async fn a_content_type_is_the_same_in_any_case_and_with_parameters(world: World) {
        let town = world.town().await;
        let upload = begin(&town, "IMAGE/Jpeg; charset=x", &small_photo()).await.expect(201);
        assert_eq!(upload.text("/headers/Content-Type"), "image/jpeg");
        assert_eq!(send(&world, &upload, "image/jpeg", small_photo()).await, 200);
        complete(&town, &upload).await.expect(202);
        begin(&town, "image/jp\u{e9}g", &small_photo()).await.expect(415);
    }

    async fn what_would_be_refused_is_refused_before_a_byte_is_sent(world: World) {
        let town = world.town().await;
        for (content_type, words) in [("image/avif", "AVIF"), ("image/svg+xml", "SVG"), ("application/pdf", "JPEG")] {
            let refused = begin(&town, content_type, b"x").await.expect(415);
            assert!(refused.text("/detail").contains(words), "{:#}", refused.body);
        }
        let body = json!({ "sme_id": town.sme, "content_type": "image/jpeg", "bytes": 21 * 1024 * 1024, "sha256": "no" });
        let faults = town.owner.post("/v1/uploads", body).await.expect(422);
        let pointers: Vec<_> = faults.body["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].clone()).collect();
        assert_eq!(pointers, [json!("/bytes"), json!("/sha256")]);
        let text = b"<html>no photo</html>".to_vec();
        let upload = begin(&town, "image/jpeg", &text).await.expect(201);
        assert_eq!(send(&world, &upload, "image/jpeg", text).await, 200);
        complete(&town, &upload).await.expect(415);
    }

    async fn an_upload_that_is_never_completed_is_gone_after_a_day_and_not_before(world: World) {
        let town = world.town().await;
        let upload = begin(&town, "image/jpeg", &small_photo()).await.expect(201);
        assert_eq!(send(&world, &upload, "image/jpeg", small_photo()).await, 200);
        world.app.recover().await.unwrap();
        let due = async |than: &str| {
            let moment = chrono::Utc::now() + Duration::hours(23);
            world.execute(&format!("update jobs set attempts = attempts where kind = 'expire_upload' and run_at {than} ?"), vec![moment.into()]).await.unwrap()
        };
        assert_eq!((due(">").await, due("<").await), (1, 0), "a restart does not hurry it");
        assert!(fsck::run(&world.app, false).await.unwrap().is_clean(), "until then it is no orphan");
        hurry(&world).await;
        until_put_off(&world).await;
        assert_eq!(world.app.bucket.list("uploads/", None).await.unwrap().0.len(), 1, "looked at too early, it stays");
        world.execute("update media_uploads set expires_at = ?", vec![chrono::Utc::now().into()]).await.unwrap();
        hurry(&world).await;
        let upload_id = uuid::Uuid::parse_str(&upload.text("/id")).unwrap();
        for _ in 0..200 {
            if !jobs::subjects(world.app.database.reader(), &[jobs::JobKind::ExpireUpload]).await.unwrap().contains(&upload_id) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        complete(&town, &upload).await.expect(404);
        assert_eq!(world.app.bucket.list("", None).await.unwrap().0, Vec::<String>::new());
    }

    async fn what_arrives_for_an_upload_that_is_completed_leaves_again(world: World) {
        let town = world.town().await;
        let upload = begin(&town, "image/jpeg", &small_photo()).await.expect(201);
        assert_eq!(send(&world, &upload, "image/jpeg", small_photo()).await, 200);
        let photo = complete(&town, &upload).await.expect(202).text("/id");
        until_gone(&world).await;
        // As a store of one's own takes it, from somebody who began before the upload was completed.
        let late = async || {
            let key = format!("uploads/{}", upload.text("/id"));
            world.app.bucket.put(&key, &small_photo(), "image/jpeg").await.unwrap();
        };
        late().await;
        // The first look has put the next one off before it is hurried.
        until_put_off(&world).await;
        hurry(&world).await;
        until_gone(&world).await;
        assert_eq!(complete(&town, &upload).await.expect(202).text("/id"), photo, "it is still the upload of that photo");
        // After the last that can arrive it is looked at once more, and then nobody knows it.
        until_put_off(&world).await;
        late().await;
        world.execute("update media_uploads set expires_at = ?", vec![chrono::Utc::now().into()]).await.unwrap();
        hurry(&world).await;
        until_gone(&world).await;
        assert_eq!(town.owner.settled_photo(&photo).await.text("/status"), "ready");
    }
}

/// Makes due now what looks at uploads.
async fn hurry(world: &World) {
    world.execute("update jobs set run_at = ? where kind = 'expire_upload'", vec![chrono::Utc::now().into()]).await.unwrap();
    world.app.signals.wake_workers();
}

/// Waits until what looks at uploads is due later, and nobody is at it.
async fn until_put_off(world: &World) {
    let soon = chrono::Utc::now() + Duration::minutes(1);
    let text = "update jobs set attempts = attempts where kind = 'expire_upload' and run_at > ? and locked_until is null";
    for _ in 0..200 {
        if world.execute(text, vec![soon.into()]).await.unwrap() == 1 {
            return;
        }
        tokio::time::sleep(Pause::from_millis(50)).await;
    }
    panic!("it is not looked at again");
}

/// Waits until nothing is left of what was sent to signed addresses.
async fn until_gone(world: &World) {
    for _ in 0..200 {
        if world.app.bucket.list("uploads/", None).await.unwrap().0.is_empty() {
            return;
        }
        tokio::time::sleep(Pause::from_millis(50)).await;
    }
    panic!("what was sent is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_public_address_the_signature_is_for_that_address() {
    let world = World::start(Engine::Sqlite, |config| {
        config.public_url = Some("https://toko.example.org/".into());
        config.bucket_endpoint = None;
        config.bucket_name = "etalase".into();
    })
    .await;
    let town = world.town().await;
    let upload = begin(&town, "image/jpeg", &small_photo()).await.expect(201);
    assert!(upload.text("/url").starts_with("https://toko.example.org/etalase/uploads/"), "{:#}", upload.body);
    // As a proxy in front would pass it on.
    let here = upload.text("/url").replace("https://toko.example.org", &world.base);
    let request = world.client.put(here).header("host", "toko.example.org").header("content-type", "image/jpeg");
    assert_eq!(request.body(small_photo()).send().await.unwrap().status().as_u16(), 200);
    let _: Value = complete(&town, &upload).await.expect(202).body.into_inner();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_address_names_a_host_that_was_understood_and_takes_the_file_as_it_is() {
    let world = World::start(Engine::Sqlite, |config| {
        config.bucket_endpoint = None;
        config.bucket_name = "etalase".into();
    })
    .await;
    let town = world.town().await;
    let body =
        json!({ "sme_id": town.sme, "content_type": "image/jpeg", "bytes": small_photo().len(), "sha256": sha256(&small_photo()) }).to_string();
    let token = town.owner.token.clone().unwrap();
    let begin_at = async |version: &str, host: &str| {
        let head = format!("POST /v1/uploads HTTP/{version}\r\n{host}authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
        raw(&world, &format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await
    };
    let long = "x".repeat(5_000);
    for host in ["", "a b", "[::", "\u{fc}.example", "h:99999", "a/b?c#d", "user:pw@h", "1.2.3.999", &long] {
        assert_eq!(begin_at("1.1", &format!("host: {host}\r\n")).await, 400, "{host}");
    }
    assert_eq!((begin_at("1.1", "").await, begin_at("1.0", "").await), (400, 400), "there is no address to sign");
    assert_eq!(begin_at("1.1", "host: [::1]:8080\r\n").await, 201);

    let upload = begin(&town, "image/jpeg", &small_photo()).await.expect(201);
    for coding in ["gzip", "br", "identity"] {
        let request = world.client.put(upload.text("/url")).header("content-type", "image/jpeg").header("content-encoding", coding);
        assert_eq!(request.body(small_photo()).send().await.unwrap().status().as_u16(), 415, "{coding}");
    }
    assert_eq!(send(&world, &upload, "image/jpeg", small_photo()).await, 200);
}

/// Sends `head` and then a byte every half second; the status and the body that come back, and after how long.
fn trickle(world: &World, head: String) -> JoinHandle<(u16, Value, Pause)> {
    let address = world.base.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        let (mut socket, begun, mut answer) = (TcpStream::connect(address).await.unwrap(), Instant::now(), Vec::new());
        socket.write_all(head.as_bytes()).await.unwrap();
        loop {
            let mut buffer = [0; 4096];
            if let Ok(read) = tokio::time::timeout(Pause::from_millis(500), socket.read(&mut buffer)).await {
                let read = read.unwrap();
                assert!(read > 0, "it was closed without a word");
                answer.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&answer);
                if let Some((head, body)) = text.split_once("\r\n\r\n")
                    && let Ok(body) = serde_json::from_str(body)
                {
                    return (head.split(' ').nth(1).unwrap().parse().unwrap(), body, begun.elapsed());
                }
            }
            let _ = socket.write_all(b"x").await;
        }
    })
}

async fn until_in_use(world: &World, uploads: usize) {
    for _ in 0..200 {
        if world.app.uploads.in_use() == uploads {
            return;
        }
        tokio::time::sleep(Pause::from_millis(25)).await;
    }
    panic!("{} uploads are in progress", world.app.uploads.in_use());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_trickles_stops_nobody_else_and_is_ended_and_told_why() {
    // The embedded bucket, whose signed addresses the service itself answers.
    let world = World::start(Engine::Sqlite, |config| {
        config.bucket_endpoint = None;
        config.bucket_name = "etalase".into();
    })
    .await;
    let town = world.town().await;
    let form = format!(
        "POST /v1/media?sme_id={} HTTP/1.1\r\nhost: etalase\r\naccept-language: en\r\nauthorization: Bearer {}\r\n\
         content-type: multipart/form-data; boundary=b\r\ncontent-length: 900000\r\n\r\n\
         --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"x.jpg\"\r\n\r\n",
        town.sme,
        town.owner.token.clone().unwrap()
    );
    let mut slow: Vec<_> = (0..6).map(|_| trickle(&world, form.clone())).collect();
    until_in_use(&world, 6).await;
    let refused = town.owner.upload(&town.sme, small_photo()).await.expect(429);
    assert_eq!((refused.text("/code"), refused.header("retry-after")), ("too_many_requests".into(), "5".into()));
    assert!(refused.text("/detail").contains("6 photos"), "{:#}", refused.body);
    let other = world.newcomer("other", false).await;
    let sme = town.new_sme(&other, "Lain").await;
    other.upload(&sme, small_photo()).await.expect(202);

    let signed = begin(&town, "image/jpeg", &fixture("photo-progressive.jpg")).await.expect(201);
    let path = signed.text("/url").replace(&world.base, "");
    let address = world.base.trim_start_matches("http://");
    let length = fixture("photo-progressive.jpg").len();
    let put =
        format!("PUT {path} HTTP/1.1\r\nhost: {address}\r\naccept-language: en\r\ncontent-type: image/jpeg\r\ncontent-length: {length}\r\n\r\n");
    slow.push(trickle(&world, put));
    until_in_use(&world, 7).await;
    // A connection for each: the service ends one whose body it does not want.
    let once = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let again = once.put(signed.text("/url")).header("content-type", "image/jpeg").body(fixture("photo-progressive.jpg"));
    assert_eq!(again.send().await.unwrap().status().as_u16(), 429, "one at a time for each signed address");
    let forged = once.put(signed.text("/url").replace("Signature=", "Signature=0")).header("content-type", "image/jpeg").body("x");
    assert!(forged.send().await.unwrap().status().is_client_error());

    for slow in slow {
        let (status, problem, after) = slow.await.unwrap();
        assert_eq!((status, &problem["reason"]), (400, &json!("too_slow")), "{problem:#}");
        assert!(problem["detail"].as_str().unwrap().contains("8 KiB a second"), "{problem:#}");
        assert!((14..25).contains(&after.as_secs()), "after {after:?}");
    }
    until_in_use(&world, 0).await;
    town.owner.upload(&town.sme, small_photo()).await.expect(202);
    let again = world.client.put(signed.text("/url")).header("content-type", "image/jpeg").body(fixture("photo-progressive.jpg"));
    assert_eq!(again.send().await.unwrap().status().as_u16(), 200);
    let left: Vec<_> = std::fs::read_dir(world.folder.path().join("spool")).unwrap().collect();
    assert!(left.is_empty(), "uploads that were ended leave nothing behind");
}
