//! The OpenAPI document: what poem-openapi writes from the code, completed by rule.
//!
//! Which failures an operation can answer follows from what it takes (a token, a path parameter, a
//! body), so it is derived here rather than repeated on each operation. The same document tells which
//! query parameters exist: whatever it does not name is refused.

use std::collections::{BTreeMap, HashMap};

use poem::Request;
use poem_openapi::{registry::Registry, types::Type};
use serde_json::{Map, Value, json};

use super::outermost::unknown_parameter;
use crate::{
    clients::gate,
    fault::{KINDS, Outcome},
};

/// The document as served and exported; `P` is the shape of problems.
pub fn complete<P: Type>(spec: &str) -> Value {
    let mut document: Value = serde_json::from_str(spec).unwrap_or_default();
    // poem-openapi writes 3.0; what is said differently in 3.1 is said so here.
    document["openapi"] = "3.1.0".into();
    document["info"]["license"] = json!({ "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" });
    document["servers"] = json!([{ "url": "/", "description": "This service" }]);
    let mut registry = Registry::new();
    P::register(&mut registry);
    for (name, schema) in registry.schemas {
        document["components"]["schemas"][name] = serde_json::to_value(&schema).unwrap_or_default();
    }
    mark_nullable(&mut document);
    document["components"]["responses"] = problem_responses();
    document["components"]["parameters"] = shared_parameters();
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths.iter_mut() {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                complete_operation(path, method, operation);
            }
        }
    }
    document
}

/// Parts of the paths of POST operations that change what several people prepare together, and so take If-Match.
const CONTESTED: &[&str] = &["/plan/swap", "/plan/suggest", "/plan/publish", "/decisions/release", "/selection-runs/{run_id}/apply"];

/// What may be absent may be null, both ways; and a reference keeps what is said of it beside it.
fn mark_nullable(document: &mut Value) {
    for schema in document["components"]["schemas"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        let required: Vec<String> = schema.get("required").and_then(|names| serde_json::from_value(names.clone()).ok()).unwrap_or_default();
        for (name, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
            let is_optional = !required.contains(name) && property.get("default").is_none();
            if let Some(reference) = property.get("$ref").or_else(|| property.pointer("/allOf/0/$ref")).cloned() {
                let said = property.pointer("/allOf/1/description").or_else(|| property.get("description")).cloned();
                *property = if is_optional { json!({ "anyOf": [{ "$ref": reference }, { "type": "null" }] }) } else { json!({ "$ref": reference }) };
                if let Some(said) = said {
                    property["description"] = said;
                }
            } else if is_optional && let Some(name) = property.get("type").cloned() {
                property["type"] = json!([name, "null"]);
                if let Some(values) = property.get_mut("enum").and_then(Value::as_array_mut) {
                    values.push(Value::Null);
                }
            }
        }
    }
}

fn complete_operation(path: &str, method: &str, operation: &mut Value) {
    let has_body = operation.get("requestBody").is_some();
    let has_token = operation.get("security").is_some();
    let mut statuses = vec![400, 500, 503];
    if has_token || path.starts_with("/v1/auth/") {
        statuses.push(401);
    }
    if !has_token {
        operation["security"] = json!([]);
    }
    if has_token && path != "/v1/me" {
        statuses.push(403);
    }
    // What one may not know exists is named in the path, the query or the body.
    if path.contains('{') || has_token {
        statuses.push(404);
    }
    if has_body {
        statuses.extend([413, 415, 422]);
    }
    if path.starts_with("/v1/auth/") || path.starts_with("/v1/me/second-factor/") {
        statuses.push(429);
    }
    if path == "/v1/auth/register" {
        statuses.extend([403, 409]);
    }
    let mut shared = vec!["AcceptLanguage"];
    let is_by_key = operation["security"].as_array().into_iter().flatten().any(|scheme| scheme.get("Caller").is_some());
    let is_storefront = gate::is_storefront(path);
    if is_storefront {
        shared.push("ApiKey");
        statuses.extend([401, 403]);
    }
    if is_storefront || is_by_key {
        statuses.push(429);
    }
    if has_token && method == "post" {
        shared.push("IdempotencyKey");
        statuses.extend([409, 422]);
    }
    let is_contested = method == "post" && CONTESTED.iter().any(|part| path.contains(part));
    if has_token && (is_contested || matches!(method, "patch" | "put" | "delete")) {
        shared.push("IfMatch");
        statuses.extend([409, 412, 428]);
    }
    if path.contains("{handle}") {
        let location = json!({ "Location": { "schema": { "type": "string" }, "description": "The address it has now." } });
        operation["responses"]["308"] = json!({ "description": "Renamed since.", "headers": location });
    }
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        operation["responses"][status.to_string()] = json!({ "$ref": format!("#/components/responses/Problem{status}") });
    }
    if !operation["parameters"].is_array() {
        operation["parameters"] = json!([]);
    }
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        // A list that is not given is empty.
        for parameter in parameters.iter_mut().filter(|parameter| parameter["schema"]["type"] == "array") {
            parameter["required"] = false.into();
        }
        parameters.extend(shared.iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })));
    }
}

