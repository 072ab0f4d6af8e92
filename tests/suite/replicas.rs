//! Several replicas on one PostgreSQL: what one does holds for all.

use std::time::{Duration, Instant};

use etalase::{
    app::App,
    config::Config,
    platform::{
        bucket::EmbeddedServer,
        jobs::{self, JobKind, Lane},
    },
    reference,
    work::Work,
};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::world::{Engine, PASSWORD, Person, SECRET_KEY, World, new_postgres, new_postgres_database};

/// Two replicas on one database and one bucket, each with a folder of its own.
struct Two {
    first: World,
    second: World,
    _bucket: (EmbeddedServer, tempfile::TempDir),
}

async fn two() -> Two {
    let folder = tempfile::tempdir().unwrap();
    let bucket = EmbeddedServer::start(folder.path()).await.unwrap();
    let url = new_postgres_database().await;
    let share = |config: &mut Config| {
        config.database_url = Some(url.clone());
        config.bucket_endpoint = Some(bucket.endpoint());
        config.bucket_access_key = Some(bucket.access_key().to_owned());
        config.bucket_secret_key = Some(bucket.secret_key().to_owned());
    };
    let (first, second) = (World::start(Engine::Postgresql, share).await, World::start(Engine::Postgresql, share).await);
    Two { first, second, _bucket: (bucket, folder) }
}

/// The same person, asking the other replica.
fn at(person: &Person, world: &World) -> Person {
    Person { base: world.base.clone(), ..person.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_made_by_one_replica_is_public_on_the_other_within_a_second() {
    let Two { first, second, .. } = &two().await;
    let town = first.town().await;
    let list = "/v1/storefront/products";
    assert_eq!(second.public().get(list).await.expect(200).body["data"].as_array().unwrap().len(), 0);
    town.published("Dodol satu").await;
    let published = Instant::now();
    loop {
        // Cached on the second replica until it hears of the change.
        if second.public().get(list).await.expect(200).body["data"].as_array().unwrap().len() == 1 {
            break;
        }
        assert!(published.elapsed() < Duration::from_secs(1), "it is still not seen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let etag = second.public().get(list).await.etag();
    let known = second.public().send(second.public().request(Method::GET, list).header("if-none-match", &etag)).await;
    assert_eq!((known.status, first.public().get(list).await.etag()), (304, etag), "both tell caches the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_throttles_hold_for_all_replicas() {
    let Two { first, second, .. } = &two().await;
    let town = first.town().await;
    let elsewhere = at(&town.owner, second);
    elsewhere.get("/v1/me").await.expect(200);
    elsewhere.post_empty("/v1/auth/sign-out").await.expect(204);
    town.owner.get("/v1/me").await.expect(401);
    let mut refused = 0;
    for attempt in 0..20 {
        let world = if attempt % 2 == 0 { first } else { second };
        let guess = json!({ "email": "owner@example.org", "password": "a wrong password" });
        refused += u32::from(world.public().post("/v1/auth/sign-in", guess).await.status == 429);
    }
    assert!(refused >= 5, "guesses at both are counted together: {refused}");
    let right = json!({ "email": "owner@example.org", "password": PASSWORD });
    second.public().post("/v1/auth/sign-in", right).await.expect(429);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_idempotency_key_sent_to_two_replicas_at_once_makes_one_product() {
    let Two { first, second, .. } = &two().await;
    let town = first.town().await;
    let send = async |person: Person| {
        loop {
            let request = person.request(Method::POST, "/v1/products").header("idempotency-key", "once").json(&town.dodol("Dodol"));
            let answer = person.send(request).await;
            match (answer.status, answer.text("/code").as_str()) {
                (409, "idempotency_key_in_use") => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => return answer.expect(201).text("/id"),
            }
        }
    };
    let ids = tokio::join!(send(town.owner.clone()), send(at(&town.owner, second)), send(town.owner.clone()), send(at(&town.owner, second)));
    assert_eq!((&ids.0, &ids.0, &ids.0), (&ids.1, &ids.2, &ids.3));
    assert_eq!(town.owner.get(&format!("/v1/products?sme_id={}", town.sme)).await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_taken_by_one_worker_only_and_names_the_request_that_asked_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut overrides = vec![("data_dir", folder.path().display().to_string())];
    overrides.extend(new_postgres().await);
    // Without workers of its own.
    let app = App::start(Config::load(None, &overrides).unwrap()).await.unwrap();
    let work = Work::begin(&app, "the-request").await.unwrap();
    let subjects: Vec<Uuid> = (0..50).map(|_| Uuid::now_v7()).collect();
    for subject in &subjects {
        work.enqueue(JobKind::ProcessMedia, *subject).await.unwrap();
    }
    work.commit().await.unwrap();
    let take = async || {
        let mut taken = Vec::new();
        while let Some(job) = jobs::claim(&app.database, Lane::Ours).await.unwrap() {
            assert_eq!(job.request_id(), "the-request");
            taken.push(job.subject_id);
        }
        taken
    };
    let (first, second, third) = tokio::join!(take(), take(), take());
    let mut taken = [first, second, third].concat();
    taken.sort_unstable();
    assert_eq!(taken, subjects, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_at_once_on_an_empty_database_all_come_up() {
    let url = new_postgres_database().await;
    let folders: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let starts = folders.iter().map(|folder| async {
        let overrides = [
            ("data_dir", folder.path().display().to_string()),
            ("database_url", url.clone()),
            ("secret_key", SECRET_KEY.into()),
            ("database_connections", "4".into()),
        ];
        let app = App::start(Config::load(None, &overrides).unwrap()).await.unwrap();
        let alone = app.database.alone().await.unwrap();
        reference::seed(&app).await.unwrap();
        alone.end().await;
        app
    });
    let apps = futures_util::future::join_all(starts).await;
    for app in &apps {
        assert_eq!(app.database.pending_migrations().await.unwrap(), 0);
        assert_eq!(app.cursor_secret, apps[0].cursor_secret, "a cursor of one is good at all");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_does_not_serve_from_the_same_folder() {
    let world = World::start(Engine::Sqlite, |_| {}).await;
    world.app.recover().await.unwrap();
    let config = Config { data_dir: world.folder.path().to_owned(), ..Config::clone(&world.app.config) };
    let error = App::start(config).await.unwrap().recover().await.unwrap_err();
    assert!(error.to_string().contains("another process serves"), "{error}");
}
