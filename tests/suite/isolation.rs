//! The processes that decode photos: their memory, their death, and whatever bytes an attacker finds.

use std::{
    io::Cursor,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use etalase::media::isolation::{Crash, LONGEST_JOB, Workers};
use etalase_pictures::decode::Refusal;
use image::{ImageFormat, RgbImage};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::Value;

use crate::{
    crashes::Service,
    world::{Engine, World, fixture, small_photo},
};

fn workers(longest_job: Duration) -> Workers {
    Workers::new(Some(env!("CARGO_BIN_EXE_etalase").into()), longest_job).unwrap()
}

/// A program that does what `body` says in place of decoding.
fn impostor(folder: &tempfile::TempDir, body: &str) -> PathBuf {
    let path = folder.path().join("impostor");
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn a_worker_takes_less_than_150_mb_for_24_megapixels() {
    let noise = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 13;
    let picture = RgbImage::from_fn(6000, 4000, |x, y| image::Rgb([(x / 24) as u8, (y / 16) as u8, (noise(x, y) % 48) as u8]));
    let mut photo = Cursor::new(Vec::new());
    picture.write_to(&mut photo, ImageFormat::Jpeg).unwrap();
    let finished = workers(LONGEST_JOB).process(&photo.into_inner(), 2).await.unwrap();
    assert_eq!(finished.processed.unwrap().renditions.len(), 10);
    assert!(finished.peak_kib > 10_000 && finished.peak_kib < 150_000, "{} KiB", finished.peak_kib);
}

#[tokio::test]
async fn a_worker_serves_one_photo_after_the_other_and_a_bad_one_between_them_does_no_harm() {
    let workers = workers(LONGEST_JOB);
    for _ in 0..2 {
        let photo = workers.process(&small_photo(), 2).await.unwrap().processed.unwrap();
        assert!(photo.renditions.iter().all(|rendition| !rendition.bytes.is_empty()));
        let refused = workers.process(&fixture("truncated.jpg"), 2).await.unwrap().processed;
        assert_eq!(refused.err(), Some(Refusal::Damaged));
    }
}

#[tokio::test]
async fn a_worker_that_hangs_dies_or_lies_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let crash = async |body: &str| {
        let workers = Workers::new(Some(impostor(&folder, body)), Duration::from_millis(300)).unwrap();
        workers.process(&small_photo(), 1).await.err().unwrap()
    };
    assert!(matches!(crash("sleep 60").await, Crash::Hung(_)));
    assert!(matches!(crash("exit 3").await, Crash::Died(_)));
    assert!(matches!(crash("printf '\\377\\377\\377\\377'; sleep 60").await, Crash::Died(_)), "an endless answer");
    assert!(matches!(crash("printf '\\000\\000\\000\\002{}'; sleep 60").await, Crash::Died(_)), "an answer without sense");
    let nothing = Workers::new(Some("/nonexistent".into()), LONGEST_JOB).unwrap();
    assert!(matches!(nothing.process(b"", 1).await, Err(Crash::NotStarted(_))));
}

#[tokio::test]
async fn a_look_at_a_photo_tells_its_size_and_shares_the_workers() {
    let (folder, workers) = (tempfile::tempdir().unwrap(), workers(LONGEST_JOB));
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let (photo, lying) = (file("photo", &small_photo()), file("lying", &fixture("lying-dimensions.jpg")));
    for _ in 0..2 {
        assert_eq!(workers.look(&photo).await.unwrap(), Ok((700, 500)));
        assert_eq!(workers.look(&lying).await.unwrap(), Err(Refusal::TooManyPixels));
        assert_eq!(workers.process(&small_photo(), 1).await.unwrap().processed.unwrap().width, 700);
    }
    assert_eq!(workers.look(&file("text", b"no photo at all")).await.unwrap(), Err(Refusal::NotAnImage));
}

#[tokio::test]
async fn a_worker_that_dies_between_two_photos_is_not_the_next_ones_fault() {
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo");
    std::fs::write(&photo, small_photo()).unwrap();
    let workers = Workers::new(Some(impostor(&folder, &dies_after_one(""))), LONGEST_JOB).unwrap();
    for _ in 0..3 {
        assert_eq!(workers.look(&photo).await.unwrap(), Ok((700, 500)));
    }
}

/// A worker that serves one photo and ends; before that, it does what `body` says to what was asked.
fn dies_after_one(body: &str) -> String {
    let worker = env!("CARGO_BIN_EXE_etalase");
    format!(
        "head=$0.$$; dd bs=1 count=6 of=$head 2>/dev/null\n\
         length=$(od -An -tu4 --endian=big -N4 $head); what=$(od -An -tu1 -j4 -N1 $head)\n{body}\n\
         {{ cat $head; head -c $length; }} | {worker} image-worker; rm $head"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_that_kills_the_worker_that_looks_at_it_is_refused_as_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let deadly = impostor(&folder, "exit 1");
    let world = World::start(Engine::Sqlite, |config| config.image_worker = Some(deadly)).await;
    let town = world.town().await;
    let refused = town.owner.upload(&town.sme, small_photo()).await.expect(422);
    assert_eq!(refused.text("/reason"), "damaged");
    assert_eq!(town.owner.upload(&town.sme, fixture("script.svg")).await.expect(415).text("/kind"), "SVG", "no worker is asked");
    world.public().get("/v1/storefront/products").await.expect(200);
}

/// A zlib stream that inflates to at least `least` zeros, at 20 bytes for four kilobytes (RFC 1951, 3.2.6).
fn deflated_zeros(least: usize) -> Vec<u8> {
    let matches = least / 258 + 1;
    let mut bits: Vec<bool> = [1, 1, 0].map(|bit| bit == 1).to_vec();
    let mut code = |value: u32, length: u32| bits.extend((0..length).rev().map(|bit| value >> bit & 1 == 1));
    code(0b0011_0000, 8);
    for _ in 0..matches {
        code(0b1100_0101, 8);
        code(0, 5);
    }
    code(0, 7);
    let mut stream = vec![0x78, 0x9c];
    stream.extend(bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |sum, (place, bit)| sum | u8::from(*bit) << place)));
    let count = matches * 258 + 1;
    stream.extend((((count % 65_521) as u32) << 16 | 1).to_be_bytes());
    stream
}

