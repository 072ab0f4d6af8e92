//! Faults by real processes: whatever dies, nothing that was acknowledged is lost, nothing is done twice, no object is left
//! over once `fsck --fix` ran, and the service comes back by itself. Run by `tests/faults/run`.

#![allow(clippy::unwrap_used)]

mod load;
mod relay;
mod system;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use load::{Ledger, Writer};
use relay::Line;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use system::{PASSWORD, Replica, System, owner, script, seconds, setting};

/// What happened in one fault.
struct Row {
    fault: &'static str,
    acknowledged: usize,
    photos: usize,
    retries: u64,
    recovery: Duration,
    orphans: usize,
}

#[tokio::main]
async fn main() {
    // How long each fault lasts, and how often all are gone through.
    let number = |name: &str, default: f64| std::env::var(name).ok().map_or(default, |text| text.parse().unwrap());
    let (lasts, rounds) = (number("ETALASE_FAULT_SECONDS", 4.0), number("ETALASE_FAULT_ROUNDS", 1.0) as usize);
    let mut system = System::start().await;
    let writer = Writer::new(system.bases(), owner(&system.replicas[0].base).await);
    let (mut ledger, mut rows) = (Ledger::default(), Vec::new());
    let only = std::env::args().nth(1).unwrap_or_default();
    for round in 0..rounds {
        for fault in FAULTS.into_iter().filter(|fault| fault.contains(&only)) {
            println!("round {}: {fault}", round + 1);
            rows.push(endure(fault, lasts, &mut system, &writer, &mut ledger).await);
        }
    }
    drop(system);
    if DISK_FULL.contains(&only) {
        println!("round {rounds}: {DISK_FULL}");
        rows.push(disk_full().await);
    }
    println!("\n{:<46} {:>8} {:>7} {:>8} {:>10} {:>8}", "fault", "products", "photos", "retries", "back in", "orphans");
    for row in &rows {
        let back = format!("{:.2} s", row.recovery.as_secs_f64());
        println!("{:<46} {:>8} {:>7} {:>8} {back:>10} {:>8}", row.fault, row.acknowledged, row.photos, row.retries, row.orphans);
    }
    println!("Every acknowledged product and photo was found, once; every photo is ready; fsck is clean; no answer was other than done or 503.");
}

const KILLED: &str = "a replica is killed under load";
const CRASHED: &str = "PostgreSQL crashes under load";
const CUT: &str = "the line to PostgreSQL is cut";
const SILENT: &str = "the line to PostgreSQL goes silent";
const NODE: &str = "one node of the bucket dies";
const AWAY: &str = "the whole bucket is away";
const SLOW: &str = "the bucket is slow by 5 s";
const AHEAD: &str = "the clock of a replica is 90 minutes ahead";
const BEHIND: &str = "the clock of a replica is 90 minutes behind";
const DECODERS: &str = "image workers are killed, again and again";
const STEPS: &str = "a replica dies in every step of a photo";
const DISK_FULL: &str = "the disk is full (SQLite, embedded bucket)";
const FAULTS: [&str; 11] = [KILLED, CRASHED, CUT, SILENT, NODE, AWAY, SLOW, AHEAD, BEHIND, DECODERS, STEPS];

/// Writes, lets a fault happen and pass, and compares what is there with what was acknowledged since the beginning.
async fn endure(fault: &'static str, lasts: f64, system: &mut System, writer: &Writer, ledger: &mut Ledger) -> Row {
    let before = (ledger.products.len(), ledger.photos.len(), writer.retries.load(std::sync::atomic::Ordering::Relaxed));
    let load = writer.work(6, 2);
    seconds(1.5).await;
    happen(fault, lasts, system, writer, ledger).await;
    let recovery = writer.recovery(ledger).await;
    seconds(1.0).await;
    load.stop(ledger).await;
    let orphans = check(&system.database, &system.replicas[0], ledger).await;
    Row {
        fault,
        acknowledged: ledger.products.len() - before.0,
        photos: ledger.photos.len() - before.1,
        retries: writer.retries.load(std::sync::atomic::Ordering::Relaxed) - before.2,
        recovery,
        orphans,
    }
}

async fn happen(fault: &str, lasts: f64, system: &mut System, writer: &Writer, ledger: &mut Ledger) {
    match fault {
        KILLED => {
            system.replicas[1].kill();
            seconds(lasts / 2.0).await;
            system.replicas[1].start(&[]);
        }
        CRASHED => script("postgres", &["crash", &format!("{}", lasts / 2.0)]),
        CUT => during(Line::Cut, lasts, |line| system.database_line.set(line)).await,
        SILENT => during(Line::Silent, lasts, |line| system.database_line.set(line)).await,
        NODE => {
            script("garage", &["node", "2", "stop"]);
            seconds(lasts).await;
            script("garage", &["node", "2", "start"]);
        }
        AWAY => {
            for node in ["1", "2", "3"] {
                script("garage", &["node", node, "stop"]);
            }
            seconds(lasts).await;
            for node in ["1", "2", "3"] {
                script("garage", &["node", node, "start"]);
            }
        }
        SLOW => during(Line::Slow(Duration::from_secs(5)), lasts + 6.0, |line| system.bucket_line.set(line)).await,
        AHEAD => with_clock("+90m", lasts, &mut system.replicas[2]).await,
        BEHIND => with_clock("-90m", lasts, &mut system.replicas[2]).await,
        DECODERS => {
            for _ in 0..10 {
                seconds(lasts / 10.0).await;
                for replica in &system.replicas {
                    let _ = Command::new("pkill").args(["-9", "-P", &replica.pid()]).status();
                }
            }
        }
        STEPS => {
            for step in 0..12_u64 {
                // The photo is taken in; some of its processing happens; then the process is gone.
                ledger.photos.extend(writer.photo(0).await);
                tokio::time::sleep(Duration::from_millis(step * 25)).await;
                let number = step as usize % system.replicas.len();
                system.replicas[number].kill();
                system.replicas[number].start(&[]);
            }
        }
        other => panic!("{other}"),
    }
}

