//! The real program: its first start, its second, and `kill -9` in between.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::world::{fixture, new_postgres_database};

const PASSWORD: &str = "demo-password-for-tests";

struct Service {
    child: Child,
    base: String,
    said: Vec<String>,
}

impl Service {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_etalase"))
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .args(arguments)
            .env("ETALASE_DEMO_PASSWORD", PASSWORD)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let last = line.starts_with("Ready");
            said.push(line);
            if last {
                break;
            }
        }
        let base = said.iter().find_map(|line| line.strip_prefix("Etalase listens on ")).expect("it listens").to_owned();
        Self { child, base, said }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn sign_in(&self, email: &str) -> String {
        let client = reqwest::Client::new();
        let body = json!({ "email": email, "password": PASSWORD });
        let answer: Value = client.post(format!("{}/v1/auth/sign-in", self.base)).json(&body).send().await.unwrap().json().await.unwrap();
        answer["token"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn get(service: &Service, token: &str, path: &str) -> Value {
    let request = reqwest::Client::new().get(format!("{}{path}", service.base)).bearer_auth(token);
    request.send().await.unwrap().json().await.unwrap()
}

async fn demo_survives_kills(arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), arguments);
    assert_eq!(service.said.iter().filter(|line| line.contains(PASSWORD)).count(), 4, "{:?}", service.said);
    let products = get(&service, "", "/v1/storefront/products?limit=100").await;
    assert_eq!(products["data"].as_array().unwrap().len(), 40);
    assert_eq!(get(&service, "", "/v1/storefront/exhibitions/solo-2017").await["status"], "announced");
    assert_eq!(get(&service, "", "/v1/storefront/exhibitions/bali-2017").await["dates"]["precision"], "unknown");

    // Killed right after the upload was accepted, while its job runs.
    let token = service.sign_in("owner@demo.example").await;
    let sme = get(&service, &token, "/v1/me").await["smes"][0]["sme_id"].as_str().unwrap().to_owned();
    let part = reqwest::multipart::Part::bytes(fixture("photo-progressive.jpg"));
    let upload = reqwest::Client::new().post(format!("{}/v1/media?sme_id={sme}", service.base)).bearer_auth(&token);
    let accepted: Value = upload.multipart(reqwest::multipart::Form::new().part("file", part)).send().await.unwrap().json().await.unwrap();
    let media = accepted["id"].as_str().unwrap().to_owned();
    service.kill();

    // Killed in the middle of an upload: half a body, then nothing.
    let service = Service::start(folder.path(), arguments);
    assert!(service.said.iter().all(|line| !line.contains(PASSWORD)), "accounts are made once");
    let address = service.base.trim_start_matches("http://").to_owned();
    let mut socket = std::net::TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST /v1/media?sme_id={sme} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 900000\r\n\r\n\
         --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"x.jpg\"\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(&fixture("photo-progressive.jpg")[..200_000]).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(std::fs::read_dir(folder.path().join("spool")).unwrap().count(), 1);
    service.kill();

    let service = Service::start(folder.path(), arguments);
    assert_eq!(std::fs::read_dir(folder.path().join("spool")).unwrap().count(), 0, "the half upload is gone");
    // On PostgreSQL the lease of the dead process has to run out.
    let mut status = Value::Null;
    for _ in 0..1500 {
        status = get(&service, &token, &format!("/v1/media/{media}")).await["status"].clone();
        if status == "ready" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(status, "ready");
    let again = get(&service, "", "/v1/storefront/products?limit=100").await;
    assert_eq!(again["data"], products["data"], "nothing is seeded twice, nothing is lost");
    service.kill();
    let fsck = Command::new(env!("CARGO_BIN_EXE_etalase")).args(["fsck", "--data-dir"]).arg(folder.path()).args(arguments).output().unwrap();
    assert!(fsck.status.success(), "{}", String::from_utf8_lossy(&fsck.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_and_uploads_survive_kill_9_on_sqlite() {
    demo_survives_kills(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_and_uploads_survive_kill_9_on_postgresql() {
    let database = new_postgres_database().await;
    demo_survives_kills(&["--demo", "--database-url", &database]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_demo_and_on_postgresql_no_known_account_exists() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &["--no-demo"]);
    assert_eq!(service.sign_in("admin@demo.example").await, "");
    service.kill();
    let database = new_postgres_database().await;
    let service = Service::start(folder.path(), &["--database-url", &database]);
    assert_eq!(service.sign_in("admin@demo.example").await, "");
}
