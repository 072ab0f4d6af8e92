//! JSON bodies, read early and understood late: what is wrong with a body is told only to those who may
//! send one, and it is told by JSON Pointer.

use std::{borrow::Cow, marker::PhantomData};

use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::Type,
};
use serde::de::DeserializeOwned;

use super::{
    essence,
    json::{self, Unread},
    problem::{below, excerpt},
    shape::Shape,
};
use crate::{
    fault::{Fault, INVALID, MALFORMED, Outcome, TOO_LARGE, UNSUPPORTED_MEDIA, field, say},
    values::input::Refused,
};

/// JSON bodies are at most this long; photos have their own limit.
pub const MOST_BYTES: usize = 1024 * 1024;

/// A JSON body of the shape `T`, not yet checked.
pub struct Body<T> {
    bytes: Vec<u8>,
    shape: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + Type + 'static> Body<T> {
    /// The body as `T`, its texts cleaned and all of it within the bounds of the document, or a fault that points to what is wrong.
    pub fn read(&self) -> Outcome<T> {
        let mut value = json::read(&self.bytes).map_err(unread)?;
        let faults = Shape::of::<T>().admit(&mut value);
        if !faults.is_empty() {
            return Err(Fault::invalid(faults));
        }
        serde_path_to_error::deserialize(value).map_err(|error| wrong_shape(&error.path().clone(), &error.into_inner()))
    }

    /// The bytes as sent, for the fingerprint of an idempotent request.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn unread(why: Unread) -> Fault {
    match why {
        Unread::Malformed(error) => malformed(&error),
        Unread::Twice(pointer) => Fault::invalid_field(&pointer, "given_twice", say("Nama ini ada dua kali.", "This name is there twice.")),
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
    let pointer: String = path.iter().map(segment).collect();
    if let Some(refused) = Refused::from_message(&text, &pointer) {
        return Fault::invalid(vec![refused]);
    }
    let (code, id) = if text.starts_with("unknown field") {
        ("unknown_field", "Isian tidak dikenal")
    } else if text.starts_with("missing field") {
        ("required", "Wajib diisi")
    } else {
        ("wrong_type", "Jenis isi tidak sesuai")
    };
    let (mut pointer, text) = (pointer, shortened(&text));
    if code == "required"
        && let Some(name) = text.split('`').nth(1)
    {
        pointer.push_str(&below(name));
    }
    let mut fault = Fault::invalid(vec![field(pointer, code, say(format!("{id}: {text}."), format!("{text}.")))]);
    if text.starts_with("invalid type: null, expected struct") {
        fault = Fault::new(&INVALID).detail(say("Isi permintaan kosong.", "The body is empty."));
    }
    fault
}

/// What `serde` says, with no more than the beginning of what was sent: that stands from the first quote to the last "expected",
/// which speaks of our own names.
fn shortened(text: &str) -> String {
    let Some(open) = text.find(['`', '"']) else { return text.to_owned() };
    let (before, quoted) = text.split_at(open + 1);
    let (sent, after) = quoted.split_at(quoted.rfind(", expected ").unwrap_or(quoted.len()));
    match excerpt(sent) {
        Cow::Borrowed(_) => text.to_owned(),
        Cow::Owned(beginning) => format!("{before}{beginning}{}{after}", &text[open..=open]),
    }
}

fn segment(segment: &serde_path_to_error::Segment) -> String {
    use serde_path_to_error::Segment;
    match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key: name } | Segment::Enum { variant: name } => below(name),
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
        if !matches!(essence(request.content_type()).as_str(), "application/json" | "application/merge-patch+json") {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_told_back_by_its_beginning_alone() {
        for text in ["unknown field `a`, expected one of `b`, `c`", "invalid type: null, expected a string", "missing field `sme_id`"] {
            assert_eq!(shortened(text), text);
        }
        let long = "x".repeat(100_000);
        let kept = "x".repeat(60);
        for (text, told) in [
            (format!("unknown field `{long}`, expected one of `b`, `c`"), format!("unknown field `{kept}…`, expected one of `b`, `c`")),
            (format!("unknown field `, expected {long}`, expected `b`"), format!("unknown field `, expected {}…`, expected `b`", "x".repeat(49))),
            (format!("invalid type: string \"{long}\", expected i64"), format!("invalid type: string \"{kept}…\", expected i64")),
            (format!("unknown field `{long}`, there are no fields"), format!("unknown field `{kept}…`")),
        ] {
            assert_eq!(shortened(&text), told);
        }
    }
}