fn problem_responses() -> Value {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    // 405 belongs to methods that no operation has.
    for kind in KINDS.iter().filter(|kind| kind.status != 405) {
        by_status.entry(kind.status).or_default().push(kind.code);
    }
    let responses = by_status.into_iter().map(|(status, codes)| {
        let example = json!({
            "type": format!("/problems/{}", codes[0].replace('_', "-")),
            "title": KINDS.iter().find(|kind| kind.code == codes[0]).map(|kind| kind.en),
            "status": status, "code": codes[0], "instance": "/v1/…", "request_id": "0194…", "errors": [],
        });
        let content = json!({ "application/problem+json": {
            "schema": { "$ref": "#/components/schemas/Problem" }, "example": example } });
        let description = format!("Problem document (RFC 9457); `code` is one of {}.", codes.join(", "));
        (format!("Problem{status}"), json!({ "description": description, "content": content }))
    });
    Value::Object(responses.collect::<Map<_, _>>())
}

fn shared_parameters() -> Value {
    json!({
        "AcceptLanguage": { "name": "Accept-Language", "in": "header", "required": false,
            "description": "`id` (default) or `en`.", "schema": { "type": "string" }, "example": "id" },
        "ApiKey": { "name": "X-Api-Key", "in": "header", "required": false,
            "description": "A key of an API client. Web pages of other origins need a publishable one; it is held to its rate.",
            "schema": { "type": "string" } },
        "IdempotencyKey": { "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Makes a repeated request answer what the first did, for 24 hours.",
            "schema": { "type": "string", "maxLength": 255 }, "example": "3f1d8d9e-listing-1" },
        "IfMatch": { "name": "If-Match", "in": "header", "required": false,
            "description": "The ETag last read. Required where a resource has one and two people may edit it.",
            "schema": { "type": "string" }, "example": "\"3\"" },
    })
}

/// The operations by method and path, with the query parameters each knows.
#[derive(Default)]
pub struct Operations {
    /// Those whose path is always the same, by method and path: nearly all requests of the public.
    fixed: HashMap<String, HashMap<String, Vec<String>>>,
    others: Vec<Operation>,
}

struct Operation {
    method: String,
    segments: Vec<String>,
    parameters: Vec<String>,
}

impl Operations {
    pub fn of(document: &Value) -> Self {
        let mut operations = Self::default();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let names = parameters.filter(|parameter| parameter["in"] == "query").filter_map(|parameter| parameter["name"].as_str());
                let (method, parameters) = (method.to_ascii_uppercase(), names.map(str::to_owned).collect());
                if path.contains('{') {
                    let segments = path.split('/').map(str::to_owned).collect();
                    operations.others.push(Operation { method, segments, parameters });
                } else {
                    operations.fixed.entry(method).or_default().insert(path.clone(), parameters);
                }
            }
        }
        operations
    }

    /// Refuses a query parameter that the operation does not know: a typo must not widen a result.
    pub fn check_query(&self, request: &Request) -> Outcome<()> {
        let Some(query) = request.uri().query().filter(|query| !query.is_empty()) else { return Ok(()) };
        let Some(known) = self.parameters(request.method().as_str(), request.uri().path()) else { return Ok(()) };
        for pair in query.split('&') {
            let name = pair.split('=').next().unwrap_or_default();
            if !known.iter().any(|known| known == name) {
                return Err(unknown_parameter(name, known));
            }
        }
        Ok(())
    }

    /// The parameters of the operation that answers there, if one does.
    fn parameters(&self, method: &str, path: &str) -> Option<&[String]> {
        if let Some(parameters) = self.fixed.get(method).and_then(|paths| paths.get(path)) {
            return Some(parameters);
        }
        let segments: Vec<&str> = path.split('/').collect();
        let found = self.others.iter().find(|operation| operation.method == method && operation.matches(&segments));
        found.map(|operation| operation.parameters.as_slice())
    }
}

impl Operation {
    fn matches(&self, segments: &[&str]) -> bool {
        self.segments.len() == segments.len()
            && self.segments.iter().zip(segments).all(|(pattern, given)| pattern.starts_with('{') || pattern == given)
    }
}
