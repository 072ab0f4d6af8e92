//! Measures a large exhibition: 3,000 applications, 20 reviewers, 300 booths, over HTTP in one process, on the database of the
//! `ETALASE_*` settings, which must be empty. Prints time and SQL statements of each request, and the race for one booth.
//! Asserts only that exactly one wins.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::Utc;
use etalase::{
    app::App,
    config::Config,
    exhibitions::{applications::model::new_check_in_code, selection::model::select},
    identity::service::{NewUser, create_account},
    platform::database::{insert_many, sql},
    reference, routes,
    values::Language,
};
use poem::{
    Server,
    listener::{Acceptor, Listener, TcpListener},
};
use reqwest::Method;
use sea_orm::{ConnectionTrait, Value as Sql};
use serde_json::{Value, json};
use uuid::Uuid;

const APPLICATIONS: usize = 3_000;
const REVIEWERS: usize = 20;
const BOOTHS: usize = 300;
const PASSWORD: &str = "a-password-for-load";

struct Office {
    app: App,
    client: reqwest::Client,
    base: String,
    token: String,
    agency: Uuid,
}

struct Measured {
    took: Duration,
    statements: u64,
    status: u16,
    body: Value,
}

impl Office {
    async fn start() -> anyhow::Result<Self> {
        let app = App::start(Config::load(None, &[("demo", "false".into()), ("staff_second_factor", "false".into())])?).await?;
        reference::seed(&app).await?;
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await?;
        let address = acceptor.local_addr()[0].as_socket_addr().copied().context("an address")?;
        tokio::spawn(Server::new_with_acceptor(acceptor).run(routes::routes(&app)));
        let email = "coordinator@example.org".to_owned();
        let new =
            NewUser { email: email.clone(), display_name: "Koordinator".into(), password: PASSWORD.into(), locale: Language::Id, is_operator: false };
        let person = create_account(&app, new).await?;
        let agency = Uuid::now_v7();
        let work = app.database.begin().await?;
        let text = "insert into agencies (id, name, kind, time_zone, created_at) values (?, 'Disperindag', 'city_office', 'Asia/Jakarta', ?)";
        work.execute_raw(sql(&work, text, [agency.into(), Utc::now().into()])).await?;
        let text = "insert into agency_members (agency_id, user_id, role, created_at) values (?, ?, 'coordinator', ?)";
        work.execute_raw(sql(&work, text, [agency.into(), person.into(), Utc::now().into()])).await?;
        work.commit().await?;
        let client = reqwest::Client::builder().pool_max_idle_per_host(1_000).build()?;
        let mut office = Self { app, client, base: format!("http://{address}"), token: String::new(), agency };
        let signed_in = office.send(Method::POST, "/v1/auth/sign-in", None, Some(json!({ "email": email, "password": PASSWORD }))).await?;
        signed_in.body["token"].as_str().context("a token")?.clone_into(&mut office.token);
        Ok(office)
    }

    async fn send(&self, method: Method, path: &str, etag: Option<&str>, body: Option<Value>) -> anyhow::Result<Measured> {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let (begin, before) = (Instant::now(), self.app.database.statements());
        let response = request.send().await?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await?;
        Ok(Measured {
            took: begin.elapsed(),
            statements: self.app.database.statements() - before,
            status,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        })
    }

    /// One request, with a line about it.
    async fn measure(&self, what: &str, method: Method, path: &str, etag: Option<&str>, body: Option<Value>) -> anyhow::Result<Measured> {
        let measured = self.send(method, path, etag, body).await?;
        println!("{what:<58}{:>9.1} ms{:>7} statements", measured.took.as_secs_f64() * 1_000.0, measured.statements);
        ensure!(measured.status < 300, "{what}: {} {:#}", measured.status, measured.body);
        Ok(measured)
    }

    async fn insert(&self, into: &str, rows: Vec<Vec<Sql>>) -> anyhow::Result<()> {
        let work = self.app.database.begin().await?;
        insert_many(&work, into, rows).await?;
        work.commit().await?;
        Ok(())
    }

    async fn execute(&self, text: &str, values: Vec<Sql>) -> anyhow::Result<()> {
        let work = self.app.database.begin().await?;
        work.execute_raw(sql(&work, text, values)).await?;
        work.commit().await?;
        Ok(())
    }

