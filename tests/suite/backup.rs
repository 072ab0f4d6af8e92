//! Backup and restore between the engines: every row and every object arrives.

use std::{collections::BTreeMap, path::Path};

use chrono::{DateTime, NaiveDate, Utc};
use etalase::values::hex;
use etalase::{
    backup::{self, Manifest},
    config::Config,
    media::fsck,
    platform::bucket::Bucket,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use sea_orm::Value as SqlValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::world::{Engine, World, fixture, new_postgres};

/// Settings of an empty system.
pub async fn empty(engine: Engine, folder: &Path) -> Config {
    let mut overrides = vec![("data_dir", folder.display().to_string()), ("demo", "false".into())];
    if engine == Engine::Postgresql {
        overrides.extend(new_postgres().await);
    }
    let mut config = Config::load(None, &overrides).unwrap();
    crate::world::use_test_store(&mut config);
    config
}

/// A system with something of everything that rows refer to.
async fn lived_in(world: &World) {
    let town = world.town().await;
    let product = town.published("Dodol \"aneh\" — \u{1F36C} 'kutip'").await.text("/id");
    town.draft("Belum terbit").await;
    let exhibition = town.exhibition("pontianak-2030").await;
    town.call(&exhibition, 10).await;
    let deleted = town.ready_photo().await;
    assert!(!deleted.is_empty() && !product.is_empty());
    let photo = town.owner.upload(&town.sme, fixture("photo-progressive.jpg")).await.expect(202).text("/id");
    town.owner.settled_photo(&photo).await;
}

/// Rows of each table as text, sorted. JSON is compared as JSON, since PostgreSQL writes it in its own way.
fn rows(folder: &Path, snapshot: &str, manifest: &Manifest) -> BTreeMap<String, Vec<String>> {
    let mut tables = BTreeMap::new();
    for table in &manifest.tables {
        let path = folder.join("snapshots").join(snapshot).join(format!("{}.ndjson.zst", table.name));
        let text = String::from_utf8(zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()).unwrap();
        let mut lines = Vec::new();
        for line in text.lines() {
            let mut row: Vec<Value> = serde_json::from_str(line).unwrap();
            for value in &mut row {
                let json = value.as_str().filter(|text| text.starts_with(['{', '[', '"'])).and_then(|text| serde_json::from_str(text).ok());
                *value = json.unwrap_or_else(|| value.clone());
            }
            let named: BTreeMap<&String, Value> = table.columns.iter().zip(row).collect();
            lines.push(serde_json::to_string(&named).unwrap());
        }
        lines.sort_unstable();
        tables.insert(table.name.clone(), lines);
    }
    // What a restore changes on purpose, and what a backup says of itself.
    tables.remove("catalogue_version");
    if let Some(facts) = tables.get_mut("service_facts") {
        facts.retain(|fact| !fact.contains("backup_until") && !fact.contains("cursor_secret") && !fact.contains("secret_key"));
    }
    tables
}

/// Digest of each object of a bucket.
async fn objects(bucket: &Bucket) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for prefix in ["img/", "originals/"] {
        for key in bucket.list(prefix, None).await.unwrap().0 {
            let bytes = bucket.get(&key).await.unwrap();
            found.insert(key, fnv(&bytes));
        }
    }
    found
}

