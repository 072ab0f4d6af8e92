//! The OpenAPI document: what poem-openapi writes from the code, completed by rule.
//!
//! Which failures an operation can answer follows from what it takes (a token, a path parameter, a
//! body), so it is derived here rather than repeated on each operation. The same document tells which
//! query parameters exist: whatever it does not name is refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use poem::{
    Request,
    http::{Method, Uri, uri::PathAndQuery},
};
use poem_openapi::{registry::Registry, types::Type};
use serde_json::{Map, Value, json};

use super::outermost::unknown_parameter;
use super::shape::{BAD_DATE, LARGEST_WHOLE, LONGEST_LIST, LONGEST_TEXT, admit_text, bad_date};
use crate::{
    clients::gate,
    fault::{Fault, INVALID_PARAMETER, KINDS, MALFORMED, Outcome, Say, field, say},
    values::text::{Layout, is_forbidden},
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
    state_bounds(&mut document);
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

/// States a bound for everything that a request may hold: the one that `shape` enforces if no type says a narrower one.
fn state_bounds(document: &mut Value) {
    let mut waiting = Vec::new();
    for operation in
        document["paths"].as_object().into_iter().flat_map(Map::values).flat_map(|item| item.as_object().into_iter().flat_map(Map::values))
    {
        collect_references(&operation["requestBody"], &mut waiting);
    }
    let mut reached = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if reached.insert(name.clone()) {
            bound(&mut document["components"]["schemas"][&name]);
            collect_references(&document["components"]["schemas"][&name], &mut waiting);
        }
    }
    for item in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
                let is_cursor = parameter["name"] == "cursor";
                bound_parameter(&mut parameter["schema"], if is_cursor { LONGEST_CURSOR } else { LONGEST_WORD });
            }
        }
    }
}

fn collect_references(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(name) = members.get("$ref").and_then(Value::as_str).and_then(|reference| reference.rsplit('/').next()) {
                into.push(name.to_owned());
            }
            members.values().for_each(|member| collect_references(member, into));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, into)),
        _ => {}
    }
}

/// States the bounds of a schema and of what is written into it.
fn bound(schema: &mut Value) {
    let is_text = schema["type"] == "string" && schema.get("enum").is_none() && schema.get("format").is_none();
    let whole = LARGEST_WHOLE as i64;
    let stated: &[(&str, Value)] = match schema["type"].as_str() {
        Some("string") if is_text => &[("maxLength", LONGEST_TEXT.into())],
        Some("array") => &[("maxItems", LONGEST_LIST.into())],
        Some("integer" | "number") => &[("minimum", (-whole).into()), ("maximum", whole.into())],
        Some("object") if schema.get("additionalProperties").is_some() => &[("maxProperties", LONGEST_LIST.into())],
        _ => &[],
    };
    for (name, value) in stated {
        if schema.get(*name).is_none() {
            schema[*name] = value.clone();
        }
    }
    for name in ["items", "additionalProperties"] {
        if schema.get(name).is_some_and(Value::is_object) {
            bound(&mut schema[name]);
        }
    }
    schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut).for_each(bound);
}

fn bound_parameter(schema: &mut Value, longest: usize) {
    let text = if schema["type"] == "array" { &mut schema["items"] } else { schema };
    if text["type"] == "string" && text.get("enum").is_none() && text.get("format").is_none() && text.get("maxLength").is_none() {
        // A list in one parameter says by its pattern what it is made of.
        text["maxLength"] = if text.get("pattern").is_some() { LONGEST_PARAMETER } else { longest }.into();
    }
}

/// Properties that may be absent may be null as well. A description stays beside the reference that it describes.
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
    let mut statuses = vec![400, 408, 500, 503];
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
    if path.starts_with("/v1/auth/") || path.starts_with("/v1/me/second-factor/") || path == "/v1/me/confirm" {
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
    fixed: HashMap<String, HashMap<String, Vec<Parameter>>>,
    others: Vec<Operation>,
}

struct Operation {
    method: String,
    segments: Vec<String>,
    parameters: Vec<Parameter>,
}

/// A query parameter as the document states it.
struct Parameter {
    name: String,
    /// Whether it may be given several times.
    is_list: bool,
    /// Whether its values are texts, rather than numbers and ids, which their types read.
    is_text: bool,
    format: Option<String>,
    longest: usize,
}

impl Parameter {
    fn of(parameter: &Value) -> Option<Self> {
        let schema = &parameter["schema"];
        let is_list = schema["type"] == "array";
        let value = if is_list { &schema["items"] } else { schema };
        let format = value["format"].as_str().map(str::to_owned);
        let longest = value["maxLength"].as_u64().and_then(|longest| usize::try_from(longest).ok());
        Some(Self {
            name: parameter["name"].as_str()?.to_owned(),
            is_list,
            is_text: value["type"] == "string" && format.is_none(),
            format,
            longest: longest.unwrap_or(LONGEST_PARAMETER),
        })
    }

