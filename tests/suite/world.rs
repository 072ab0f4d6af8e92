//! A running service on a database and a bucket of its own, with the people of the story.

use std::path::PathBuf;

use etalase::{
    app::App,
    config::Config,
    identity::service::{NewUser, create_account},
    platform::database::sql,
    reference, routes,
    values::Language,
};
use poem::{
    Server,
    listener::{Acceptor, Listener, TcpListener},
};
use reqwest::{Method, header::HeaderMap, multipart};
use sea_orm::{ConnectionTrait, DbErr, Value as SqlValue};
use serde_json::{Value, json};
use uuid::Uuid;

/// Which operations of the document some test saw succeed, and looked at the answer of.
mod coverage {
    use std::{
        collections::BTreeSet,
        fs::OpenOptions,
        io::Write,
        sync::{LazyLock, Mutex},
    };

    use etalase::routes;
    use reqwest::Method;

    struct Operation {
        method: String,
        segments: Vec<String>,
        id: String,
    }

    static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
        let document = routes::document();
        let paths = document["paths"].as_object().unwrap();
        let mut operations = Vec::new();
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                let segments = path.split('/').map(str::to_owned).collect();
                let id = operation["operationId"].as_str().unwrap().to_owned();
                operations.push(Operation { method: method.to_ascii_uppercase(), segments, id });
            }
        }
        // A fixed segment says more than a parameter.
        operations.sort_by_key(|operation| operation.segments.iter().filter(|segment| segment.starts_with('{')).count());
        operations
    });

    static NOTED: LazyLock<Mutex<BTreeSet<&'static str>>> = LazyLock::new(Mutex::default);

    /// The operation at this path.
    pub fn operation(method: &Method, path: &str) -> Option<&'static str> {
        let given: Vec<&str> = path.split('/').collect();
        let answers = |operation: &&Operation| {
            operation.method == method.as_str()
                && operation.segments.len() == given.len()
                && operation.segments.iter().zip(&given).all(|(segment, given)| segment.starts_with('{') || segment == given)
        };
        OPERATIONS.iter().find(answers).map(|operation| operation.id.as_str())
    }

    /// Writes it down where `ETALASE_TEST_CALLED` says, once; `tests/untested` reads it.
    pub fn note(operation: Option<&'static str>) {
        let (Some(operation), Some(file)) = (operation, std::env::var_os("ETALASE_TEST_CALLED")) else { return };
        if NOTED.lock().unwrap().insert(operation) {
            let mut file = OpenOptions::new().append(true).create(true).open(file).unwrap();
            writeln!(file, "{operation}").unwrap();
        }
    }
}

/// Runs each test on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: World) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn run($world: World) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                run(World::start(Engine::Sqlite, |_| {}).await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgresql() {
                run(World::start(Engine::Postgresql, |_| {}).await).await;
            }
        })*
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgresql,
}

pub const PASSWORD: &str = "correct horse battery";

pub struct World {
    pub app: App,
    pub base: String,
    pub client: reqwest::Client,
    pub folder: tempfile::TempDir,
}

/// Somebody who sends requests: signed in, or the public.
#[derive(Clone)]
pub struct Person {
    pub base: String,
    pub client: reqwest::Client,
    pub token: Option<String>,
    pub language: &'static str,
}

/// What the service said.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Seen,
}

/// A body that notes of which operation a success was looked at.
#[derive(Debug)]
pub struct Seen {
    body: Value,
    bytes: bytes::Bytes,
    operation: Option<&'static str>,
}

impl Seen {
    pub fn into_inner(self) -> Value {
        (*self).clone()
    }
}

impl std::ops::Deref for Seen {
    type Target = Value;
    fn deref(&self) -> &Value {
        coverage::note(self.operation);
        &self.body
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&**self, f)
    }
}

impl PartialEq<Value> for Seen {
    fn eq(&self, other: &Value) -> bool {
        **self == *other
    }
}

