//! Problem documents (RFC 9457): the one shape of every failure, in the client's language.

use std::borrow::Cow;

use poem::{
    Response,
    http::{StatusCode, header},
};
use poem_openapi::Object;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{fault::Fault, values::Language};

/// A failure, as `application/problem+json`.
#[derive(Serialize, Object)]
pub struct Problem {
    /// Stable address of the kind of problem.
    #[oai(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What happened this time.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The path that was asked for.
    pub instance: String,
    /// Stable machine-readable code.
    pub code: String,
    /// Also in the header `X-Request-Id` and in the service's log.
    pub request_id: String,
    /// Fields that need attention.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    pub errors: Vec<ProblemField>,
    #[serde(flatten)]
    #[oai(skip)]
    pub members: Map<String, Value>,
}

/// One field that needs attention.
#[derive(Serialize, Object)]
pub struct ProblemField {
    /// JSON Pointer (RFC 6901) into the body, or the name of the parameter.
    pub pointer: String,
    pub code: String,
    pub message: String,
}

/// No more characters than this of a name that was sent are sent back.
const LONGEST_NAME: usize = 60;
/// The same for a path: longer ones lead nowhere here.
const LONGEST_PATH: usize = 1_000;

/// What a problem says of a name that was sent: its beginning, where it is long.
pub fn excerpt(name: &str) -> Cow<'_, str> {
    beginning(name, LONGEST_NAME)
}

fn beginning(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// One step of a JSON Pointer (RFC 6901), to the member or item of this name.
pub fn below(name: &str) -> String {
    format!("/{}", excerpt(name).replace('~', "~0").replace('/', "~1"))
}

/// Where a problem occurred and who reads it.
pub struct Place<'a> {
    pub path: &'a str,
    pub request_id: &'a str,
    pub language: Language,
}

/// Renders `fault` for a client; its cause goes to the log only.
pub fn respond(fault: &Fault, place: &Place<'_>) -> Response {
    if let Some(cause) = &fault.cause {
        tracing::error!(request_id = place.request_id, code = fault.kind.code, "{cause:#}");
    }
    let pick = |say: &crate::fault::Say| match place.language {
        Language::Id => say.id.to_string(),
        Language::En => say.en.to_string(),
    };
    let errors =
        fault.fields.iter().map(|field| ProblemField { pointer: field.pointer.clone(), code: field.code.to_owned(), message: pick(&field.message) });
    let problem = Problem {
        kind: format!("/problems/{}", fault.kind.code.replace('_', "-")),
        title: if place.language == Language::En { fault.kind.en } else { fault.kind.id }.to_owned(),
        status: fault.kind.status,
        detail: fault.detail.as_ref().map(pick),
        instance: beginning(place.path, LONGEST_PATH).into_owned(),
        code: fault.kind.code.to_owned(),
        request_id: place.request_id.to_owned(),
        errors: errors.collect(),
        members: fault.members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let status = StatusCode::from_u16(fault.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let language = place.language.tag();
    let mut response = Response::builder()
        .status(status)
        .content_type("application/problem+json")
        .header(header::CONTENT_LANGUAGE, language)
        .header(header::CACHE_CONTROL, "no-store")
        .body(body);
    if let Some(seconds) = fault.retry_after_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if fault.kind.status == 401 {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    response
}

impl poem::error::ResponseError for Fault {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_escaped_and_says_no_more_of_a_name_than_its_beginning() {
        assert_eq!(below("a/b~c"), "/a~1b~0c");
        assert_eq!(below(&"é".repeat(60)), format!("/{}", "é".repeat(60)));
        assert_eq!(below(&"é".repeat(61)), format!("/{}…", "é".repeat(60)));
    }
}