/// A chunk of a PNG (third edition, 5.3).
fn chunk(kind: &[u8], body: &[u8]) -> Vec<u8> {
    let checked = [kind, body].concat();
    let step = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 });
    let sum = !checked.iter().fold(u32::MAX, step);
    [&(body.len() as u32).to_be_bytes(), checked.as_slice(), &sum.to_be_bytes()].concat()
}

/// Eight by eight pixels, with a chunk of this kind that inflates to `zeros` zeros.
fn bomb(kind: &[u8], head: &[u8], zeros: usize) -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    RgbImage::new(8, 8).write_to(&mut png, ImageFormat::Png).unwrap();
    let mut png = png.into_inner();
    png.splice(33..33, chunk(kind, &[head, &deflated_zeros(zeros)].concat()));
    png
}

#[tokio::test(flavor = "multi_thread")]
async fn what_inflates_to_hundreds_of_megabytes_costs_the_service_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    let (token, client) = (service.sign_in("owner@demo.example").await, reqwest::Client::new());
    let me: Value = client.get(format!("{}/v1/me", service.base)).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    let sme = me["smes"][0]["sme_id"].as_str().unwrap().to_owned();
    let upload = async |bytes: Vec<u8>| {
        let form = reqwest::multipart::Form::new().part("file", reqwest::multipart::Part::bytes(bytes));
        let request = client.post(format!("{}/v1/media?sme_id={sme}", service.base)).bearer_auth(&token).multipart(form);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(upload(small_photo()).await, 202);
    let before = service.peak_kib();
    for (kind, head) in [(b"iCCP", b"x\0\0".as_slice()), (b"zTXt", b"x\0\0"), (b"iTXt", b"x\0\x01\0\0\0")] {
        let status = upload(bomb(kind, head, 256 << 20)).await;
        assert!(matches!(status, 202 | 400..500), "{status}");
    }
    let alone = service.peak_kib() - before;
    // Of different lengths, since the same photo is kept once.
    let together = (1..=4).map(|more| upload(bomb(b"iCCP", b"x\0\0", (256 + more) << 20)));
    let statuses = futures_util::future::join_all(together).await;
    assert!(statuses.iter().all(|status| matches!(status, 202 | 400..500)), "{statuses:?}");
    let together = service.peak_kib() - before;
    println!("{before} KiB, {alone} more for one at a time, {together} more for several at once");
    assert!(alone < 64 * 1024 && together < 64 * 1024, "{alone} and {together} KiB more than {before}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_that_kills_its_worker_fails_alone_and_the_service_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let deadly = impostor(&folder, &dies_after_one("[ $what -eq 0 ] || exit 1"));
    let world = World::start(Engine::Sqlite, |config| config.image_worker = Some(deadly)).await;
    let town = world.town().await;
    let photo = town.owner.upload(&town.sme, small_photo()).await.expect(202);
    let failed = town.owner.settled_photo(&photo.text("/id")).await;
    assert_eq!((failed.text("/status"), failed.text("/failure")), ("failed".into(), "damaged".into()));
    world.public().get("/v1/storefront/products").await.expect(200);
}

/// One to eight changes of the kind that files suffer and attackers make.
fn mutate(random: &mut StdRng, files: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = files.choose(random).unwrap().clone();
    for _ in 0..random.random_range(1..=8) {
        if bytes.len() < 8 {
            break;
        }
        // Headers decide most; half of the changes go there.
        let end = if random.random() { bytes.len() } else { bytes.len().min(512) };
        let at = random.random_range(0..end);
        let until = (at + random.random_range(1..64)).min(bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = *[0, 1, 0x7f, 0x80, 0xff].choose(random).unwrap(),
            2 => bytes[at..until].fill(random.random()),
            3 => bytes.truncate(at),
            4 => {
                let piece = bytes[at..until].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let other = files.choose(random).unwrap();
                let from = random.random_range(0..other.len());
                let piece = other[from..(from + 64).min(other.len())].to_vec();
                bytes.splice(at..until, piece);
            }
        }
    }
    bytes
}

/// Runs for `ETALASE_FUZZ_SECONDS` (5) from `ETALASE_SEED`. What breaks it is left in the temporary folder.
#[tokio::test]
async fn no_bytes_crash_a_worker_or_take_more_than_five_seconds_or_512_mib() {
    let setting = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let seed = setting("ETALASE_SEED").unwrap_or_else(|| rand::rng().random());
    let time = Duration::from_secs(setting("ETALASE_FUZZ_SECONDS").unwrap_or(5));
    let expected: Value = serde_json::from_slice(&fixture("expected.json")).unwrap();
    let files = expected.as_object().unwrap().keys().map(|name| fixture(name));
    let files: Vec<Vec<u8>> = files.filter(|file| (16..400_000).contains(&file.len())).collect();
    let (mut random, workers, begin) = (StdRng::seed_from_u64(seed), workers(Duration::from_secs(5)), Instant::now());
    let (mut runs, mut decoded) = (0, 0);
    while begin.elapsed() < time {
        let bytes = mutate(&mut random, &files);
        let broken = match workers.process(&bytes, 2).await {
            Err(crash) => Some(crash.to_string()),
            Ok(finished) if finished.peak_kib > 512 * 1024 => Some(format!("{} KiB", finished.peak_kib)),
            Ok(finished) => {
                decoded += u32::from(finished.processed.is_ok());
                None
            }
        };
        runs += 1;
        if let Some(why) = broken {
            let kept = std::env::temp_dir().join(format!("etalase-fuzz-{seed}-{runs}"));
            std::fs::write(&kept, &bytes).unwrap();
            panic!("seed {seed}, run {runs}: {why}; see {}", kept.display());
        }
    }
    println!("seed {seed}: {runs} mutated files, {decoded} of them decoded");
    assert!(runs > 10 && decoded > 0, "{runs} runs, {decoded} decoded");
}
