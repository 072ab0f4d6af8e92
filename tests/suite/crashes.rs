//! The real program: its first start, its second, and `kill -9` in between.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use chrono::Utc;
use etalase::{
    config::Config,
    exhibitions::applications::model::new_check_in_code,
    platform::database::{Database, insert_many, sql},
};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{SECRET_KEY, fixture, new_postgres_database};

pub const PASSWORD: &str = "demo-password-for-tests";

/// The program as a process of its own.
pub struct Service {
    child: Child,
    pub base: String,
    pub said: Vec<String>,
}

/// What replicas on PostgreSQL share; with SQLite the key is in the data folder.
fn shared_key(arguments: &[&str]) -> Option<(&'static str, &'static str)> {
    arguments.contains(&"--database-url").then_some(("ETALASE_SECRET_KEY", SECRET_KEY))
}

impl Service {
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with(folder, arguments, &[], Stdio::null())
    }

    pub fn start_with(folder: &Path, arguments: &[&str], settings: &[(&str, &str)], log: Stdio) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_etalase"))
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder)
            .args(arguments)
            .env("ETALASE_DEMO_PASSWORD", PASSWORD)
            .stdout(Stdio::piped())
            .envs(shared_key(arguments))
            .envs(settings.iter().copied())
            .stderr(log)
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

    /// Most memory that it has used so far, without the processes that it started, in KiB (proc(5), VmHWM).
    pub fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop; its exit status once it has.
    pub fn terminate(mut self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    pub async fn sign_in(&self, email: &str) -> String {
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
    let mut fsck = Command::new(env!("CARGO_BIN_EXE_etalase"));
    let fsck = fsck.args(["fsck", "--data-dir"]).arg(folder.path()).args(arguments).envs(shared_key(arguments)).output().unwrap();
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

const APPLICANTS: usize = 1500;

/// An exhibition in curation with prepared decisions for many applicants, typed in by SQL. Returns its path.
async fn prepared_decisions(database: &Database, service: &Service, token: &str) -> String {
    let client = reqwest::Client::new();
    let send = async |method: reqwest::Method, path: String, body: Value| {
        let request = client.request(method, format!("{}{path}", service.base)).bearer_auth(token).json(&body);
        request.send().await.unwrap().error_for_status().unwrap().json::<Value>().await.unwrap()
    };
    let agency = get(service, token, "/v1/me").await["agencies"][0]["agency_id"].clone();
    let new = json!({
        "agency_id": agency, "slug": "rilis", "title": { "id": "Rilis" }, "city": "Solo", "province_code": "ID-JT",
        "dates": { "starts_on": "2030-05-01", "ends_on": "2030-05-04", "precision": "day" }, "time_zone": "Asia/Jakarta",
    });
    let exhibition = send(reqwest::Method::POST, "/v1/exhibitions".into(), new).await["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/exhibitions/{exhibition}");
    let call = json!({
        // Opened by hand below; an opening whose time has come would be in its way.
        "intro": { "id": "Ajukan." }, "opens_at": "2030-01-01T09:00", "closes_at": "2030-03-01T17:00", "confirm_by": "2030-04-01T17:00",
        "capacity": APPLICANTS,
    });
    send(reqwest::Method::PUT, format!("{path}/call"), call).await;
    for step in ["announce", "open", "close"] {
        send(reqwest::Method::POST, format!("{path}/{step}"), Value::Null).await;
    }
    let (id, at) = (Uuid::parse_str(&exhibition).unwrap(), Utc::now());
    let smes: Vec<Uuid> = (0..APPLICANTS).map(|_| Uuid::now_v7()).collect();
    let sme = |(index, sme): (usize, &Uuid)| {
        let name = format!("rilis-{index}");
        vec![
            (*sme).into(),
            name.clone().into(),
            name.clone().into(),
            name.into(),
            json!({ "id": "x" }).into(),
            "36.71".into(),
            "Asia/Jakarta".into(),
            json!([]).into(),
            "verified".into(),
            at.into(),
            at.into(),
        ]
    };
    let application = |sme: &Uuid| {
        vec![
            Uuid::now_v7().into(),
            id.into(),
            (*sme).into(),
            "under_review".into(),
            "accept".into(),
            new_check_in_code().into(),
            at.into(),
            at.into(),
        ]
    };
    let work = database.begin().await.unwrap();
    let into = "smes (id, handle, brand_name, legal_name, story, regency_code, time_zone, public_contacts, status, created_at, updated_at)";
    insert_many(&work, into, smes.iter().enumerate().map(sme).collect()).await.unwrap();
    let into = "applications (id, exhibition_id, sme_id, status, pending_decision, check_in_code, submitted_at, created_at)";
    insert_many(&work, into, smes.iter().map(application).collect()).await.unwrap();
    work.commit().await.unwrap();
    path
}

/// How many were accepted, and how many were told so.
async fn released(database: &Database) -> (i64, i64) {
    let count = async |text: &str| {
        let row = database.reader().query_one_raw(sql(database.reader(), text, [])).await.unwrap().unwrap();
        row.try_get::<i64>("", "n").unwrap()
    };
    let accepted = count(
        "select count(*) as n from applications a join exhibitions e on e.id = a.exhibition_id where e.slug = 'rilis' and a.status = 'accepted'",
    );
    (accepted.await, count("select count(*) as n from notices where kind = 'accepted'").await)
}

/// Kills the service again and again while it releases decisions. After each time all are released and told, or none.
async fn a_release_is_all_or_nothing(arguments: &[&str], database_url: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let mut overrides = vec![("data_dir", folder.path().display().to_string())];
    overrides.extend(database_url.map(|url| ("database_url", url.to_owned())));
    let mut service = Service::start(folder.path(), arguments);
    let token = service.sign_in("coordinator@demo.example").await;
    let database = Database::connect(&Config::load(None, &overrides).unwrap()).await.unwrap();
    let path = prepared_decisions(&database, &service, &token).await;
    let mut untouched = 0;
    // Shorter than a release, and ever longer, so that some hit it in the middle.
    for milliseconds in [5, 15, 30, 50, 75, 100, 150] {
        let release = reqwest::Client::new().post(format!("{}{path}/decisions/release", service.base)).bearer_auth(&token).header("if-match", "*");
        let release = tokio::spawn(release.send());
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        service.kill();
        let _ = release.await;
        // PostgreSQL notices that its client is gone when it wants to answer.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (accepted, told) = released(&database).await;
        assert_eq!(accepted, told, "killed after {milliseconds} ms");
        assert!(accepted == 0 || accepted == APPLICANTS as i64, "half of it: {accepted}");
        untouched += i64::from(accepted == 0);
        service = Service::start(folder.path(), arguments);
        if accepted > 0 {
            break;
        }
    }
    assert!(untouched > 0, "a release takes longer than the first wait");
    let again = reqwest::Client::new().post(format!("{}{path}/decisions/release", service.base)).bearer_auth(&token).header("if-match", "*");
    again.send().await.unwrap().error_for_status().unwrap();
    assert_eq!(released(&database).await, (APPLICANTS as i64, APPLICANTS as i64), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_killed_in_the_middle_tells_all_or_nobody_on_sqlite() {
    a_release_is_all_or_nothing(&[], None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_killed_in_the_middle_tells_all_or_nobody_on_postgresql() {
    let database = new_postgres_database().await;
    a_release_is_all_or_nothing(&["--demo", "--database-url", &database], Some(&database)).await;
}
