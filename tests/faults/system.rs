//! The service as it runs in production: replicas as processes, each reaching PostgreSQL and Garage over lines of ours.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};

use crate::relay::Relay;

pub const PASSWORD: &str = "a-password-for-faults";

pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set: run ./tests/faults/run"))
}

/// One process of the service.
pub struct Replica {
    child: Option<Child>,
    pub base: String,
    folder: PathBuf,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Replica {
    pub fn new(folder: &Path, environment: Vec<(String, String)>, arguments: &[&str]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self { child: None, base: format!("http://127.0.0.1:{port}"), folder: folder.to_owned(), environment, arguments }
    }

    /// Starts it, with further environment, and waits until it serves.
    pub fn start(&mut self, further: &[(&str, &str)]) {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.with_extension("log")).unwrap();
        let mut child = Command::new(setting("ETALASE_PROGRAM"))
            .args(["--listen", self.base.trim_start_matches("http://"), "--data-dir"])
            .arg(&self.folder)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .envs(further.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("Ready")), "a replica starts; see {}", self.folder.with_extension("log").display());
        self.child = Some(child);
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn pid(&self) -> String {
        self.child.as_ref().map(|child| child.id().to_string()).unwrap_or_default()
    }

    /// Runs another command of the program on the same system; returns whether it succeeded, and what it said.
    pub fn command(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(setting("ETALASE_PROGRAM"));
        command.args(arguments).arg("--data-dir").arg(&self.folder).args(&self.arguments);
        let output = command.envs(self.environment.iter().map(|(name, value)| (name, value))).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three replicas behind nothing: clients try the next one when one fails, as a proxy would.
pub struct System {
    pub replicas: Vec<Replica>,
    pub database_line: Relay,
    pub bucket_line: Relay,
    /// Straight to PostgreSQL.
    pub database: DatabaseConnection,
    _folder: tempfile::TempDir,
}

fn address(url: &str) -> SocketAddr {
    let authority = url.split("://").nth(1).unwrap().rsplit('@').next().unwrap().split('/').next().unwrap();
    authority.parse().unwrap()
}

impl System {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let postgres = setting("ETALASE_TEST_POSTGRES_URL");
        let admin = sea_orm::Database::connect(&postgres).await.unwrap();
        admin.execute_unprepared("create database faults").await.unwrap();
        let database = sea_orm::Database::connect(postgres.replace("/postgres", "/faults").replace("//faults", "//postgres")).await.unwrap();
        let first = address(&setting("ETALASE_TEST_BUCKET_ENDPOINT"));
        let nodes = (0..3).map(|node| SocketAddr::new(first.ip(), first.port() + 10 * node)).collect();
        let (database_line, bucket_line) = (Relay::start(vec![address(&postgres)]).await, Relay::start(nodes).await);
        let environment: Vec<(String, String)> = [
            ("ETALASE_DATABASE_URL", format!("postgres://postgres@{}/faults", database_line.address)),
            ("ETALASE_SECRET_KEY", "ab".repeat(32)),
            ("ETALASE_BUCKET_ENDPOINT", format!("http://{}", bucket_line.address)),
            ("ETALASE_BUCKET_ACCESS_KEY", setting("ETALASE_TEST_BUCKET_ACCESS_KEY")),
            ("ETALASE_BUCKET_SECRET_KEY", setting("ETALASE_TEST_BUCKET_SECRET_KEY")),
            ("ETALASE_BUCKET_NAME", "faults".into()),
            ("ETALASE_DEMO_PASSWORD", PASSWORD.into()),
        ]
        .map(|(name, value)| (name.into(), value))
        .into();
        let mut replicas: Vec<Replica> =
            (1..=3).map(|number| Replica::new(&folder.path().join(format!("replica-{number}")), environment.clone(), &["--demo"])).collect();
        for replica in &mut replicas {
            replica.start(&[]);
        }
        Self { replicas, database_line, bucket_line, database, _folder: folder }
    }

    pub fn bases(&self) -> Vec<String> {
        self.replicas.iter().map(|replica| replica.base.clone()).collect()
    }
}

/// The owner of the demo's first SME, signed in: token and SME.
pub async fn owner(base: &str) -> (String, String) {
    let client = reqwest::Client::new();
    let body = json!({ "email": "owner@demo.example", "password": PASSWORD });
    let signed_in: Value = client.post(format!("{base}/v1/auth/sign-in")).json(&body).send().await.unwrap().json().await.unwrap();
    let token = signed_in["token"].as_str().unwrap().to_owned();
    let me: Value = client.get(format!("{base}/v1/me")).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    (token, me["smes"][0]["sme_id"].as_str().unwrap().to_owned())
}

/// Runs one of the scripts beside this folder.
pub fn script(name: &str, arguments: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    assert!(Command::new(path).args(arguments).stdout(Stdio::null()).status().unwrap().success(), "{name} {arguments:?}");
}

pub async fn seconds(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}