    /// An exhibition whose call is closed, with applications of as many SMEs, each with a product and a NIB that is verified.
    async fn exhibition(&self) -> anyhow::Result<(String, Vec<Uuid>, Vec<Uuid>)> {
        let at = || Sql::from(Utc::now());
        let new = json!({
            "agency_id": self.agency, "slug": "besar", "title": { "id": "Pameran besar" }, "city": "Denpasar", "province_code": "ID-BA",
            "dates": { "starts_on": "2030-05-01", "ends_on": "2030-05-04", "precision": "day" }, "time_zone": "Asia/Makassar",
        });
        let exhibition = self.send(Method::POST, "/v1/exhibitions", None, Some(new)).await?.body["id"].as_str().context("an id")?.to_owned();
        let path = format!("/v1/exhibitions/{exhibition}");
        let call = json!({
            "intro": { "id": "Ajukan." }, "opens_at": "2026-01-01T09:00", "closes_at": "2030-03-01T17:00", "confirm_by": "2030-04-01T17:00",
            "capacity": BOOTHS,
        });
        self.send(Method::PUT, &format!("{path}/call"), None, Some(call)).await?;
        for step in ["announce", "open"] {
            self.send(Method::POST, &format!("{path}/{step}"), None, None).await?;
        }
        let id = Uuid::parse_str(&exhibition)?;
        let reader = self.app.database.reader();
        let category = reader.query_one_raw(sql(reader, "select id from categories where slug = 'pakaian'", [])).await?.context("a category")?;
        let category: Uuid = category.try_get("", "id")?;
        let me = reader.query_one_raw(sql(reader, "select id from users limit 1", [])).await?.context("somebody")?;
        let me: Uuid = me.try_get("", "id")?;
        let smes: Vec<Uuid> = (0..APPLICATIONS).map(|_| Uuid::now_v7()).collect();
        let (products, applications): (Vec<Uuid>, Vec<Uuid>) = smes.iter().map(|_| (Uuid::now_v7(), Uuid::now_v7())).unzip();
        let name = |index: usize| format!("IKM {index:04}");
        let rows = smes.iter().enumerate().map(|(index, sme)| {
            let none = json!({});
            vec![
                (*sme).into(),
                format!("ikm-{index}").into(),
                name(index).into(),
                name(index).into(),
                none.into(),
                "36.71".into(),
                "Asia/Jakarta".into(),
                json!([]).into(),
                "verified".into(),
                at(),
                at(),
            ]
        });
        let columns = "smes (id, handle, brand_name, legal_name, story, regency_code, time_zone, public_contacts, status, created_at, updated_at)";
        self.insert(columns, rows.collect()).await?;
        let rows = smes.iter().zip(&products).enumerate().map(|(index, (sme, product))| {
            vec![
                (*product).into(),
                (*sme).into(),
                category.into(),
                format!("kemeja-{index}").into(),
                json!({ "id": "Kemeja" }).into(),
                "draft".into(),
                json!([]).into(),
                0_i64.into(),
                at(),
                at(),
            ]
        });
        let columns = "products (id, sme_id, category_id, handle, title, status, reason_codes, made_to_order, created_at, updated_at)";
        self.insert(columns, rows.collect()).await?;
        let rows = smes.iter().enumerate().map(|(index, sme)| {
            vec![Uuid::now_v7().into(), (*sme).into(), "nib".into(), format!("{index:013}").into(), "verified".into(), me.into(), at(), at()]
        });
        self.insert("legal_documents (id, sme_id, kind, number, status, decided_by, decided_at, created_at)", rows.collect()).await?;
        let rows = smes.iter().zip(&applications).map(|(sme, application)| {
            vec![
                (*application).into(),
                id.into(),
                (*sme).into(),
                "submitted".into(),
                json!({ "id": "Jahitan rapi." }).into(),
                new_check_in_code().into(),
                at(),
                at(),
            ]
        });
        let columns = "applications (id, exhibition_id, sme_id, status, pitch, check_in_code, submitted_at, created_at)";
        self.insert(columns, rows.collect()).await?;
        let rows = applications.iter().zip(&products).map(|(application, product)| vec![(*application).into(), (*product).into()]);
        self.insert("application_products (application_id, product_id)", rows.collect()).await?;
        // A fifth of them took part in an earlier exhibition.
        let past = json!({
            "agency_id": self.agency, "slug": "dulu", "title": { "id": "Dulu" }, "city": "Solo", "province_code": "ID-JT",
            "dates": { "starts_on": "2029-05-01", "ends_on": "2029-05-04", "precision": "day" }, "time_zone": "Asia/Jakarta",
        });
        let past = self.send(Method::POST, "/v1/exhibitions", None, Some(past)).await?.body["id"].as_str().context("an id")?.to_owned();
        let past = Uuid::parse_str(&past)?;
        let rows = smes
            .iter()
            .step_by(5)
            .map(|sme| vec![Uuid::now_v7().into(), past.into(), (*sme).into(), "attended".into(), new_check_in_code().into(), at()]);
        self.insert("applications (id, exhibition_id, sme_id, status, check_in_code, created_at)", rows.collect()).await?;
        self.execute("update exhibitions set status = 'completed' where id = ?", vec![past.into()]).await?;
        let reviewers: Vec<Uuid> = (0..REVIEWERS).map(|_| Uuid::now_v7()).collect();
        let rows = reviewers.iter().enumerate().map(|(index, reviewer)| {
            vec![(*reviewer).into(), format!("penilai-{index}@example.org").into(), "Penilai".into(), "x".into(), "id".into(), 0_i64.into(), at()]
        });
        self.insert("users (id, email, display_name, password_hash, locale, is_operator, created_at)", rows.collect()).await?;
        let rows = reviewers.iter().map(|reviewer| vec![self.agency.into(), (*reviewer).into(), "curator".into(), at()]);
        self.insert("agency_members (agency_id, user_id, role, created_at)", rows.collect()).await?;
        Ok((path, applications, reviewers))
    }

