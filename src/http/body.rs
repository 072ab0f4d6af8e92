//! JSON bodies, read early and understood late: what is wrong with a body is told only to those who may
//! send one, and it is told by JSON Pointer.

use std::marker::PhantomData;

use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::Type,
};
use serde::de::DeserializeOwned;

use crate::fault::{Fault, INVALID, MALFORMED, Outcome, TOO_LARGE, UNSUPPORTED_MEDIA, field, say};

/// JSON bodies are at most this long; photos have their own limit.
pub const MOST_BYTES: usize = 1024 * 1024;

/// A JSON body of the shape `T`, not yet checked.
pub struct Body<T> {
    bytes: Vec<u8>,
    shape: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Body<T> {
    /// The body as `T`, or a fault that points to what is wrong.
    pub fn read(&self) -> Outcome<T> {
        let mut json = serde_json::Deserializer::from_slice(&self.bytes);
        let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let (path, error) = (error.path().clone(), error.into_inner());
            if error.is_data() { wrong_shape(&path, &error) } else { malformed(&error) }
        })?;
        json.end().map_err(|error| malformed(&error))?;
        Ok(parsed)
    }

    /// The bytes as sent, for the fingerprint of an idempotent request.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn malformed(error: &serde_json::Error) -> Fault {
    let (line, column) = (error.line(), error.column());
    Fault::new(&MALFORMED)
        .detail(say(format!("JSON tidak sah pada baris {line}, kolom {column}."), format!("Not valid JSON at line {line}, column {column}.")))
}

fn wrong_shape(path: &serde_path_to_error::Path, error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default().to_owned();
    let (code, id) = if text.starts_with("unknown field") {
        ("unknown_field", "Isian tidak dikenal")
    } else if text.starts_with("missing field") {
        ("required", "Wajib diisi")
    } else {
        ("wrong_type", "Jenis isi tidak sesuai")
    };
    let mut pointer: String = path.iter().map(segment).collect();
    if code == "required"
        && let Some(name) = text.split('`').nth(1)
    {
        pointer.push_str(&format!("/{name}"));
    }
    let mut fault = Fault::invalid(vec![field(pointer, code, say(format!("{id}: {text}."), format!("{text}.")))]);
    if text.starts_with("invalid type: null, expected struct") {
        fault = Fault::new(&INVALID).detail(say("Isi permintaan kosong.", "The body is empty."));
    }
    fault
}

fn segment(segment: &serde_path_to_error::Segment) -> String {
    use serde_path_to_error::Segment;
    match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { variant } => format!("/{variant}"),
        Segment::Unknown => String::new(),
    }
}

impl<'a, T: Type> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> poem::Result<Self> {
        let essence = request.content_type().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !matches!(essence, "application/json" | "application/merge-patch+json") {
            return Err(Fault::new(&UNSUPPORTED_MEDIA).detail(say("Kirim application/json.", "Send application/json.")).into());
        }
        let bytes = body.take()?.into_bytes_limit(MOST_BYTES).await.map_err(|error| match error {
            poem::error::ReadBodyError::PayloadTooLarge => {
                Fault::new(&TOO_LARGE).detail(say("Isi JSON paling besar 1 MiB.", "JSON bodies are at most 1 MiB."))
            }
            other => Fault::new(&MALFORMED).caused_by(anyhow::Error::msg(other.to_string())),
        })?;
        Ok(Self { bytes: bytes.into(), shape: PhantomData })
    }
}