/// A digest good enough to tell photos apart.
fn fnv(bytes: &[u8]) -> usize {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ usize::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

async fn goes_round(from: Engine, to: Engine) {
    let world = World::start(from, |_| {}).await;
    lived_in(&world).await;
    let (folder, place, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = backup::backup(&world.app.config, folder.path(), None, false).await.unwrap();
    assert!(made.manifest.objects.problems.is_empty() && made.copied > 15, "{:?}", made.manifest.objects);
    let (_, verified) = backup::verify(folder.path(), None).unwrap();
    assert!(verified.problems.is_empty() && verified.objects == made.manifest.objects.count);

    let config = empty(to, place.path()).await;
    let restored = backup::restore(&config, folder.path(), None).await.unwrap();
    assert!(restored.problems.is_empty());
    assert_eq!(restored.rows, made.manifest.tables.iter().map(|table| table.rows).sum::<u64>());

    let second = backup::backup(&config, again.path(), None, false).await.unwrap();
    let (before, after) = (rows(folder.path(), &made.snapshot, &made.manifest), rows(again.path(), &second.snapshot, &second.manifest));
    for (table, lines) in &before {
        assert_eq!(lines, &after[table], "table {table}");
    }
    assert!(before["products"].len() == 2 && before["media_renditions"].len() > 10 && before["audit_log"].len() > 5);

    // It works as before, and caches from before do not fit.
    let restored = World::start_with(config, place).await;
    assert_eq!(objects(&world.app.bucket).await, objects(&restored.app.bucket).await);
    assert!(fsck::run(&restored.app, false).await.unwrap().is_clean());
    let list = "/v1/storefront/products?q=dodol";
    let (old, new) = (world.public().get(list).await.expect(200), restored.public().get(list).await.expect(200));
    assert_eq!(old.body["data"], new.body["data"]);
    assert_ne!(old.etag(), new.etag());
    let owner = restored.sign_in("owner@example.org").await;
    let sme = owner.get("/v1/me").await.text("/smes/0/sme_id");
    let product = json!({ "sme_id": sme, "category": "dodol", "title": { "id": "Sesudah" }, "variants": [{ "price": { "value": "9000" } }] });
    owner.post("/v1/products", product).await.expect(201);
    let broken = restored.execute("delete from audit_log", vec![]).await;
    assert!(broken.is_err(), "the rules of the database are in force again");
}

/// Values at the edges of what the service accepts, by what a column holds.
fn extremes(holds: &str) -> Vec<SqlValue> {
    let time = |text: &str| SqlValue::from(text.parse::<DateTime<Utc>>().unwrap());
    let day = |text: &str| SqlValue::from(text.parse::<NaiveDate>().unwrap());
    match holds {
        "$uuid" => vec![Uuid::nil().into(), Uuid::max().into()],
        "$time" => vec![time("1900-01-01T00:00:00Z"), time("2200-12-31T23:59:59.999999Z"), time("1969-12-31T23:59:59.000001Z")],
        "$day" => vec![day("1900-01-01"), day("2200-12-31"), day("2000-02-29")],
        "$json" => vec![
            json!({ "a": [1e308, 5e-324, i64::MIN, u64::MAX, 0.1, true, null], "\u{2028}\"\\/\n\u{1f}": "\u{10ffff}", "": { "": [[[[]]]] } }).into(),
            json!("{\"text\": \"not an object\"}").into(),
            json!([]).into(),
        ],
        "$flag" => vec![true.into(), false.into()],
        "$int" => vec![i64::MIN.into(), i64::MAX.into(), 9_007_199_254_740_993_i64.into(), (-1_i64).into()],
        _ => vec![
            "".into(),
            "'; drop table users; -- \"\\\r\n\t$1 ? %s".into(),
            "\u{1F468}\u{200D}\u{1F469} e\u{301} \u{202B}\u{5e9}\u{202C} \u{feff}\u{fffd}\u{10ffff}\u{7f}".into(),
            "[1, {\"looks\": \"like JSON\"}]".into(),
            "9".repeat(20_000).into(),
            "2026-11-26T00:00:00+00:00".into(),
        ],
    }
}

/// Puts an extreme into each column of a row of each table, if the database accepts it; returns how many it accepted.
async fn make_extreme(world: &World, engine: Engine, rng: &mut impl Rng) -> usize {
    let row_of = if engine == Engine::Postgresql { "ctid" } else { "rowid" };
    let typed = migration::typed_columns(usize::MAX);
    let mut accepted = 0;
    for (table, column) in crate::upgrade::columns(&world.app.database, engine).await.into_keys() {
        // Objects are copied by what some say of them, and a restore changes others on purpose.
        let is_special = ["seaql_migrations", "service_facts", "catalogue_version", "event_sequences"].contains(&table.as_str());
        if table.starts_with("media_") || is_special {
            continue;
        }
        let holds = typed.iter().find(|(of, name, _)| *of == table && *name == column).map_or("", |(.., token)| *token);
        let mut values = extremes(holds);
        values.shuffle(rng);
        for value in values {
            let text = format!("update \"{table}\" set \"{column}\" = ? where {row_of} = (select {row_of} from \"{table}\" limit 1)");
            if world.execute(&text, vec![value]).await.is_ok_and(|rows| rows == 1) {
                accepted += 1;
                break;
            }
        }
    }
    accepted
}

async fn extremes_arrive(from: Engine, to: Engine) {
    let seed = std::env::var("ETALASE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| rand::rng().random());
    println!("ETALASE_SEED={seed}");
    let world = World::start(from, |_| {}).await;
    lived_in(&world).await;
    let accepted = make_extreme(&world, from, &mut StdRng::seed_from_u64(seed)).await;
    assert!(accepted > 100, "{accepted}");
    let (folder, place, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = backup::backup(&world.app.config, folder.path(), None, false).await.unwrap();
    assert_eq!(backup::verify(folder.path(), None).unwrap().1.problems, Vec::<String>::new());
    let config = empty(to, place.path()).await;
    backup::restore(&config, folder.path(), None).await.unwrap();
    let second = backup::backup(&config, again.path(), None, false).await.unwrap();
    let (before, after) = (rows(folder.path(), &made.snapshot, &made.manifest), rows(again.path(), &second.snapshot, &second.manifest));
    for (table, lines) in &before {
        assert_eq!(lines, &after[table], "table {table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_sqlite_accepts_arrives_in_postgresql() {
    extremes_arrive(Engine::Sqlite, Engine::Postgresql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_postgresql_accepts_arrives_in_sqlite() {
    extremes_arrive(Engine::Postgresql, Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_sqlite_restores_into_sqlite() {
    goes_round(Engine::Sqlite, Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_office_that_grows_moves_from_sqlite_to_postgresql() {
    goes_round(Engine::Sqlite, Engine::Postgresql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgresql_restores_into_postgresql() {
    goes_round(Engine::Postgresql, Engine::Postgresql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgresql_restores_into_sqlite() {
    goes_round(Engine::Postgresql, Engine::Sqlite).await;
}

on_both! {
    async fn a_backup_goes_on_where_it_was_cut_off_and_old_snapshots_are_removed(world: World) {
        let town = world.town().await;
        town.ready_photo().await;
        let folder = tempfile::tempdir().unwrap();
        let first = backup::backup(&world.app.config, folder.path(), None, false).await.unwrap();
        // As if it had been killed: no manifest, one object half written beside, one missing.
        let place = folder.path().join("snapshots").join(&first.snapshot);
        std::fs::remove_file(place.join("manifest.json")).unwrap();
        let originals: Vec<_> = std::fs::read_dir(folder.path().join("objects/originals")).unwrap().collect();
        std::fs::remove_file(originals[0].as_ref().unwrap().path()).unwrap();
        assert!(backup::verify(folder.path(), None).is_err(), "half a snapshot is none");
        next_second().await;
        let second = backup::backup(&world.app.config, folder.path(), Some(1), false).await.unwrap();
        assert_eq!((second.copied, second.removed.len()), (1, 0));
        assert!(!place.exists(), "what was cut off is gone");

        let deleted = town.owner.upload(&town.sme, fixture("photo-progressive.jpg")).await.expect(202).text("/id");
        town.owner.settled_photo(&deleted).await;
        next_second().await;
        let third = backup::backup(&world.app.config, folder.path(), Some(1), false).await.unwrap();
        assert!(third.copied > 5 && third.removed == [second.snapshot]);
        // A row that left takes its objects along from the folder, once no snapshot names them.
        world.execute("update service_facts set value = '2020-01-01T00:00:00+00:00' where name = 'backup_until'", vec![]).await.unwrap();
        town.owner.delete(&format!("/v1/media/{deleted}"), "*").await.expect(204);
        settle(&world).await;
        next_second().await;
        backup::backup(&world.app.config, folder.path(), Some(1), false).await.unwrap();
        assert!(!folder.path().join("objects/originals").join(&deleted).exists());
        assert!(backup::verify(folder.path(), None).unwrap().1.problems.is_empty());
    }

    async fn objects_stay_while_a_backup_is_under_way(world: World) {
        let town = world.town().await;
        let photo = town.ready_photo().await;
        backup::backup(&world.app.config, tempfile::tempdir().unwrap().path(), None, false).await.unwrap();
        town.owner.delete(&format!("/v1/media/{photo}"), "*").await.expect(204);
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        assert!(world.app.bucket.exists(&format!("originals/{photo}")).await.unwrap(), "its removal is put off");
        world.execute("update service_facts set value = '2020-01-01T00:00:00+00:00' where name = 'backup_until'", vec![]).await.unwrap();
        settle(&world).await;
        assert!(!world.app.bucket.exists(&format!("originals/{photo}")).await.unwrap());
    }

    async fn a_value_that_an_engine_would_refuse_is_found_out_before_it_is_needed(world: World) {
        let town = world.town().await;
        town.published("Dodol").await;
        let folder = tempfile::tempdir().unwrap();
        let made = backup::backup(&world.app.config, folder.path(), None, false).await.unwrap();
        let place = folder.path().join("snapshots").join(&made.snapshot);
        // As a version with a hole in it would have written them, digests and all.
        let spoil = |table: &str, from: &str, to: &str| {
            let (path, manifest_path) = (place.join(format!("{table}.ndjson.zst")), place.join("manifest.json"));
            let text = String::from_utf8(zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap()).unwrap();
            assert!(text.contains(from), "{table}: {from}");
            let spoiled = text.replace(from, to);
            std::fs::write(&path, zstd::encode_all(spoiled.as_bytes(), 3).unwrap()).unwrap();
            let mut manifest: Value = serde_json::from_slice(&std::fs::read(&manifest_path).unwrap()).unwrap();
            let tables = manifest["tables"].as_array_mut().unwrap();
            tables.iter_mut().find(|entry| entry["name"] == table).unwrap()["sha256"] = hex(&Sha256::digest(&spoiled)).into();
            std::fs::write(&manifest_path, serde_json::to_vec(&manifest).unwrap()).unwrap();
            let problems = backup::verify(folder.path(), None).unwrap().1.problems;
            std::fs::write(&path, zstd::encode_all(text.as_bytes(), 3).unwrap()).unwrap();
            manifest["tables"].as_array_mut().unwrap().iter_mut().find(|entry| entry["name"] == table).unwrap()["sha256"] = hex(&Sha256::digest(&text)).into();
            std::fs::write(&manifest_path, serde_json::to_vec(&manifest).unwrap()).unwrap();
            problems
        };
        for (table, from, to, says) in [
            ("users", "owner@example.org", "owner\\u0000@example.org", "email"),
            ("products", "Dodol", "Do\\\\u0000dol", "title"),
            ("users", "+00:00", "+99:00", "created_at"),
            ("users", "\"active\"", "5", "status"),
        ] {
            let problems = spoil(table, from, to);
            assert!(problems.len() == 1 && problems[0].contains("can't be restored") && problems[0].contains(says), "{table} {to}: {problems:?}");
        }
        assert_eq!(backup::verify(folder.path(), None).unwrap().1.problems, Vec::<String>::new());
    }

    async fn a_damaged_backup_is_found_out_and_restores_nothing(world: World) {
        let town = world.town().await;
        town.published("Dodol").await;
        let folder = tempfile::tempdir().unwrap();
        let made = backup::backup(&world.app.config, folder.path(), None, false).await.unwrap();
        let table = folder.path().join("snapshots").join(&made.snapshot).join("products.ndjson.zst");
        let whole = std::fs::read(&table).unwrap();
        let text = String::from_utf8(zstd::decode_all(&whole[..]).unwrap()).unwrap();
        std::fs::write(&table, zstd::encode_all(text.replace("Dodol", "Todol").as_bytes(), 3).unwrap()).unwrap();
        let (_, verified) = backup::verify(folder.path(), None).unwrap();
        assert_eq!(verified.problems, ["table products is not as it was written"]);
        let place = tempfile::tempdir().unwrap();
        let config = empty(Engine::Sqlite, place.path()).await;
        let error = backup::restore(&config, folder.path(), None).await.unwrap_err();
        assert!(format!("{error:#}").contains("products"), "{error:#}");

        // Put right, the same restore goes through: nothing of the first attempt is in its way.
        std::fs::write(&table, whole).unwrap();
        let original = std::fs::read_dir(folder.path().join("objects/originals")).unwrap().next().unwrap().unwrap().path();
        let mut bytes = std::fs::read(&original).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&original, bytes).unwrap();
        let restored = backup::restore(&config, folder.path(), None).await.unwrap();
        assert!(restored.problems.is_empty(), "the object was there since the first attempt");
        assert_eq!(backup::verify(folder.path(), None).unwrap().1.problems.len(), 1);
        let error = backup::restore(&config, folder.path(), None).await.unwrap_err();
        assert!(error.to_string().contains("in use"), "{error}");
    }
}

/// Snapshots are named by the second.
async fn next_second() {
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
}

/// Waits until no job is left, making due what was put off.
async fn settle(world: &World) {
    for _ in 0..200 {
        // Counts also those that are being worked on.
        let hurried = "update jobs set run_at = case when locked_until is null then created_at else run_at end";
        let left = world.execute(hurried, vec![]).await.unwrap();
        world.app.signals.wake_workers();
        if left == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("jobs are left");
}
