//! People who write without pause, and note down what they were told has been done.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

/// What was acknowledged.
#[derive(Default)]
pub struct Ledger {
    /// Title and id.
    pub products: Vec<(String, String)>,
    /// Ids.
    pub photos: Vec<String>,
}

/// Somebody with an account, who tries the next replica when one fails.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    bases: Arc<Vec<String>>,
    token: Arc<str>,
    sme: Arc<str>,
    stop: Arc<AtomicBool>,
    /// Requests that had to be tried again.
    pub retries: Arc<AtomicU64>,
}

impl Writer {
    pub fn new(bases: Vec<String>, (token, sme): (String, String)) -> Self {
        let client = Client::builder().connect_timeout(Duration::from_secs(1)).timeout(Duration::from_secs(20)).build().unwrap();
        let (stop, retries) = (Arc::default(), Arc::default());
        Self { client, bases: Arc::new(bases), token: token.into(), sme: sme.into(), stop, retries }
    }

    /// Sends until it is acknowledged; `None` when told to stop before. Whatever is neither done nor temporary is a defect.
    async fn insist(&self, first: usize, make: impl Fn(&Client, &str) -> RequestBuilder) -> Option<Value> {
        for attempt in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            let base = &self.bases[(first + attempt) % self.bases.len()];
            if let Ok(answer) = make(&self.client, base).bearer_auth(&self.token).send().await {
                let status = answer.status().as_u16();
                if let Ok(body) = answer.json::<Value>().await {
                    match (status, body["code"].as_str()) {
                        (200..300, _) => return Some(body),
                        (503, _) | (409, Some("idempotency_key_in_use" | "already_uploaded")) => {}
                        _ => panic!("{status} from {base}: {body}"),
                    }
                }
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    /// Lists a product; its title and id once that is acknowledged.
    pub async fn product(&self, first: usize) -> Option<(String, String)> {
        let title = format!("Uji {}", Uuid::now_v7());
        let body = json!({ "sme_id": &*self.sme, "category": "dodol", "title": { "id": title }, "variants": [{ "price": { "value": "9000" } }] });
        let made =
            self.insist(first, |client, base| client.post(format!("{base}/v1/products")).header("idempotency-key", &title).json(&body)).await?;
        Some((title, made["id"].as_str()?.to_owned()))
    }

    /// Sends a photo that nobody has sent before; its id once that is acknowledged.
    pub async fn photo(&self, first: usize) -> Option<String> {
        let bytes = new_photo();
        let made = self.insist(first, |client, base| {
            let part = reqwest::multipart::Part::bytes(bytes.clone()).file_name("photo.jpg");
            client.post(format!("{base}/v1/media?sme_id={}", self.sme)).multipart(reqwest::multipart::Form::new().part("file", part))
        });
        Some(made.await?["id"].as_str()?.to_owned())
    }

    /// How long it takes from now until each replica has acknowledged a write of its own.
    pub async fn recovery(&self, ledger: &mut Ledger) -> Duration {
        let started = Instant::now();
        for base in self.bases.iter() {
            let alone = Self { bases: Arc::new(vec![base.clone()]), stop: Arc::default(), ..self.clone() };
            let product = tokio::time::timeout(Duration::from_mins(2), alone.product(0)).await;
            ledger.products.extend(product.unwrap_or_else(|_| panic!("{base} is back by itself")));
        }
        started.elapsed()
    }

    /// Writers at work until [`Load::stop`].
    pub fn work(&self, writers: usize, photographers: usize) -> Load {
        self.stop.store(false, Ordering::Relaxed);
        let mut tasks = JoinSet::new();
        for number in 0..writers + photographers {
            let writer = self.clone();
            tasks.spawn(async move {
                let mut ledger = Ledger::default();
                for turn in number.. {
                    if writer.stop.load(Ordering::Relaxed) {
                        break;
                    }
                    if number < writers {
                        ledger.products.extend(writer.product(turn).await);
                    } else {
                        ledger.photos.extend(writer.photo(turn).await);
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
                ledger
            });
        }
        Load { tasks, stop: Arc::clone(&self.stop) }
    }
}

pub struct Load {
    tasks: JoinSet<Ledger>,
    stop: Arc<AtomicBool>,
}

impl Load {
    pub async fn stop(mut self, ledger: &mut Ledger) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(part) = self.tasks.join_next().await {
            let part = part.expect("no writer met a defect");
            ledger.products.extend(part.products);
            ledger.photos.extend(part.photos);
        }
    }
}

/// A JPEG of its own.
fn new_photo() -> Vec<u8> {
    let seed = Uuid::now_v7().as_u128();
    let picture = image::RgbImage::from_fn(640, 480, |x, y| image::Rgb([(x / 3) as u8, (y / 2) as u8, (seed >> ((x / 8 + y / 8) % 64)) as u8]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}