    /// A value as it is kept: what bodies are held to, parameters are.
    fn admit(&self, value: &str) -> Outcome<String> {
        let cleaned = admit_text(value, self.longest, Layout::Line).map_err(|unclean| self.refuse(unclean.code(), unclean.message()))?;
        match self.format.as_deref().and_then(|format| bad_date(value, format)) {
            Some(why) => Err(self.refuse(BAD_DATE, why)),
            None => Ok(if self.is_text { cleaned } else { value.to_owned() }),
        }
    }

    fn refuse(&self, code: &'static str, why: Say) -> Fault {
        Fault::new(&INVALID_PARAMETER).detail(why.clone()).at(field(&*self.name, code, why))
    }
}

/// A query parameter that the document bounds no more narrowly: as long as a list of a hundred ids.
const LONGEST_PARAMETER: usize = 4_000;
/// What somebody types: a whole address line stays within what servers and proxies take.
const LONGEST_WORD: usize = 200;
/// A signed position in a list.
const LONGEST_CURSOR: usize = 1_000;

impl Operations {
    pub fn of(document: &Value) -> Self {
        let mut operations = Self::default();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let parameters = parameters.filter(|parameter| parameter["in"] == "query").filter_map(Parameter::of);
                let (method, parameters) = (method.to_ascii_uppercase(), parameters.collect());
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

    /// Refuses a query parameter that the operation does not know, since a typo must not widen a result; one that is given twice
    /// where one is meant; and one that is too long or holds what no text may hold. Texts are cleaned in the request, as those of
    /// a body are, so that a filter is compared with what is kept in the same form.
    pub fn admit_query(&self, request: &mut Request) -> Outcome<()> {
        if has_forbidden(request.uri().path()) {
            return Err(Fault::not_found());
        }
        if let Some(query) = self.cleaned_query(request)? {
            *request.uri_mut() = with_query(request.uri(), &query).ok_or_else(|| Fault::new(&MALFORMED))?;
        }
        Ok(())
    }

    /// The query with its texts cleaned, if that makes it another one.
    fn cleaned_query(&self, request: &Request) -> Outcome<Option<String>> {
        let Some(query) = request.uri().query().filter(|query| !query.is_empty()) else { return Ok(None) };
        let Some(known) = self.parameters(request.method(), request.uri().path()) else { return Ok(None) };
        let (mut seen, mut is_other): (Vec<&str>, bool) = (Vec::new(), false);
        let mut cleaned = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let Some(parameter) = known.iter().find(|parameter| parameter.name == name) else {
                let known: Vec<&str> = known.iter().map(|parameter| parameter.name.as_str()).collect();
                return Err(unknown_parameter(&name, &known));
            };
            if !parameter.is_list && seen.contains(&parameter.name.as_str()) {
                return Err(parameter.refuse("given_twice", say("Hanya boleh satu kali.", "May be given only once.")));
            }
            seen.push(&parameter.name);
            let admitted = parameter.admit(&value)?;
            is_other |= admitted != value;
            cleaned.append_pair(&name, &admitted);
        }
        Ok(is_other.then(|| cleaned.finish()))
    }

    /// The query parameters of the operation at this path, if there is one.
    fn parameters(&self, method: &Method, path: &str) -> Option<&[Parameter]> {
        // HEAD is answered by the operation of GET.
        let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
        if let Some(parameters) = self.fixed.get(method).and_then(|paths| paths.get(path)) {
            return Some(parameters);
        }
        let segments: Vec<&str> = path.split('/').collect();
        let found = self.others.iter().find(|operation| operation.method == method && operation.matches(&segments));
        found.map(|operation| operation.parameters.as_slice())
    }
}

/// The same address with another query.
fn with_query(uri: &Uri, query: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{}?{query}", uri.path())).ok()?);
    Uri::from_parts(parts).ok()
}

/// Whether a path, once decoded, holds a character that nothing here can be called by.
fn has_forbidden(path: &str) -> bool {
    path.contains('%') && percent_encoding::percent_decode_str(path).decode_utf8().is_ok_and(|path| path.chars().any(is_forbidden))
}

impl Operation {
    fn matches(&self, segments: &[&str]) -> bool {
        self.segments.len() == segments.len()
            && self.segments.iter().zip(segments).all(|(pattern, given)| pattern.starts_with('{') || pattern == given)
    }
}
