//! What the person who runs it needs: metrics, a log without personal data, limits, an end without loss.

use std::{
    io::{Read, Seek, Write},
    process::Stdio,
    time::Duration,
};

use etalase::config::Config;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    crashes::{PASSWORD, Service},
    world::{Engine, World, new_postgres_database, small_photo},
};

async fn figures(service: &Service) -> String {
    let address = service.said.iter().find_map(|line| line.strip_prefix("Figures:")).expect("it says where").trim().to_owned();
    let address = if address.starts_with("http") { address } else { format!("http://{}", address.trim_start_matches("socket://")) };
    reqwest::get(address).await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_tell_rate_errors_and_duration_of_each_operation_and_the_state_of_queues() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start_with(folder.path(), &[], &[("ETALASE_METRICS_LISTEN", "127.0.0.1:0")], Stdio::null());
    let get = |path: &str| reqwest::get(format!("{}{path}", service.base));
    for path in ["/v1/storefront/products", "/v1/storefront/products", "/v1/me", "/nowhere"] {
        get(path).await.unwrap();
    }
    let text = figures(&service).await;
    for line in [
        r#"etalase_http_requests_total{operation="browse_products",status="200"} 2"#,
        r#"etalase_http_requests_total{operation="get_me",status="401"} 1"#,
        r#"etalase_http_requests_total{operation="other",status="404"} 1"#,
        r#"etalase_http_request_seconds_count{operation="browse_products"} 2"#,
        r#"etalase_cache_answers_total{outcome="hit"} 1"#,
        r#"etalase_cache_answers_total{outcome="miss"} 1"#,
        r#"etalase_jobs_waiting{kind="process_media",state="dead"} 0"#,
        r#"etalase_jobs_oldest_due_seconds{kind="process_media"} 0"#,
        r#"etalase_jobs_total{kind="process_media",outcome="done"} "#,
        r#"etalase_database_connections{state="most"} 10"#,
        r#"etalase_bucket_request_seconds_count{operation="put",outcome="ok"} "#,
        "process_resident_memory_bytes ",
        "etalase_http_requests_in_progress 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert_eq!(get("/metrics").await.unwrap().status(), 404, "not for the public");
}

async fn log_of(arguments: &[&str]) -> String {
    let (folder, mut log) = (tempfile::tempdir().unwrap(), tempfile::tempfile().unwrap());
    let settings = [("ETALASE_LOG_FORMAT", "json"), ("RUST_LOG", "debug,sqlx=info,hyper=info,s3s=info,h2=info,reqwest=info,hyper_util=info")];
    let service = Service::start_with(folder.path(), arguments, &settings, log.try_clone().unwrap().into());
    let (client, base) = (reqwest::Client::new(), service.base.clone());
    let post = |path: &str, body: Value| client.post(format!("{base}{path}")).header("x-forwarded-for", "198.51.100.7").json(&body).send();
    post("/v1/auth/sign-in", json!({ "email": "owner@demo.example", "password": "a wrong password" })).await.unwrap();
    post("/v1/auth/sign-in", json!({ "email": "owner@demo.example", "password": 5 })).await.unwrap();
    let person = json!({ "email": "siti@demo.example", "display_name": "Siti Rahma", "password": "kata sandi panjang" });
    post("/v1/auth/register", person.clone()).await.unwrap();
    post("/v1/auth/register", person).await.unwrap();
    let token = service.sign_in("owner@demo.example").await;
    let me: Value = client.get(format!("{base}/v1/me")).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    let sme = me["smes"][0]["sme_id"].as_str().unwrap().to_owned();
    client.get(format!("{base}/v1/storefront/products?q=siti+rahma")).send().await.unwrap();
    client
        .patch(format!("{base}/v1/smes/{sme}"))
        .bearer_auth(&token)
        .header("if-match", "*")
        .json(&json!({ "phone": "+6281234567890" }))
        .send()
        .await
        .unwrap();
    let form = reqwest::multipart::Form::new().part("file", reqwest::multipart::Part::bytes(small_photo()));
    let sent = client.post(format!("{base}/v1/media?sme_id={sme}")).bearer_auth(&token).multipart(form).send().await.unwrap();
    let request_id = sent.headers()["x-request-id"].to_str().unwrap().to_owned();
    let photo: Value = sent.json().await.unwrap();
    for _ in 0..200 {
        let photo: Value =
            client.get(format!("{base}/v1/media/{}", photo["id"].as_str().unwrap())).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
        if photo["status"] == "ready" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(service.terminate().success());
    let mut text = String::new();
    log.rewind().unwrap();
    log.read_to_string(&mut text).unwrap();
    assert!(text.contains("\"operation\":\"sign_in\""), "requests are in the log:\n{text}");
    let with_id = text.lines().filter(|line| line.contains(&request_id));
    assert!(with_id.clone().any(|line| line.contains("\"kind\":\"process_media\"")), "the job names the request that asked for it");
    for personal in [
        "demo.example",
        "Siti",
        "siti",
        "Rahma",
        "+62",
        "81234567890",
        "198.51.100.7",
        "127.0.0.1:5",
        PASSWORD,
        "kata sandi",
        "wrong password",
        &token,
    ] {
        let line = text.lines().find(|line| line.contains(personal) && !line.contains("\"starting\""));
        assert_eq!(line, None, "{personal}");
    }
    assert!(!text.contains(PASSWORD));
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_requests_and_nobody_on_sqlite() {
    log_of(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_requests_and_nobody_on_postgresql() {
    let database = new_postgres_database().await;
    log_of(&["--demo", "--database-url", &database]).await;
}

on_both! {
    async fn more_requests_than_there_are_places_are_asked_to_come_back(world: World) {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { requests_at_once: 2, data_dir: folder.path().to_owned(), ..Config::clone(&world.app.config) };
        let small = World::start_with(config, folder).await;
        let town = small.town().await;
        let address = small.base.trim_start_matches("http://").to_owned();
        let mut stalled: Vec<_> = (0..2)
            .map(|_| {
                let mut socket = std::net::TcpStream::connect(&address).unwrap();
                let token = town.owner.token.as_ref().unwrap();
                let head = format!("POST /v1/media?sme_id={} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 9000\r\n\r\n--b\r\n", town.sme);
                socket.write_all(head.as_bytes()).unwrap();
                socket
            })
            .collect();
        while small.app.uploads_in_progress() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let busy = small.public().get("/v1/storefront/products").await.expect(503);
        assert_eq!((busy.text("/code"), busy.header("retry-after")), ("unavailable".into(), "1".into()));
        small.public().get("/livez").await.expect(200);
        small.public().get("/readyz").await.expect(200);
        stalled.clear();
        for _ in 0..100 {
            if small.public().get("/v1/storefront/products").await.status == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("places are given back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_ends_what_it_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    let token = service.sign_in("owner@demo.example").await;
    let client = reqwest::Client::new();
    let me: Value = client.get(format!("{}/v1/me", service.base)).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    let address = service.base.trim_start_matches("http://").to_owned();
    // A request whose head has arrived, and whose body comes after the word to stop.
    let body = json!({ "sme_id": me["smes"][0]["sme_id"], "category": "dodol", "title": { "id": "Terakhir" }, "variants": [{ "price": { "value": "9000" } }] }).to_string();
    let mut socket = std::net::TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST /v1/products HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(&body.as_bytes()[..20]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let stopping = std::thread::spawn(move || service.terminate());
    std::thread::sleep(Duration::from_millis(300));
    assert!(reqwest::get(format!("http://{address}/livez")).await.is_err(), "it takes no new connections");
    socket.write_all(&body.as_bytes()[20..]).unwrap();
    let mut answer = [0; 512];
    let read = socket.read(&mut answer).unwrap();
    let status = StatusCode::CREATED.as_str();
    assert!(String::from_utf8_lossy(&answer[..read]).starts_with(&format!("HTTP/1.1 {status}")), "{}", String::from_utf8_lossy(&answer[..read]));
    drop(socket);
    assert!(stopping.join().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_aside_is_listed_and_tried_again_by_command() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(Engine::Sqlite, |_| {}).await;
    let insert = "insert into jobs (id, kind, subject_id, run_at, attempts, dead, last_error, created_at) values (?, 'discard_original', ?, ?, 8, 1, 'the bucket was away', ?)";
    let at = chrono::Utc::now();
    world.execute(insert, vec![uuid::Uuid::now_v7().into(), uuid::Uuid::now_v7().into(), at.into(), at.into()]).await.unwrap();
    let run = |what: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_etalase"));
        let output = command.args(["jobs", what, "--data-dir"]).arg(world.folder.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let list = run("list");
    assert!(list.contains("discard_original: 0 due, 0 later, 1 set aside") && list.contains("the bucket was away"), "{list}");
    assert_eq!(run("retry"), "1 job(s) will be tried again.\n");
    drop(folder);
}
