//! Secrets at rest: who gets hold of the database, or of a backup, has none of those that the service has to read again.

use std::path::Path;

use etalase::{app::App, audit, backup, config::Config, platform::database::Database, secrets};
use reqwest::Method;
use sea_orm::ConnectionTrait;
use serde_json::json;
use uuid::Uuid;

use crate::{
    backup::empty,
    identity::code,
    webhooks::{Receiver, endpoint, tried, with_hooks, world_with_hooks},
    world::{Engine, PASSWORD, Person, Town, World},
};

/// An owner with a second factor and a webhook.
struct Guarded {
    town: Town,
    factor: String,
    recovery: Vec<String>,
    hook: String,
    hook_secret: String,
    receiver: Receiver,
}

async fn guarded(world: &World) -> Guarded {
    let (town, receiver) = (world.town().await, Receiver::start().await);
    let made = endpoint(&town.owner, ("sme_id", &town.sme), &receiver.url, json!(["product.listed"])).await;
    let (hook, hook_secret) = (made.text("/id"), made.text("/secret"));
    let factor = town.owner.post_empty("/v1/me/second-factor").await.expect(200).text("/secret");
    let confirmed = town.owner.post("/v1/me/second-factor/confirm", json!({ "code": code(&factor, 0) })).await.expect(200);
    let recovery = confirmed.body["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    Guarded { town, factor, recovery, hook, hook_secret, receiver }
}

/// Every byte of a snapshot's tables.
fn everything(folder: &Path, snapshot: &str) -> String {
    let place = folder.join("snapshots").join(snapshot);
    let files = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let tables = files.filter(|path| path.extension().is_some_and(|ending| ending == "zst"));
    tables.map(|path| String::from_utf8(zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()).unwrap()).collect()
}

async fn sign_in(world: &World, code: &str) -> crate::world::Answer {
    world.public().post("/v1/auth/sign-in", json!({ "email": "owner@example.org", "password": PASSWORD, "code": code })).await
}

/// The secrets as an older version kept them.
async fn put_in_the_clear(world: &World, guarded: &Guarded) {
    world.execute("update user_totp set secret = ?", vec![guarded.factor.clone().into()]).await.unwrap();
    world.execute("update webhook_endpoints set secret = ?", vec![guarded.hook_secret.clone().into()]).await.unwrap();
}

with_hooks! {
    async fn a_stolen_backup_holds_no_secret_and_restores_with_its_key(world: World) {
        let guarded = guarded(&world).await;
        let (folder, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = backup::backup(&world.app.config, folder.path(), None, true).await.unwrap();
        let all = everything(folder.path(), &made.snapshot);
        assert!(all.contains(&guarded.hook), "it was looked at");
        for secret in [&guarded.factor, &guarded.hook_secret].into_iter().chain(&guarded.recovery) {
            assert!(!all.contains(secret.trim_start_matches("whsec_")), "{secret}");
        }
        // The key is there since it was asked for.
        let config = Config { secret_key: None, webhooks_to_private: true, ..empty(Engine::Sqlite, place.path()).await };
        let restored = backup::restore(&config, folder.path(), None).await.unwrap();
        assert!(restored.renew.is_empty(), "{:?}", restored.renew);
        let again = World::start_with(config, place).await;
        assert_eq!(secrets::lost(again.app.database.reader(), &again.app.vault).await.unwrap(), Vec::<String>::new());
        sign_in(&again, &code(&guarded.factor, 1)).await.expect(200);
        guarded.town.owner_at(&again, &guarded.recovery[0]).await.post_empty(&format!("/v1/webhook-endpoints/{}/test", guarded.hook)).await.expect(202);
        let message = guarded.receiver.expect(1).await.remove(0);
        assert!(message.is_signed_by(&guarded.hook_secret));
    }

    async fn a_restore_without_the_key_goes_through_and_names_what_to_renew(world: World) {
        let guarded = guarded(&world).await;
        let (folder, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        backup::backup(&world.app.config, folder.path(), None, false).await.unwrap();
        let config = Config { secret_key: None, webhooks_to_private: true, ..empty(Engine::Sqlite, place.path()).await };
        let restored = backup::restore(&config, folder.path(), None).await.unwrap();
        let hook = format!("the secret of the webhook endpoint {}", guarded.hook);
        assert_eq!(restored.renew, ["the second factor of owner@example.org", &hook]);
        let again = World::start_with(config, place).await;

        // A code of the app can't be checked; a recovery code counts, and then the factor is set up again.
        let refused = sign_in(&again, &code(&guarded.factor, 1)).await.expect(401);
        assert!(refused.text("/detail").contains("recovery code"), "{:?}", refused.body);
        let owner = guarded.town.owner_at(&again, &guarded.recovery[0]).await;
        owner.post("/v1/me/second-factor/disable", json!({ "code": guarded.recovery[1] })).await.expect(204);
        let factor = owner.post_empty("/v1/me/second-factor").await.expect(200).text("/secret");
        owner.post("/v1/me/second-factor/confirm", json!({ "code": code(&factor, 0) })).await.expect(200);

        let path = format!("/v1/webhook-endpoints/{}", guarded.hook);
        let off = owner.get(&path).await.expect(200);
        assert_eq!((off.body["enabled"].as_bool(), off.text("/disabled_reason").as_str()), (Some(false), "secret_lost"));
        let renewed = owner.post(&format!("{path}/rotate"), json!({ "overlap_hours": 24 })).await.expect(200);
        assert_eq!(renewed.body["enabled"], true);
        owner.post_empty(&format!("{path}/test")).await.expect(202);
        assert!(guarded.receiver.expect(1).await[0].is_signed_by(&renewed.text("/secret")));
        assert!(secrets::lost(again.app.database.reader(), &again.app.vault).await.unwrap().is_empty());
    }

    async fn what_an_older_version_kept_in_the_clear_is_read_and_then_encrypted(world: World) {
        let guarded = guarded(&world).await;
        put_in_the_clear(&world, &guarded).await;
        sign_in(&world, &code(&guarded.factor, 1)).await.expect(200);
        assert_eq!(secrets::encrypt_stored(&world.app.database, &world.app.vault).await.unwrap(), 2);
        assert_eq!(secrets::encrypt_stored(&world.app.database, &world.app.vault).await.unwrap(), 0);
        let kept = world.app.database.reader().query_all_raw(etalase::platform::database::sql(
            world.app.database.reader(), "select secret from user_totp union all select secret from webhook_endpoints", [],
        ));
        for row in kept.await.unwrap() {
            assert!(row.try_get::<String>("", "secret").unwrap().starts_with("v1:"));
        }
        assert!(secrets::lost(world.app.database.reader(), &world.app.vault).await.unwrap().is_empty());
    }

    async fn what_commands_do_about_keys_and_people_is_on_record(world: World) {
        let guarded = guarded(&world).await;
        let other = endpoint(&guarded.town.owner, ("sme_id", &guarded.town.sme), &guarded.receiver.url, json!(["product.listed"])).await.text("/id");
        assert_eq!(secrets::rotate(&world.app.database, &world.app.vault).await.unwrap().encrypted, 3);
        let id = |text: &str| text.parse::<Uuid>().unwrap();
        let text = "update webhook_endpoints set secret = (select secret from webhook_endpoints where id = ?) where id = ?";
        world.execute(text, vec![id(&guarded.hook).into(), id(&other).into()]).await.unwrap();
        for _ in 0..2 {
            assert_eq!(secrets::forget(&world.app.database, &world.app.vault).await.unwrap().len(), 1);
        }
        let reader = world.app.database.reader();
        let trail = async |entity: &str, of: Uuid| audit::of_entity(reader, entity, of).await.unwrap();
        let of_keys: Vec<_> = trail("secret_key", Uuid::nil()).await.into_iter().map(|row| (row.action, row.change.unwrap())).collect();
        let forgotten = ("forget".to_owned(), json!({ "lost": 1 }));
        assert_eq!(of_keys, [forgotten.clone(), forgotten, ("rotate".to_owned(), json!({ "encrypted": 3 }))]);
        let turned_off = trail("webhook_endpoint", id(&other)).await;
        let reasons: Vec<_> = turned_off.iter().filter(|row| row.action == "disable").map(|row| row.change.clone().unwrap()).collect();
        assert_eq!(reasons, [json!({ "reason": "secret_lost" })], "once");
        let operator = id(&guarded.town.operator.get("/v1/me").await.expect(200).text("/id"));
        let made = trail("user", operator).await.pop().unwrap();
        assert_eq!((made.action.as_str(), made.change, made.request_id.as_str()), ("create", Some(json!({ "is_operator": true })), "command-line"));
    }

    async fn a_secret_moved_to_another_row_opens_nothing(world: World) {
        let guarded = guarded(&world).await;
        let other = endpoint(&guarded.town.owner, ("sme_id", &guarded.town.sme), &guarded.receiver.url, json!(["product.listed"])).await.text("/id");
        let text = "update webhook_endpoints set secret = (select secret from webhook_endpoints where id = ?) where id = ?";
        let id = |text: &str| text.parse::<uuid::Uuid>().unwrap().into();
        world.execute(text, vec![id(&guarded.hook), id(&other)]).await.unwrap();
        let lost = secrets::lost(world.app.database.reader(), &world.app.vault).await.unwrap();
        assert_eq!(lost, [format!("the secret of the webhook endpoint {other}")]);
        // The delivery says why, to whoever looks for the mistake.
        let delivery = guarded.town.owner.post_empty(&format!("/v1/webhook-endpoints/{other}/test")).await.expect(202).text("/id");
        let log = tried(&guarded.town.owner, &format!("/v1/webhook-deliveries/{delivery}"), 1).await;
        assert!(log.text("/log/0/error").contains("rotate it"));
        assert!(guarded.receiver.messages().is_empty());
    }
}

/// The service again, on the same folder, as the next start would find it.
async fn start_again(config: &Config) -> anyhow::Result<App> {
    App::start(config.clone()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_data_folder_is_for_its_owner_and_rotates_all_or_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::start(Engine::Sqlite, |config| config.webhooks_to_private = true).await;
    let guarded = guarded(&world).await;
    let (file, next) = (world.app.config.data_dir.join("secret.key"), world.app.config.data_dir.join("secret.key.next"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read_to_string(&file).unwrap();

    // By a command, beside the service, which goes on by the new key.
    let command = start_again(&world.app.config).await.unwrap();
    let rotated = secrets::rotate(&command.database, &command.vault).await.unwrap();
    assert_eq!((rotated.encrypted, rotated.lost.len()), (2, 0));
    assert_ne!(std::fs::read_to_string(&file).unwrap(), before);
    assert!(!next.exists());
    sign_in(&world, &code(&guarded.factor, 1)).await.expect(200);
    endpoint(&guarded.town.owner, ("sme_id", &guarded.town.sme), &guarded.receiver.url, json!(["product.listed"])).await;

    // Died after the commit and before the file was renamed: the next start finds it, and finishes.
    let after = std::fs::read_to_string(&file).unwrap();
    std::fs::rename(&file, &next).unwrap();
    std::fs::write(&file, &before).unwrap();
    let restarted = start_again(&world.app.config).await.unwrap();
    assert!(secrets::lost(restarted.database.reader(), &restarted.vault).await.unwrap().is_empty());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), after);

    // Died before the commit: what it was about to use was never used.
    std::fs::write(&next, "ab".repeat(32)).unwrap();
    let restarted = start_again(&world.app.config).await.unwrap();
    assert!(secrets::lost(restarted.database.reader(), &restarted.vault).await.unwrap().is_empty());
    assert_eq!(secrets::rotate(&restarted.database, &restarted.vault).await.unwrap().encrypted, 3);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), "ab".repeat(32));
    assert!(secrets::lost(world.app.database.reader(), &world.app.vault).await.unwrap().is_empty(), "the service that runs reads it, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_a_setting_rotates_while_replicas_run() {
    let (old, new) = ("11".repeat(32), "22".repeat(32));
    let world = World::start(Engine::Postgresql, |config| {
        config.secret_key = Some("11".repeat(32));
        config.webhooks_to_private = true;
    })
    .await;
    let guarded = guarded(&world).await;
    let with = |key: String| Config { secret_key: Some(key), ..Config::clone(&world.app.config) };

    let refused = start_again(&with(new.clone())).await.err().expect("another key").to_string();
    assert!(refused.contains("give every replica the same"), "{refused}");
    let both = start_again(&with(format!("{new},{old}"))).await.unwrap();
    assert_eq!(secrets::rotate(&both.database, &both.vault).await.unwrap().encrypted, 2);
    assert_eq!(secrets::rotate(&both.database, &both.vault).await.unwrap().encrypted, 2, "again, if one likes");
    let last = start_again(&with(new)).await.unwrap();
    assert!(secrets::lost(last.database.reader(), &last.vault).await.unwrap().is_empty());

    let refused = start_again(&with(old.clone())).await.err().expect("the old key").to_string();
    assert!(refused.contains("secrets forget"), "{refused}");
    let config = with(old);
    let (database, vault) =
        (etalase::platform::database::Database::connect(&config).await.unwrap(), etalase::platform::vault::Vault::open(&config).unwrap());
    assert_eq!(secrets::forget(&database, &vault).await.unwrap().len(), 2);
    start_again(&config).await.unwrap();
    assert!(guarded.receiver.messages().is_empty());
}

/// Fails unless a backup that brings its keys along restores alone.
async fn assert_restores_alone(config: &Config, when: &str) {
    let (folder, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    backup::backup(config, folder.path(), None, true).await.unwrap();
    let to = Config { secret_key: None, ..empty(Engine::Sqlite, place.path()).await };
    let restored = backup::restore(&to, folder.path(), None).await.unwrap();
    assert!(restored.renew.is_empty(), "{when}: {:?}", restored.renew);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_brings_its_keys_along_at_every_step_of_a_rotation() {
    let of_setting = World::start(Engine::Postgresql, |config| {
        config.secret_key = Some("11".repeat(32));
        config.webhooks_to_private = true;
    })
    .await;
    guarded(&of_setting).await;
    let both = Config { secret_key: Some(format!("{},{}", "22".repeat(32), "11".repeat(32))), ..Config::clone(&of_setting.app.config) };
    assert_restores_alone(&both, "before the key of the setting is changed").await;
    let replica = start_again(&both).await.unwrap();
    secrets::rotate(&replica.database, &replica.vault).await.unwrap();
    assert_restores_alone(&both, "after").await;

    let of_file = World::start(Engine::Sqlite, |config| config.webhooks_to_private = true).await;
    guarded(&of_file).await;
    let config = Config::clone(&of_file.app.config);
    let (file, next) = (config.data_dir.join("secret.key"), config.data_dir.join("secret.key.next"));
    let before = std::fs::read_to_string(&file).unwrap();
    secrets::rotate(&of_file.app.database, &of_file.app.vault).await.unwrap();
    std::fs::rename(&file, &next).unwrap();
    std::fs::write(&file, &before).unwrap();
    assert_restores_alone(&config, "after the process that changed it died before it renamed the file").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_here_stays_when_a_snapshot_brings_another_and_both_open_it() {
    let world = World::start(Engine::Sqlite, |config| config.webhooks_to_private = true).await;
    let guarded = guarded(&world).await;
    let (folder, own, both) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    backup::backup(&world.app.config, folder.path(), None, true).await.unwrap();
    let here = "44".repeat(32);
    std::fs::write(own.path().join("secret.key"), &here).unwrap();
    let config = Config { secret_key: None, ..empty(Engine::Sqlite, own.path()).await };
    assert_eq!(backup::restore(&config, folder.path(), None).await.unwrap().renew.len(), 2);
    assert_eq!(std::fs::read_to_string(own.path().join("secret.key")).unwrap(), here);
    let restored = Database::connect(&config).await.unwrap();
    let trail = audit::of_entity(restored.reader(), "webhook_endpoint", guarded.hook.parse().unwrap()).await.unwrap();
    assert_eq!(trail[0].action, "disable", "it is on record");

    let brought = std::fs::read_to_string(world.app.config.data_dir.join("secret.key")).unwrap();
    std::fs::write(both.path().join("secret.key"), format!("{here}\n{brought}")).unwrap();
    let config = Config { secret_key: None, ..empty(Engine::Sqlite, both.path()).await };
    assert_eq!(backup::restore(&config, folder.path(), None).await.unwrap().renew, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_after_a_rotation_is_known_again() {
    let world = World::start(Engine::Sqlite, |config| config.webhooks_to_private = true).await;
    let guarded = guarded(&world).await;
    let town = &guarded.town;
    let create = async |title: &str| {
        let request = town.owner.request(Method::POST, "/v1/products").header("idempotency-key", "dodol").json(&town.dodol(title));
        town.owner.send(request).await
    };
    let first = create("Dodol").await.expect(201).text("/id");
    let command = start_again(&world.app.config).await.unwrap();
    secrets::rotate(&command.database, &command.vault).await.unwrap();
    // What is sealed from here on has the service read the new key.
    endpoint(&town.owner, ("sme_id", &town.sme), &guarded.receiver.url, json!(["product.listed"])).await;
    let again = create("Dodol").await.expect(201);
    assert_eq!((again.text("/id"), again.header("idempotent-replayed")), (first, "true".to_owned()));
    assert_eq!(create("Wajik").await.expect(422).text("/code"), "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_not_served_without_a_key_that_outlives_the_replica() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { secret_key: None, ..empty(Engine::Postgresql, folder.path()).await };
    let refused = start_again(&config).await.err().expect("no key").to_string();
    assert!(refused.contains("openssl rand -hex 32"), "{refused}");
    std::fs::write(folder.path().join("secret.key"), "33".repeat(32)).unwrap();
    start_again(&config).await.unwrap();
}

impl Town {
    /// The owner, signed in elsewhere with a recovery code.
    async fn owner_at(&self, world: &World, code: &str) -> Person {
        let answer = sign_in(world, code).await.expect(200);
        Person { token: Some(answer.text("/token")), ..world.public() }
    }
}
