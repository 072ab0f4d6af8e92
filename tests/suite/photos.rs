//! Photos that no one here made: what phones, editors and attackers send.

use etalase::{
    media::{fsck, model::Format},
    platform::jobs,
};
use etalase_pictures::{Encoding, pipeline};
use serde_json::{Value, json};

use crate::world::{Engine, World, fixture, small_photo};

#[test]
fn every_fixture_ends_as_expected_upright_and_in_the_right_colours() {
    let expected: Value = serde_json::from_slice(&fixture("expected.json")).unwrap();
    for (name, wanted) in expected.as_object().unwrap() {
        let result = pipeline::process(&fixture(name), 2);
        let processed = match (wanted["outcome"].as_str().unwrap(), result) {
            ("reject", Err(_)) => continue,
            ("accept_or_reject" | "accept_or_advise", outcome) => {
                assert!(outcome.is_err() || outcome.is_ok_and(|photo| photo.renditions.iter().all(|r| r.height > 0)), "{name}");
                continue;
            }
            ("accept", Ok(processed)) => processed,
            (outcome, result) => panic!("{name}: wanted {outcome}, got {:?}", result.map(|photo| (photo.width, photo.height))),
        };
        // Upright sizes; the fixture of the turned phone states its stored ones.
        let mut size = [u64::from(processed.width), u64::from(processed.height)];
        let mut stated = [wanted["width"].as_u64().unwrap(), wanted["height"].as_u64().unwrap()];
        if name.contains("orientation-6-gps") {
            size.sort_unstable();
            stated.sort_unstable();
        }
        assert_eq!(size, stated, "{name}");
        for rendition in &processed.renditions {
            assert!(u64::from(rendition.width) <= u64::from(processed.width), "{name}: upscaled");
            for secret in [b"Exif".as_slice(), b"http://ns.adobe.com", b"ICC_PROFILE", b"<script", b"GPS", b"Artist"] {
                assert!(!rendition.bytes.windows(secret.len()).any(|window| window == secret), "{name}: metadata in a rendition");
            }
        }
        let Some(patches) = wanted["patches_tl_tr_bl_br"].as_array() else { continue };
        let tolerance = wanted["tolerance"].as_i64().unwrap();
        for format in [Encoding::Webp, Encoding::Jpeg] {
            let widest = processed.renditions.iter().filter(|rendition| rendition.format == format).max_by_key(|rendition| rendition.width).unwrap();
            let picture = image::load_from_memory(&widest.bytes).unwrap().to_rgb8();
            let (right, bottom) = (picture.width() - 51, picture.height() - 51);
            for ((x, y), patch) in [(50, 50), (right, 50), (50, bottom), (right, bottom)].into_iter().zip(patches) {
                let pixel = picture.get_pixel(x, y);
                for channel in 0..3 {
                    let distance = (i64::from(pixel[channel]) - patch[channel].as_i64().unwrap()).abs();
                    assert!(distance <= tolerance, "{name} {format:?} at {x},{y}: {pixel:?} is not {patch}");
                }
            }
        }
    }
}

/// What `exiftool`, which shares no code with us, finds in the files of a folder, as `(file, group:tag)`.
fn tags(folder: &std::path::Path) -> Vec<(String, String)> {
    let output = std::process::Command::new("exiftool").args(["-json", "-a", "-G1"]).arg(folder).output();
    let output = output.expect("exiftool is installed: run ./tests/run");
    let files: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(&output.stdout).unwrap();
    let of = |file: serde_json::Map<String, Value>| {
        let name = file["SourceFile"].as_str().unwrap().to_owned();
        file.into_iter().filter(|(tag, _)| tag != "SourceFile").map(move |(tag, _)| (name.clone(), tag))
    };
    files.into_iter().flat_map(of).collect()
}

#[test]
fn an_independent_reader_finds_no_metadata_in_any_rendition_of_any_fixture() {
    let (sent, made) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected: Value = serde_json::from_slice(&fixture("expected.json")).unwrap();
    for name in expected.as_object().unwrap().keys() {
        let Ok(processed) = pipeline::process(&fixture(name), 2) else { continue };
        std::fs::write(sent.path().join(name), fixture(name)).unwrap();
        for rendition in processed.renditions {
            let file = format!("{name}-{}.{}", rendition.width, Format::from(rendition.format).extension());
            std::fs::write(made.path().join(file), rendition.bytes).unwrap();
        }
    }
    // Groups that tell of pixels and of the file on this disk; a comment would be File:Comment.
    let harmless = |tag: &str| {
        let group = tag.split(':').next().unwrap_or_default();
        matches!(group, "ExifTool" | "System" | "File" | "JFIF" | "RIFF" | "Composite") && !tag.contains("Comment") && !tag.contains("GPS")
    };
    let found = tags(made.path());
    assert!(found.len() > 500, "{} tags", found.len());
    let secrets: Vec<_> = found.iter().filter(|(_, tag)| !harmless(tag)).collect();
    assert!(secrets.is_empty(), "{secrets:?}");
    assert!(tags(sent.path()).iter().any(|(_, tag)| tag == "GPS:GPSLatitude"), "what was sent did hold secrets");
}