    /// What the reviewers of the load would have written: two reviews of four scores for each application.
    async fn reviews(&self, exhibition: Uuid) -> anyhow::Result<()> {
        let reader = self.app.database.reader();
        let rubric = reader.query_all_raw(sql(reader, "select id from rubric_categories where exhibition_id = ?", [exhibition.into()])).await?;
        let rubric: Vec<Uuid> = rubric.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
        let text = "select application_id, reviewer_id from review_assignments where exhibition_id = ?";
        let pairs = reader.query_all_raw(sql(reader, text, [exhibition.into()])).await?;
        let (mut reviews, mut scores) = (Vec::new(), Vec::new());
        for (index, row) in pairs.iter().enumerate() {
            let (application, reviewer): (Uuid, Uuid) = (row.try_get("", "application_id")?, row.try_get("", "reviewer_id")?);
            reviews.push(vec![application.into(), reviewer.into(), exhibition.into(), "Rapi.".into(), Utc::now().into(), Utc::now().into()]);
            for (place, category) in rubric.iter().enumerate() {
                let score = (index * 7 + place * 3 + index / 11) as i64 % 5 + 1;
                scores.push(vec![application.into(), reviewer.into(), exhibition.into(), (*category).into(), score.into()]);
            }
        }
        self.insert("reviews (application_id, reviewer_id, exhibition_id, comment, created_at, updated_at)", reviews).await?;
        self.insert("review_scores (application_id, reviewer_id, exhibition_id, category_id, score)", scores).await
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let office = Office::start().await?;
    let (path, applications, reviewers) = office.exhibition().await?;
    let exhibition = Uuid::parse_str(path.rsplit('/').next().unwrap_or_default())?;
    println!("{APPLICATIONS} applications, {REVIEWERS} reviewers, {BOOTHS} booths");
    office.measure("close the call", Method::POST, &format!("{path}/close"), None, None).await?;
    office.measure("list 100 applications", Method::GET, &format!("{path}/applications?limit=100"), None, None).await?;
    let work = json!({ "reviewer_ids": reviewers, "per_application": 2 });
    office.measure("share them among the reviewers, two each", Method::POST, &format!("{path}/review-assignments"), None, Some(work)).await?;
    office.reviews(exhibition).await?;
    office.measure("how far the reviewers are", Method::GET, &format!("{path}/review-assignments"), None, None).await?;
    let wish = json!({ "seed": 7, "quotas": [{ "kind": "first_timer", "places": 100 }, { "kind": "wub", "places": 20 }, { "kind": "category", "scope": "pakaian", "places": 50 }] });
    let run = office.measure("rank and select, with reasons", Method::POST, &format!("{path}/selection-runs"), None, Some(wish)).await?;
    let run = run.body["id"].as_str().context("a run")?.to_owned();
    let stored = etalase::exhibitions::selection::store::run(office.app.database.reader(), exhibition, Uuid::parse_str(&run)?).await?;
    let (params, _) = etalase::exhibitions::selection::service::read(&stored)?;
    let candidates: Vec<_> = serde_json::from_value(stored.inputs)?;
    let begin = Instant::now();
    select(&candidates, &params);
    println!("{:<58}{:>9.1} ms", "  of which the pure function", begin.elapsed().as_secs_f64() * 1_000.0);
    office.measure("read the run, computed once more", Method::GET, &format!("{path}/selection-runs/{run}"), None, None).await?;
    office.measure("prepare its decisions", Method::POST, &format!("{path}/selection-runs/{run}/apply"), Some("*"), None).await?;
    office.measure("read every message before", Method::GET, &format!("{path}/decisions"), None, None).await?;
    office.measure("release", Method::POST, &format!("{path}/decisions/release"), Some("*"), None).await?;
    office.execute("update applications set status = 'confirmed' where status = 'accepted'", vec![]).await?;

    let hall = json!({ "name": "Aula", "width_mm": 100_000, "depth_mm": 60_000 });
    let hall = office.measure("add a hall", Method::POST, &format!("{path}/halls"), None, Some(hall)).await?.body["id"].clone();
    let mut batches = Vec::new();
    for (name, day) in [("Gelombang 1", "2030-05-01"), ("Gelombang 2", "2030-05-02")] {
        let batch = json!({ "name": name, "starts_on": day, "ends_on": day });
        batches.push(office.send(Method::POST, &format!("{path}/batches"), None, Some(batch)).await?.body["id"].clone());
    }
    let booths: Vec<Value> = (0..BOOTHS)
        .map(|index| {
            json!({
                "hall_id": hall, "code": format!("B-{index:03}"), "class": "standard", "x_mm": index % 30 * 3_300, "y_mm": index / 30 * 5_000,
                "width_mm": 3_000, "depth_mm": 3_000, "power_w": 450,
            })
        })
        .collect();
    office.measure("add the booths", Method::POST, &format!("{path}/booths"), None, Some(json!({ "booths": booths }))).await?;
    let wish = json!({ "batch_id": batches[0] });
    office.measure("suggest a plan", Method::POST, &format!("{path}/plan/suggest"), Some("*"), Some(wish)).await?;
    office.measure("read the plan with its warnings", Method::GET, &format!("{path}/plan?plan=draft"), None, None).await?;
    office.measure("publish the plan", Method::POST, &format!("{path}/plan/publish"), Some("*"), None).await?;
    office.send(Method::POST, &format!("{path}/publish-lineup"), None, None).await?;
    office.measure("public map, drawn", Method::GET, "/v1/storefront/exhibitions/besar/plan.svg", None, None).await?;
    office.measure("public map, again", Method::GET, "/v1/storefront/exhibitions/besar/plan.svg", None, None).await?;
    office.measure("public list of booths", Method::GET, "/v1/storefront/exhibitions/besar/booths", None, None).await?;
    office.measure("results", Method::GET, &format!("{path}/results"), None, None).await?;

    let reader = office.app.database.reader();
    let confirmed = reader.query_all_raw(sql(reader, "select id from applications where status = 'confirmed'", [])).await?;
    let confirmed: Vec<Uuid> = confirmed.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
    ensure!(confirmed.len() == BOOTHS && applications.len() == APPLICATIONS, "{} confirmed", confirmed.len());
    for (booth, clients) in [("B-000", 100), ("B-001", 1_000)] {
        let begin = Instant::now();
        let tries = (0..clients).map(|index| {
            let body = json!({ "plan": "live", "application_id": confirmed[index % confirmed.len()], "booth": booth, "batch_id": batches[1] });
            let path = format!("{path}/plan/assignments");
            let office = &office;
            async move { office.send(Method::POST, &path, None, Some(body)).await }
        });
        let answers = futures_util::future::join_all(tries).await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        let mut times: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
        times.sort();
        println!(
            "{clients} clients for one booth: {} won, {} refused, {} other, {:.1} s in all, the slowest {:.1} s",
            count(201),
            count(409),
            clients - count(201) - count(409),
            begin.elapsed().as_secs_f64(),
            times[clients - 1].as_secs_f64()
        );
        ensure!(count(201) == 1, "exactly one wins");
    }
    Ok(())
}
