//! One typed configuration from defaults < file < `ETALASE_*` variables < flags.

use std::{fmt, net::SocketAddr, path::PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::platform::vault::check_setting;

/// Everything that can be set. Names are the keys of the file; in the environment they are upper case
/// behind `ETALASE_`.
#[derive(Clone, Deserialize)]
pub struct Config {
    /// Where the embedded database and bucket live.
    pub data_dir: PathBuf,
    /// The address the service listens on.
    pub listen: SocketAddr,
    /// `sqlite:…` or `postgres:…`; by default SQLite in `data_dir`.
    pub database_url: Option<String>,
    /// Database connections at most; readers, for SQLite.
    pub database_connections: u32,
    /// An S3-compatible endpoint; by default the embedded one over `data_dir`.
    pub bucket_endpoint: Option<String>,
    /// Where clients reach that endpoint, for uploads straight to it; by default the same.
    pub bucket_public_endpoint: Option<String>,
    pub bucket_region: String,
    pub bucket_name: String,
    pub bucket_access_key: Option<String>,
    pub bucket_secret_key: Option<String>,
    /// What second factors and webhooks are encrypted with: 64 hexadecimal digits, the same for every replica. During a rotation
    /// the new key, a comma and the old one. By default the file `secret.key` in `data_dir`, which SQLite's first start makes.
    pub secret_key: Option<String>,
    /// Where clients see the service; prefix of image addresses and problem types.
    pub public_url: Option<String>,
    /// Where people see a product, with `{sme}` and `{handle}` in it, for feeds; by default as this service answers it.
    pub product_page_url: Option<String>,
    /// Demo data and accounts: by default with SQLite only.
    pub demo: Option<bool>,
    /// The password of the demo accounts; random if unset.
    pub demo_password: Option<String>,
    /// Whether people may make an account by themselves; otherwise by invitation only.
    pub registration: bool,
    /// Whether staff and operators need a second factor before their role counts; by default unless demo.
    pub staff_second_factor: Option<bool>,
    /// Whether decisions are released by somebody other than who prepared them.
    pub release_by_second_person: bool,
    /// Image jobs at work at a time.
    pub image_workers: usize,
    /// Photos that may wait for processing; more uploads are asked to come back later.
    pub image_queue: i64,
    /// Whether uploaded files are kept, privately, once their renditions are made.
    pub keep_originals: bool,
    /// The program whose `image-worker` decodes photos; by default the running one.
    pub image_worker: Option<PathBuf>,
    /// Proxies in front of the service whose `X-Forwarded-For` is believed.
    pub trusted_proxies: usize,
    /// Whether webhooks may go to private addresses and without encryption: for trying things out, never in production.
    pub webhooks_to_private: bool,
    /// Requests worked on at a time; more are answered 503 at once.
    pub requests_at_once: usize,
    /// Uploads that an SME may have begun and not completed.
    pub quota_uploads: i64,
    /// Bytes of photos, as they were sent, that are kept for an SME.
    pub quota_bytes: i64,
    /// Products of an SME, drafts included.
    pub quota_products: i64,
    /// SMEs of an account that wait for verification.
    pub quota_pending_smes: i64,
    /// Where Prometheus reads metrics; nowhere if unset. Not for the public.
    pub metrics_listen: Option<SocketAddr>,
    /// How the log is written.
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, for programs.
    Json,
}

const KEYS: &[&str] = &[
    "data_dir",
    "listen",
    "database_url",
    "database_connections",
    "bucket_endpoint",
    "bucket_public_endpoint",
    "bucket_region",
    "bucket_name",
    "bucket_access_key",
    "bucket_secret_key",
    "secret_key",
    "public_url",
    "product_page_url",
    "demo",
    "demo_password",
    "registration",
    "staff_second_factor",
    "release_by_second_person",
    "image_workers",
    "image_queue",
    "keep_originals",
    "image_worker",
    "trusted_proxies",
    "webhooks_to_private",
    "requests_at_once",
    "quota_uploads",
    "quota_bytes",
    "quota_products",
    "quota_pending_smes",
    "metrics_listen",
    "log_format",
];

impl Config {
    /// Reads and validates; `overrides` are flags as `(key, value)`. Names each mistake.
    pub fn load(file: Option<&std::path::Path>, overrides: &[(&str, String)]) -> anyhow::Result<Self> {
        let mut builder = config::Config::builder()
            .set_default("data_dir", "./data")?
            .set_default("listen", "127.0.0.1:8080")?
            .set_default("database_connections", 10)?
            .set_default("bucket_region", "garage")?
            .set_default("bucket_name", "etalase")?
            .set_default("registration", true)?
            .set_default("release_by_second_person", false)?
            .set_default("image_workers", 2)?
            .set_default("image_queue", 1000)?
            .set_default("keep_originals", true)?
            .set_default("trusted_proxies", 0)?
            .set_default("webhooks_to_private", false)?
            .set_default("requests_at_once", 512)?
            .set_default("quota_uploads", 50)?
            .set_default("quota_bytes", 2_i64 << 30)?
            .set_default("quota_products", 2000)?
            .set_default("quota_pending_smes", 3)?
            .set_default("log_format", "text")?;
        if let Some(path) = file {
            let source = config::File::from(path).format(config::FileFormat::Toml);
            let parsed = config::Config::builder().add_source(source.clone()).build();
            let table = parsed.with_context(|| format!("configuration file {}", path.display()))?.cache.into_table()?;
            if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
                bail!("configuration file {}: unknown key `{unknown}`", path.display());
            }
            builder = builder.add_source(source);
        }
        builder = builder.add_source(config::Environment::with_prefix("ETALASE").try_parsing(false));
        for (key, value) in overrides {
            builder = builder.set_override(*key, value.as_str())?;
        }
        let config: Self = builder.build()?.try_deserialize().context("configuration")?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        let mut mistakes = Vec::new();
        if let Some(url) = &self.database_url
            && !url.starts_with("sqlite:")
            && !url.starts_with("postgres")
        {
            mistakes.push("database_url: begin with sqlite: or postgres:");
        }
        if self.bucket_endpoint.is_some() && (self.bucket_access_key.is_none() || self.bucket_secret_key.is_none()) {
            mistakes.push("bucket_endpoint: needs bucket_access_key and bucket_secret_key");
        }
        if self.secret_key.as_deref().is_some_and(|keys| check_setting(keys).is_err()) {
            mistakes.push("secret_key: 64 hexadecimal digits, as `openssl rand -hex 32` writes them");
        }
        if self.image_workers == 0 {
            mistakes.push("image_workers: at least 1");
        }
        if self.requests_at_once == 0 {
            mistakes.push("requests_at_once: at least 1");
        }
        let quotas = [
            (self.quota_uploads, "quota_uploads: at least 1"),
            (self.quota_bytes, "quota_bytes: at least 1"),
            (self.quota_products, "quota_products: at least 1"),
            (self.quota_pending_smes, "quota_pending_smes: at least 1"),
        ];
        mistakes.extend(quotas.into_iter().filter(|(quota, _)| *quota < 1).map(|(_, mistake)| mistake));
        if self.database_connections < 2 {
            mistakes.push("database_connections: at least 2");
        }
        if self.demo_password.as_ref().is_some_and(|password| password.chars().count() < 12) {
            mistakes.push("demo_password: at least 12 characters");
        }
        if mistakes.is_empty() { Ok(()) } else { bail!("configuration: {}", mistakes.join("; ")) }
    }

    /// Demo accounts exist with SQLite unless forbidden, with PostgreSQL only when asked for.
    pub fn demo(&self) -> bool {
        self.demo.unwrap_or_else(|| self.is_sqlite())
    }

    /// Whether the database is embedded.
    pub fn is_sqlite(&self) -> bool {
        self.database_url.as_ref().is_none_or(|url| url.starts_with("sqlite:"))
    }

    /// Staff need a second factor, except where known accounts exist to try things out.
    pub fn staff_second_factor(&self) -> bool {
        self.staff_second_factor.unwrap_or_else(|| !self.demo())
    }

    /// The prefix of absolute addresses, without a slash at the end.
    pub fn public_url(&self) -> String {
        let given = self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen));
        given.trim_end_matches('/').to_owned()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = |value: &Option<String>| value.as_ref().map(|_| "(hidden)");
        f.debug_struct("Config")
            .field("data_dir", &self.data_dir)
            .field("listen", &self.listen)
            .field("database_url", &secret(&self.database_url))
            .field("bucket_endpoint", &self.bucket_endpoint)
            .field("bucket_name", &self.bucket_name)
            .field("bucket_secret_key", &secret(&self.bucket_secret_key))
            .field("secret_key", &secret(&self.secret_key))
            .field("public_url", &self.public_url())
            .field("demo", &self.demo())
            .field("demo_password", &secret(&self.demo_password))
            .field("image_workers", &self.image_workers)
            .field("quota_uploads", &self.quota_uploads)
            .field("quota_bytes", &self.quota_bytes)
            .field("quota_products", &self.quota_products)
            .field("quota_pending_smes", &self.quota_pending_smes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> anyhow::Result<Config> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        Config::load(Some(file.path()), &[("demo_password", "from-a-flag-123".into())])
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
        let config = with("bucket_name = \"toko\"\ndemo_password = \"from-the-file\"").expect("valid");
        assert_eq!((config.bucket_name.as_str(), config.bucket_region.as_str()), ("toko", "garage"));
        assert_eq!(config.demo_password.as_deref(), Some("from-a-flag-123"));
    }

    #[test]
    fn each_mistake_is_named() {
        let error = |text| with(text).expect_err("a mistake").to_string();
        assert!(error("bukket_name = \"toko\"").contains("unknown key `bukket_name`"));
        let both = error("image_workers = 0\ndatabase_url = \"mysql:x\"");
        assert!(both.contains("image_workers") && both.contains("database_url"), "{both}");
        assert!(error("quota_products = 0").contains("quota_products: at least 1"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = with("bucket_endpoint = \"http://localhost:1\"\nbucket_access_key = \"a\"\nbucket_secret_key = \"s3cr3t\"").expect("valid");
        assert!(!format!("{config:?}").contains("s3cr3t") && !format!("{config:?}").contains("from-a-flag"));
    }

    #[test]
    fn known_accounts_are_for_sqlite_unless_asked_for() {
        assert!(with("").expect("valid").demo());
        assert!(!with("database_url = \"postgres://localhost/x\"").expect("valid").demo());
        assert!(with("database_url = \"postgres://localhost/x\"\ndemo = true").expect("valid").demo());
        assert!(with("demo = false").expect("valid").staff_second_factor() && !with("").expect("valid").staff_second_factor());
    }
}