on_both! {
    async fn a_phone_photo_becomes_ready_and_the_same_one_again_is_not_stored_twice(world: World) {
        let town = world.town().await;
        let upload = town.owner.upload(&town.sme, fixture("phone-12mp-orientation-6-gps.jpg")).await.expect(202);
        assert_eq!(upload.text("/status"), "processing");
        let photo = town.owner.settled_photo(&upload.text("/id")).await;
        assert_eq!(photo.text("/status"), "ready");
        let webp: Vec<_> = photo.body["renditions"].as_array().unwrap().iter().filter(|r| r["format"] == "webp").map(|r| r["width"].as_i64().unwrap()).collect();
        assert_eq!(webp, [320, 640, 960, 1280, 1920]);
        assert!(photo.text("/dominant_color").starts_with('#') && !photo.text("/placeholder").is_empty());
        let again = town.owner.upload(&town.sme, fixture("phone-12mp-orientation-6-gps.jpg")).await.expect(202);
        assert_eq!(again.text("/id"), upload.text("/id"));
    }

    async fn nothing_but_a_rendition_has_an_address_below_media(world: World) {
        let town = world.town().await;
        let url = town.owner.get(&format!("/v1/media/{}", town.ready_photo().await)).await.text("/renditions/0/url");
        let buyer = world.public();
        buyer.get(&url).await.expect(200);
        let long = "a".repeat(255);
        for key in ["", "/", "%20", "%2e%2e", "%E2%80%AE", "a%5Cb", &long] {
            buyer.get(&format!("/media/img/{key}")).await.expect(404);
        }
        for odd in [format!("{url}/"), url.replace("/img/", "/img//"), url.to_uppercase().replace("/MEDIA/IMG/", "/media/img/")] {
            buyer.get(&odd).await.expect(404);
        }
    }

    async fn an_iphone_photo_in_heic_becomes_ready(world: World) {
        let town = world.town().await;
        let upload = town.owner.upload(&town.sme, fixture("iphone.heic")).await.expect(202);
        let photo = town.owner.settled_photo(&upload.text("/id")).await;
        assert_eq!((photo.text("/status"), photo.body["width"].clone(), photo.body["height"].clone()), ("ready".into(), json!(600), json!(400)));
    }

    async fn what_is_no_photo_is_refused_with_advice(world: World) {
        let town = world.town().await;
        for (name, status, words) in [
            ("small.avif", 415, "JPEG"), ("script.svg", 415, "JPEG"), ("text-named.jpg", 415, "JPEG"),
            ("empty.jpg", 415, "JPEG"), ("bomb-pixels.png", 422, "megapixels"), ("lying-dimensions.jpg", 422, "megapixels"),
        ] {
            let answer = town.owner.upload(&town.sme, fixture(name)).await.expect(status);
            assert!(answer.text("/detail").contains(words), "{name}: {:#}", answer.body);
        }
        let truncated = town.owner.upload(&town.sme, fixture("truncated.jpg")).await.expect(202).text("/id");
        let failed = town.owner.settled_photo(&truncated).await;
        assert_eq!((failed.text("/status"), failed.text("/failure")), ("failed".into(), "damaged".into()));
        let large = town.owner.upload(&town.sme, vec![0xff; 21 * 1024 * 1024]).await.expect(413);
        assert_eq!(large.text("/code"), "too_large");
        let left: Vec<_> = std::fs::read_dir(world.folder.path().join("spool")).unwrap().collect();
        assert!(left.is_empty(), "uploads leave nothing behind");
    }

    async fn a_photo_in_use_stays_and_one_without_use_leaves_the_bucket(world: World) {
        let town = world.town().await;
        let product = town.draft("Dodol").await;
        let media = product.text("/images/0/photo/id");
        let refused = town.owner.send(town.owner.request(reqwest::Method::DELETE, &format!("/v1/media/{media}"))).await.expect(409);
        assert_eq!(refused.text("/reason"), "media_in_use");
        let image = product.text("/images/0/id");
        town.owner.delete(&format!("/v1/products/{}/images/{image}", product.text("/id")), &product.etag()).await.expect(200);
        town.owner.send(town.owner.request(reqwest::Method::DELETE, &format!("/v1/media/{media}"))).await.expect(204);
        for _ in 0..200 {
            let (objects, _) = world.app.bucket.list("", None).await.unwrap();
            if objects.is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("objects are left in the bucket");
    }

    async fn fsck_finds_and_repairs_orphans_both_ways(world: World) {
        let town = world.town().await;
        let media = town.ready_photo().await;
        assert!(fsck::run(&world.app, false).await.unwrap().is_clean());
        world.app.bucket.put("img/orphan/x.webp", b"x", "image/webp").await.unwrap();
        let url = town.owner.get(&format!("/v1/media/{media}")).await.text("/renditions/0/url");
        world.app.bucket.delete(url.trim_start_matches("/media/")).await.unwrap();
        let report = fsck::run(&world.app, true).await.unwrap();
        assert_eq!((report.orphans.len(), report.incomplete.len()), (1, 1));
        world.app.signals.wake_workers();
        assert_eq!(town.owner.settled_photo(&media).await.text("/status"), "ready");
        assert!(fsck::run(&world.app, false).await.unwrap().is_clean());
    }

    async fn a_photo_that_is_deleted_while_it_is_processed_leaves_nothing(world: World) {
        let town = world.town().await;
        let media = town.owner.upload(&town.sme, fixture("phone-12mp-orientation-6-gps.jpg")).await.expect(202).text("/id");
        town.owner.delete(&format!("/v1/media/{media}"), "*").await.expect(204);
        for round in 0.. {
            let left = world.execute("update jobs set attempts = attempts", vec![]).await.unwrap();
            if left == 0 {
                break;
            }
            assert!(round < 400, "jobs are left");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        town.owner.get(&format!("/v1/media/{media}")).await.expect(404);
        let prefix = format!("img/{}/", media.replace('-', ""));
        assert!(world.app.bucket.list(&prefix, None).await.unwrap().0.is_empty() && fsck::run(&world.app, false).await.unwrap().is_clean());
    }

    async fn a_small_dark_or_blurred_photo_is_taken_with_advice_in_both_languages(world: World) {
        let town = world.town().await;
        let codes = async |bytes: Vec<u8>| {
            let id = town.owner.upload(&town.sme, bytes).await.expect(202).text("/id");
            let photo = town.owner.settled_photo(&id).await;
            assert_eq!(photo.text("/status"), "ready");
            photo.body["advice"].as_array().unwrap().clone()
        };
        assert!(codes(fixture("phone-12mp-orientation-6-gps.jpg")).await.is_empty(), "a good one");
        let photo = image::load_from_memory(&fixture("photo-progressive.jpg")).unwrap().to_rgb8();
        let jpeg = |picture: image::RgbImage| {
            let mut bytes = std::io::Cursor::new(Vec::new());
            picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
            bytes.into_inner()
        };
        let mut dark = photo.clone();
        dark.iter_mut().for_each(|value| *value /= 5);
        let advice = codes(jpeg(dark)).await;
        let dark = advice.iter().find(|advice| advice["code"] == "too_dark").unwrap();
        assert!(dark["measured"].as_i64().unwrap() < 20 && dark["message"]["id"].as_str().unwrap().contains("gelap"), "{advice:?}");
        let advice = codes(jpeg(image::imageops::fast_blur(&photo, 6.0))).await;
        assert_eq!(advice.iter().map(|advice| &advice["code"]).collect::<Vec<_>>(), ["blurred"]);
        let advice = codes(small_photo()).await;
        assert_eq!((&advice[0]["code"], &advice[0]["measured"], &advice[0]["wanted"]), (&json!("too_small"), &json!(700), &json!(1200)));
        assert!(advice[0]["message"]["en"].as_str().unwrap().contains("700 × 500"));
    }

    async fn a_reviewer_is_warned_of_a_photo_that_another_sme_has_shown(world: World) {
        let town = world.town().await;
        let original = fixture("photo-progressive.jpg");
        let photo = town.owner.upload(&town.sme, original.clone()).await.expect(202).text("/id");
        town.owner.settled_photo(&photo).await;
        let other = world.newcomer("other", false).await;
        let sme = town.new_sme(&other, "Peniru").await;
        let mut body = town.dodol("Dodol");
        body["sme_id"] = json!(sme);
        let product = other.post("/v1/products", body).await.expect(201).text("/id");
        // Scaled, brightened, compressed again: another file with the same picture.
        let copy = image::load_from_memory(&original).unwrap().resize(900, 900, image::imageops::FilterType::Triangle).brighten(9);
        let mut bytes = std::io::Cursor::new(Vec::new());
        copy.to_rgb8().write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        for (bytes, alt) in [(bytes.into_inner(), "tiruan"), (original, "sama"), (fixture("phone-12mp-orientation-6-gps.jpg"), "lain")] {
            let media = other.upload(&sme, bytes).await.expect(202).text("/id");
            other.settled_photo(&media).await;
            other.post(&format!("/v1/products/{product}/images"), json!({ "media_id": media, "alt": { "id": alt } })).await.expect(201);
        }
        let path = format!("/v1/products/{product}/similar-photos");
        let before = world.app.database.statements();
        let similar = town.officer.get(&path).await.expect(200);
        assert!(world.app.database.statements() - before <= 6, "the number of photos does not matter");
        let found = similar.body["data"].as_array().unwrap();
        let summary: Vec<_> = found.iter().map(|row| (row["is_identical"] == true, row["other_brand_name"].as_str().unwrap())).collect();
        assert_eq!(summary.len(), 2, "{found:#?}");
        assert!(summary.contains(&(true, "Dodol Cisadane")) && summary.contains(&(false, "Dodol Cisadane")), "{found:#?}");
        assert!(found.iter().all(|row| row["distance"].as_i64().unwrap() <= 3 && row["other_media_id"] == json!(photo)), "{found:#?}");
        other.get(&path).await.expect(403);
    }

    async fn a_photo_of_another_sme_can_not_be_attached(world: World) {
        let town = world.town().await;
        let media = town.ready_photo().await;
        let other = world.newcomer("other", false).await;
        let sme = town.new_sme(&other, "Lain").await;
        let mut body = town.dodol("Dodol");
        body["sme_id"] = json!(sme);
        let product = other.post("/v1/products", body).await.expect(201).text("/id");
        let attach = json!({ "media_id": media, "alt": { "id": "x" } });
        assert_eq!(other.post(&format!("/v1/products/{product}/images"), attach).await.expect(422).text("/errors/0/code"), "unknown");
        assert_eq!(other.upload(&town.sme, small_photo()).await.status, 404);
    }

    async fn an_upload_that_died_before_it_was_recorded_is_cleaned_up(world: World) {
        let id = uuid::Uuid::now_v7();
        world.app.bucket.put(&format!("originals/{id}"), b"half", "image/jpeg").await.unwrap();
        let intent = world.app.database.begin().await.unwrap();
        jobs::enqueue(&intent, jobs::JobKind::DeleteMedia, &[id], chrono::Duration::zero(), "test").await.unwrap();
        intent.commit().await.unwrap();
        world.app.signals.wake_workers();
        for _ in 0..200 {
            if world.app.bucket.list("originals/", None).await.unwrap().0.is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the half upload is still there");
    }
}

async fn settings_of_photos(engine: Engine) {
    let world = World::start(engine, |config| {
        config.keep_originals = false;
        config.image_queue = 2;
    })
    .await;
    let town = world.town().await;
    let media = town.ready_photo().await;
    for _ in 0..200 {
        if world.app.bucket.list("originals/", None).await.unwrap().0.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(world.app.bucket.list("originals/", None).await.unwrap().0.is_empty(), "the original is discarded");
    assert!(fsck::run(&world.app, false).await.unwrap().is_clean());
    assert_eq!(town.owner.get(&format!("/v1/media/{media}")).await.text("/status"), "ready");
    let wait = world.app.database.begin().await.unwrap();
    for _ in 0..2 {
        jobs::enqueue(&wait, jobs::JobKind::ProcessMedia, &[uuid::Uuid::now_v7()], chrono::Duration::hours(1), "test").await.unwrap();
    }
    wait.commit().await.unwrap();
    let refused = town.owner.upload(&town.sme, fixture("photo-progressive.jpg")).await.expect(503);
    assert_eq!((refused.header("retry-after"), refused.text("/code")), ("30".into(), "unavailable".into()));
    world.execute("delete from jobs", vec![]).await.unwrap();
    town.owner.upload(&town.sme, fixture("photo-progressive.jpg")).await.expect(202);
}

#[tokio::test(flavor = "multi_thread")]
async fn originals_are_discarded_and_a_long_queue_refuses_politely_where_the_office_says_so_on_sqlite() {
    settings_of_photos(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn originals_are_discarded_and_a_long_queue_refuses_politely_where_the_office_says_so_on_postgresql() {
    settings_of_photos(Engine::Postgresql).await;
}