async fn during(line: Line, lasts: f64, set: impl Fn(Line)) {
    set(line);
    seconds(lasts).await;
    set(Line::Open);
}

async fn with_clock(moved: &str, lasts: f64, replica: &mut Replica) {
    replica.kill();
    replica.start(&[("LD_PRELOAD", &setting("ETALASE_TEST_FAKETIME")), ("FAKETIME", moved), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]);
    seconds(lasts).await;
    replica.kill();
    replica.start(&[]);
}

async fn pairs(database: &DatabaseConnection, text: &str) -> Vec<(String, String)> {
    let rows = database.query_all_raw(Statement::from_string(database.get_database_backend(), text)).await.unwrap();
    rows.iter().map(|row| (row.try_get("", "first").unwrap(), row.try_get("", "second").unwrap())).collect()
}

/// Fails unless everything acknowledged is there, once, and finished. How many objects were left over, before `fsck --fix`.
async fn check(database: &DatabaseConnection, replica: &Replica, ledger: &Ledger) -> usize {
    let is_postgres = database.get_database_backend() == DbBackend::Postgres;
    let (id, title) = if is_postgres { ("cast(id as text)", "title->>'id'") } else { ("lower(hex(id))", "json_extract(title, '$.id')") };
    let products = pairs(database, &format!("select {title} as first, {id} as second from products where {title} like 'Uji %'")).await;
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (title, id) in &products {
        found.entry(title).or_default().push(id);
    }
    for (title, ids) in &found {
        assert_eq!(ids.len(), 1, "{title} was made twice: {ids:?}");
    }
    for (title, id) in &ledger.products {
        let there = found.get(title.as_str()).unwrap_or_else(|| panic!("{title} was acknowledged and is lost"));
        assert!(there[0].replace('-', "") == id.replace('-', ""), "{title} is another one");
    }
    let acknowledged: BTreeSet<String> = ledger.photos.iter().map(|id| id.replace('-', "")).collect();
    let started = Instant::now();
    loop {
        let photos = pairs(database, &format!("select {id} as first, status as second from media_assets")).await;
        let states: BTreeMap<String, &str> = photos.iter().map(|(id, status)| (id.replace('-', ""), status.as_str())).collect();
        for id in &acknowledged {
            assert!(states.contains_key(id), "photo {id} was acknowledged and is lost");
        }
        let unfinished: Vec<_> = states.iter().filter(|(_, status)| **status != "ready").collect();
        if unfinished.is_empty() {
            break;
        }
        assert!(started.elapsed() < Duration::from_mins(3), "photos are not ready: {unfinished:?}");
        assert!(unfinished.iter().all(|(_, status)| **status == "processing"), "photos failed: {unfinished:?}");
        seconds(0.2).await;
    }
    assert_eq!(pairs(database, "select kind as first, last_error as second from jobs where dead = 1").await, [], "jobs are set aside");
    let (_, said) = replica.command(&["fsck", "--fix"]);
    let orphans = said.lines().filter(|line| line.starts_with("orphan")).count();
    assert!(!said.contains("lacks objects"), "{said}");
    let (clean, said) = replica.command(&["fsck"]);
    assert!(clean, "{said}");
    orphans
}

/// SQLite and the embedded bucket on a file system that fills up.
async fn disk_full() -> Row {
    let small = setting("ETALASE_TEST_SMALL_DISK");
    let environment = vec![("ETALASE_DEMO_PASSWORD".to_owned(), PASSWORD.to_owned())];
    let mut replica = Replica::new(&Path::new(&small).join("data"), environment, &[]);
    replica.start(&[]);
    let writer = Writer::new(vec![replica.base.clone()], owner(&replica.base).await);
    let (mut ledger, ballast) = (Ledger::default(), Path::new(&small).join("ballast"));
    let load = writer.work(4, 2);
    seconds(1.0).await;
    // Takes all that is left, and goes on taking it.
    let taken = Command::new("sh").args(["-c", &format!("cat /dev/zero > {} 2>/dev/null; true", ballast.display())]).status().unwrap();
    assert!(taken.success());
    let refused = writer.retries.load(std::sync::atomic::Ordering::Relaxed);
    seconds(4.0).await;
    assert!(writer.retries.load(std::sync::atomic::Ordering::Relaxed) > refused, "writes are refused while the disk is full");
    let browsing = reqwest::get(format!("{}/v1/storefront/products", replica.base)).await.unwrap();
    assert_eq!(browsing.status(), 200, "browsing goes on");
    std::fs::remove_file(&ballast).unwrap();
    let recovery = writer.recovery(&mut ledger).await;
    seconds(1.0).await;
    load.stop(&mut ledger).await;
    let database = sea_orm::Database::connect(format!("sqlite:{small}/data/etalase.db")).await.unwrap();
    let orphans = check(&database, &replica, &ledger).await;
    let retries = writer.retries.load(std::sync::atomic::Ordering::Relaxed);
    // It dies and starts again, to see that what it had was on the disk.
    replica.kill();
    replica.start(&[]);
    check(&database, &replica, &ledger).await;
    Row { fault: DISK_FULL, acknowledged: ledger.products.len(), photos: ledger.photos.len(), retries, recovery, orphans }
}