impl Answer {
    /// Fails with the whole answer unless it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:#}", self.body.body);
        // There is nothing more to look at.
        if self.body.bytes.is_empty() {
            coverage::note(self.body.operation);
        }
        self
    }

    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    pub fn text(&self, pointer: &str) -> String {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub fn etag(&self) -> String {
        self.header("etag")
    }

    /// The body as it was sent, if it is not JSON.
    pub fn bytes(&self) -> &[u8] {
        coverage::note(self.body.operation);
        &self.body.bytes
    }

    pub fn content(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }

    /// The members of `data` at a pointer, as texts.
    pub fn column(&self, pointer: &str) -> Vec<String> {
        let text = |row: &Value| row.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        self.body["data"].as_array().unwrap().iter().map(text).collect()
    }

    /// How many `data` has.
    pub fn count(&self) -> usize {
        self.body["data"].as_array().unwrap().len()
    }

    /// Fails unless these fields are as they were sent.
    #[track_caller]
    pub fn has(&self, pointer: &str, fields: &Value) {
        let shown = self.body.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {:#}", self.body.body));
        for (name, value) in fields.as_object().unwrap() {
            assert_eq!(shown[name], *value, "{name} of {pointer} in {:#}", self.body.body);
        }
    }

    /// Fails unless a field at this pointer was refused.
    #[track_caller]
    pub fn refuses(self, pointer: &str) -> Self {
        let answer = self.expect(422);
        let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
        assert!(errors.iter().any(|error| error["pointer"] == pointer), "{pointer} is not refused: {errors:#?}");
        answer
    }

    /// Fails unless it was refused for this reason.
    #[track_caller]
    pub fn conflicts(self, reason: &str) -> Self {
        let answer = self.expect(409);
        assert_eq!(answer.text("/reason"), reason, "{:#}", answer.body.body);
        answer
    }

    /// Fails unless the step is not one that this state allows.
    #[track_caller]
    pub fn allows_only(self, steps: &[&str]) -> Self {
        let answer = self.expect(409);
        assert_eq!((answer.text("/code"), &answer.body["allowed"]), ("invalid_transition".into(), &json!(steps)), "{:#}", answer.body.body);
        answer
    }
}

pub fn postgres_admin() -> String {
    std::env::var("ETALASE_TEST_POSTGRES_URL").expect("ETALASE_TEST_POSTGRES_URL is set: run ./tests/run, or eval \"$(./tests/postgres start)\"")
}

/// What replicas on PostgreSQL share.
pub const SECRET_KEY: &str = "0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c";

/// Settings of a fresh, empty PostgreSQL database.
pub async fn new_postgres() -> [(&'static str, String); 2] {
    [("database_url", new_postgres_database().await), ("secret_key", SECRET_KEY.to_owned())]
}

/// A fresh, empty PostgreSQL database.
pub async fn new_postgres_database() -> String {
    let admin = postgres_admin();
    let name = format!("t{}", Uuid::now_v7().simple());
    let connection = sea_orm::Database::connect(&admin).await.unwrap();
    connection.execute_unprepared(&format!("create database {name}")).await.unwrap();
    connection.close().await.unwrap();
    admin.rsplit_once('/').map(|(server, _)| format!("{server}/{name}")).unwrap()
}

/// Where tests/garage names a real store, a bucket of its own there.
pub fn use_test_store(config: &mut Config) {
    let of_store = |name: &str| std::env::var(format!("ETALASE_TEST_BUCKET_{name}")).ok();
    if let Some(endpoint) = of_store("ENDPOINT") {
        config.bucket_endpoint = Some(endpoint);
        config.bucket_access_key = of_store("ACCESS_KEY");
        config.bucket_secret_key = of_store("SECRET_KEY");
        config.bucket_name = format!("t{}", Uuid::now_v7().simple());
    }
}

impl World {
    pub async fn start(engine: Engine, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut overrides = vec![
            ("data_dir", folder.path().display().to_string()),
            ("listen", "127.0.0.1:0".to_owned()),
            ("demo", "false".to_owned()),
            ("staff_second_factor", "false".to_owned()),
            ("database_connections", "4".to_owned()),
        ];
        if engine == Engine::Postgresql {
            overrides.extend(new_postgres().await);
        }
        let mut config = Config::load(None, &overrides).unwrap();
        use_test_store(&mut config);
        change(&mut config);
        Self::start_with(config, folder).await
    }

    /// Serves with these settings.
    pub async fn start_with(mut config: Config, folder: tempfile::TempDir) -> Self {
        config.image_worker.get_or_insert_with(|| env!("CARGO_BIN_EXE_etalase").into());
        let app = App::start(config).await.unwrap();
        reference::seed(&app).await.unwrap();
        app.spawn_workers();
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
        let address = *acceptor.local_addr()[0].as_socket_addr().unwrap();
        tokio::spawn(Server::new_with_acceptor(acceptor).run(routes::routes(&app)));
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { app, base: format!("http://{address}"), client, folder }
    }

    pub fn public(&self) -> Person {
        Person { base: self.base.clone(), client: self.client.clone(), token: None, language: "en" }
    }

    pub async fn sign_in(&self, email: &str) -> Person {
        let answer = self.public().post("/v1/auth/sign-in", json!({ "email": email, "password": PASSWORD })).await.expect(200);
        Person { token: Some(answer.text("/token")), ..self.public() }
    }

    /// A person without any role.
    pub async fn newcomer(&self, name: &str, is_operator: bool) -> Person {
        let email = format!("{name}@example.org");
        let new = NewUser { email: email.clone(), display_name: name.into(), password: PASSWORD.into(), locale: Language::En, is_operator };
        create_account(&self.app, new).await.unwrap();
        self.sign_in(&email).await
    }

    pub async fn execute(&self, text: &str, values: Vec<SqlValue>) -> Result<u64, DbErr> {
        let work = self.app.database.begin().await?;
        let rows = work.execute_raw(sql(&work, text, values)).await?.rows_affected();
        work.commit().await?;
        Ok(rows)
    }

    /// Agency, its people, and a verified SME with its owner.
    pub async fn town(&self) -> Town {
        let operator = self.newcomer("operator", true).await;
        let agency = operator
            .post("/v1/agencies", json!({ "name": "Disperindag", "kind": "city_office", "time_zone": "Asia/Jakarta" }))
            .await
            .expect(201)
            .text("/id");
        let mut staff = Vec::new();
        for role in ["officer", "coordinator"] {
            let invited = operator
                .post(&format!("/v1/agencies/{agency}/invitations"), json!({ "email": format!("{role}@example.org"), "role": role }))
                .await
                .expect(201);
            let accept = json!({ "token": invited.text("/token"), "display_name": role, "password": PASSWORD });
            let token = self.public().post("/v1/auth/accept-invitation", accept).await.expect(200).text("/token");
            staff.push(Person { token: Some(token), ..self.public() });
        }
        let (coordinator, officer) = (staff.pop().unwrap(), staff.pop().unwrap());
        let owner = self.newcomer("owner", false).await;
        let mut town = Town { operator, officer, coordinator, owner, agency, sme: String::new() };
        town.sme = town.new_sme(&town.owner, "Dodol Cisadane").await;
        town
    }
}

pub struct Town {
    pub operator: Person,
    pub officer: Person,
    pub coordinator: Person,
    pub owner: Person,
    pub agency: String,
    pub sme: String,
}

impl Town {
    /// Registers an SME as `owner` and has the officer verify it.
    pub async fn new_sme(&self, owner: &Person, name: &str) -> String {
        let body = json!({ "agency_id": self.agency, "brand_name": name, "story": { "id": "Cerita." }, "regency_code": "36.71" });
        let sme = owner.post("/v1/smes", body).await.expect(201).text("/id");
        self.officer.post(&format!("/v1/smes/{sme}/verify"), json!({})).await.expect(200);
        sme
    }

    pub fn dodol(&self, title: &str) -> Value {
        json!({
            "sme_id": self.sme, "category": "dodol",
            "title": { "id": title, "en": format!("{title} (en)") },
            "summary": { "id": "Manis dan legit.", "en": "Sweet and chewy." },
            "shelf_life_days": 60, "storage": "ambient",
            "ingredients": { "id": "Ketan, gula aren" }, "allergens": [],
            "variants": [{ "price": { "value": "25000" }, "net_content": { "value": 250, "unit": "g" } }],
        })
    }

    pub async fn ready_photo(&self) -> String {
        let answer = self.owner.upload(&self.sme, small_photo()).await.expect(202);
        let id = answer.text("/id");
        assert_eq!(self.owner.settled_photo(&id).await.text("/status"), "ready");
        id
    }

    /// A draft with a photo.
    pub async fn draft(&self, title: &str) -> Answer {
        let product = self.owner.post("/v1/products", self.dodol(title)).await.expect(201).text("/id");
        let media = self.ready_photo().await;
        self.owner.post(&format!("/v1/products/{product}/images"), json!({ "media_id": media, "alt": { "id": "Dodol" } })).await.expect(201)
    }

    /// A product that is public.
    pub async fn published(&self, title: &str) -> Answer {
        let id = self.draft(title).await.text("/id");
        self.owner.post_empty(&format!("/v1/products/{id}/submit")).await.expect(200);
        self.officer.post(&format!("/v1/products/{id}/approve"), json!({})).await.expect(200)
    }

    /// Sets a call that is open by the clock until 2030.
    pub async fn call(&self, exhibition: &str, capacity: i64) -> Answer {
        let body = json!({
            "intro": { "id": "Ajukan produk Anda." }, "opens_at": "2026-01-01T09:00", "closes_at": "2030-03-01T17:00",
            "confirm_by": "2030-04-01T17:00", "capacity": capacity,
        });
        self.coordinator.send(self.coordinator.request(Method::PUT, &format!("/v1/exhibitions/{exhibition}/call")).json(&body)).await.expect(200)
    }

    pub async fn exhibition(&self, slug: &str) -> String {
        let body = json!({
            "agency_id": self.agency, "slug": slug, "title": { "id": "Pameran" }, "city": "Pontianak", "province_code": "ID-KB",
            "dates": { "starts_on": "2030-05-01", "ends_on": "2030-05-04", "precision": "day" }, "time_zone": "Asia/Pontianak",
        });
        self.coordinator.post("/v1/exhibitions", body).await.expect(201).text("/id")
    }
}

/// A JPEG that is drawn here.
pub fn small_photo() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(700, 500, |x, y| image::Rgb([(x / 3) as u8, (y / 2) as u8, 90]));
    picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

pub fn fixture(name: &str) -> Vec<u8> {
    let folder =
        std::env::var("ETALASE_FIXTURES").map_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"), PathBuf::from);
    std::fs::read(folder.join("images").join(name)).unwrap_or_else(|error| panic!("fixture {name}: {error}"))
}

impl Person {
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base)).header("accept-language", self.language);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let operation = coverage::operation(request.method(), request.url().path());
        let response = self.client.execute(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let operation = operation.filter(|_| (200..300).contains(&status));
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, headers, body: Seen { body, bytes, operation } }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, etag: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).header("if-match", etag).json(&body)).await
    }

    pub async fn post_empty(&self, path: &str) -> Answer {
        self.send(self.request(Method::POST, path)).await
    }

    pub async fn patch(&self, path: &str, etag: &str, body: Value) -> Answer {
        self.send(self.request(Method::PATCH, path).header("if-match", etag).json(&body)).await
    }

    pub async fn delete(&self, path: &str, etag: &str) -> Answer {
        self.send(self.request(Method::DELETE, path).header("if-match", etag)).await
    }

    pub async fn upload(&self, sme: &str, bytes: Vec<u8>) -> Answer {
        let form = multipart::Form::new().part("file", multipart::Part::bytes(bytes).file_name("photo.jpg"));
        self.send(self.request(Method::POST, &format!("/v1/media?sme_id={sme}")).multipart(form)).await
    }

    /// Waits until a photo is no longer in processing.
    pub async fn settled_photo(&self, id: &str) -> Answer {
        self.until(&format!("/v1/media/{id}"), |photo| photo.text("/status") != "processing").await
    }

    /// Reads what is there again and again until it is as expected, for half a minute.
    pub async fn until(&self, path: &str, is_expected: impl Fn(&Answer) -> bool) -> Answer {
        for _ in 0..600 {
            let answer = self.get(path).await.expect(200);
            if is_expected(&answer) {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{path} stays as it is: {:#}", *self.get(path).await.body);
    }
}
