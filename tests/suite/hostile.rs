//! What the OpenAPI document bounds is bounded: every body of every operation with one leaf at a time beyond its limits, and
//! parameters that are repeated, too long or unprintable. Whoever adds an operation is tested here without asking.

use reqwest::{Method, multipart};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Answer, Engine, Person, World};

struct Document(Value);

/// A way into a body, and what to put there in place of what belongs there.
struct Attack {
    pointer: String,
    what: &'static str,
    value: Value,
}

impl Document {
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str()).or_else(|| schema["anyOf"][0]["$ref"].as_str());
        reference.map_or(schema, |name| self.resolve(&self.0["components"]["schemas"][name.rsplit('/').next().unwrap()]))
    }

    fn kind(schema: &Value) -> &str {
        schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or_default()
    }

    /// Something of the right shape.
    fn sample(&self, schema: &Value) -> Value {
        let schema = self.resolve(schema);
        if let Some(value) = schema["enum"].as_array().and_then(|values| values.first()) {
            return value.clone();
        }
        match (Self::kind(schema), schema["format"].as_str()) {
            ("string", Some("uuid")) => json!(Uuid::now_v7()),
            ("string", Some("naive-date" | "date")) => json!("2030-05-01"),
            ("string", Some("date-time")) => json!("2030-05-01T09:00:00Z"),
            ("string", _) => json!("ab"),
            ("integer" | "number", _) => schema["minimum"].as_f64().filter(|least| *least > 0.0).map_or(json!(1), |least| json!(least as i64)),
            ("boolean", _) => json!(true),
            ("array", _) => json!([self.sample(&schema["items"])]),
            ("object", _) => {
                let members = schema["properties"].as_object().into_iter().flatten();
                Value::Object(members.filter(|(_, of)| of["readOnly"] != true).map(|(name, of)| (name.clone(), self.sample(of))).collect())
            }
            _ => Value::Null,
        }
    }

    /// Everything in a body that has a limit, one step beyond it.
    fn attacks(&self, schema: &Value, pointer: &str, depth: usize, into: &mut Vec<Attack>) {
        let schema = self.resolve(schema);
        if depth > 6 || !schema["enum"].is_null() || schema["readOnly"] == true {
            return;
        }
        let mut add = |what, value| into.push(Attack { pointer: pointer.to_owned(), what, value });
        match Self::kind(schema) {
            "string" if schema["format"] == "uuid" => add("no id", json!("not-an-id")),
            "string" if matches!(schema["format"].as_str(), Some("naive-date" | "date-time" | "date")) => {
                add("far year", if schema["format"] == "date-time" { json!("+262142-12-31T23:59:59Z") } else { json!("9999-12-31") });
            }
            "string" => {
                let most = schema["maxLength"].as_u64().unwrap_or_else(|| panic!("{pointer} states no maxLength: {schema}"));
                add("too long", json!("x".repeat(most as usize + 1)));
                add("U+0000", json!("a\u{0}b"));
                add("noncharacter", json!("a\u{ffff}b"));
            }
            "integer" | "number" => {
                let most = schema["maximum"].as_f64().unwrap_or_else(|| panic!("{pointer} states no maximum: {schema}"));
                let least = schema["minimum"].as_f64().unwrap_or_else(|| panic!("{pointer} states no minimum: {schema}"));
                add("too large", json!(most * 2.0 + 1.0));
                add("too small", json!(least.mul_add(2.0, -least.abs() - 1.0)));
            }
            "array" => {
                let most = schema["maxItems"].as_u64().unwrap_or_else(|| panic!("{pointer} states no maxItems: {schema}"));
                let item = self.sample(&schema["items"]);
                // What does not fit into a body at all is refused as too large.
                if item.to_string().len() as u64 * (most + 1) < 900_000 {
                    add("too many", Value::Array(vec![item; most as usize + 1]));
                }
                self.attacks(&schema["items"], &format!("{pointer}/0"), depth + 1, into);
            }
            "object" => {
                for (name, of) in schema["properties"].as_object().into_iter().flatten() {
                    self.attacks(of, &format!("{pointer}/{name}"), depth + 1, into);
                }
            }
            _ => {}
        }
    }
}

fn put(body: &Value, pointer: &str, value: &Value) -> Value {
    let mut body = body.clone();
    if let Some(place) = body.pointer_mut(pointer) {
        *place = value.clone();
    }
    body
}

/// The first answer of somebody who may.
async fn ask(people: &[&Person], method: &Method, path: &str, body: &Value) -> Answer {
    let mut last = None;
    for person in people {
        let request = person.request(method.clone(), path).header("if-match", "*").json(body);
        let answer = person.send(request).await;
        if !matches!(answer.status, 401 | 403 | 404) {
            return answer;
        }
        last = Some(answer);
    }
    last.unwrap()
}

on_both! {
    async fn every_limit_that_the_document_states_is_enforced_with_a_pointer(world: World) {
        let town = world.town().await;
        let product = town.published("Dodol asli").await;
        let exhibition = town.exhibition("batas").await;
        let media = product.text("/images/0/photo/id");
        town.call(&exhibition, 5).await;
        let ids = [
            ("agency_id", town.agency.clone()),
            ("sme_id", town.sme.clone()),
            ("product_id", product.text("/id")),
            ("variant_id", product.text("/variants/0/id")),
            ("exhibition_id", exhibition.clone()),
            ("media_id", media),
            ("slug", "dodol".into()),
        ];
        let document = Document(etalase::routes::document());
        let people = [&town.owner, &town.coordinator, &town.operator];
        let (mut asked, mut pointed) = (0, 0);
        for (path, item) in document.0["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                // They would end the sessions that ask.
                if schema.is_null() || ["sign_out", "disable_second_factor"].contains(&operation["operationId"].as_str().unwrap()) {
                    continue;
                }
                let mut at = path.clone();
                for (name, id) in &ids {
                    at = at.replace(&format!("{{{name}}}"), id);
                }
                while let Some((before, after)) = at.split_once('{') {
                    at = format!("{before}{}{}", Uuid::now_v7(), after.split_once('}').unwrap().1);
                }
                let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
                let sample = document.sample(schema);
                let mut attacks = Vec::new();
                document.attacks(schema, "", 0, &mut attacks);
                for attack in attacks {
                    let answer = ask(&people, &method, &at, &put(&sample, &attack.pointer, &attack.value)).await;
                    let place = format!("{method} {path} {} {}", attack.pointer, attack.what);
                    assert!((400..500).contains(&answer.status), "{place}: {} {:#}", answer.status, *answer.body);
                    asked += 1;
                    if answer.status == 422 && answer.body["errors"].as_array().is_some_and(|errors| {
                        errors.iter().any(|error| error["pointer"].as_str().is_some_and(|pointer| attack.pointer.starts_with(pointer) || pointer.starts_with(&attack.pointer)))
                    }) {
                        pointed += 1;
                    }
                }
            }
        }
        // The rest is refused before the body is looked at, such as things that are not there.
        assert!(asked > 300 && pointed * 2 > asked, "{pointed} of {asked} point to what is wrong");
    }

    async fn a_name_that_is_there_twice_in_a_body_is_refused(world: World) {
        let town = world.town().await;
        let send = async |body: String| {
            let request = town.owner.request(Method::POST, "/v1/products").header("content-type", "application/json");
            town.owner.send(request.body(body)).await
        };
        let body = town.dodol("Dodol asli").to_string();
        send(body.replacen('{', "{\"category\": \"dodol\", ", 1)).await.refuses("/category");
        send(body.replacen("\"price\":{", "\"price\":{\"value\": \"1\", ", 1)).await.refuses("/variants/0/price/value");
        send(body).await.expect(201);
    }

    async fn a_form_has_one_file_and_nothing_else(world: World) {
        let town = world.town().await;
        let part = || multipart::Part::bytes(crate::world::small_photo()).file_name("photo.jpg");
        for (second, pointer) in [("file", "/file"), ("a/b", "/a~1b")] {
            let form = multipart::Form::new().percent_encode_noop().part("file", part()).part(second, part());
            town.owner.send(town.owner.request(Method::POST, &format!("/v1/media?sme_id={}", town.sme)).multipart(form)).await.refuses(pointer);
        }
        let left: Vec<_> = std::fs::read_dir(world.folder.path().join("spool")).unwrap().collect();
        assert!(left.is_empty(), "uploads that were refused leave nothing behind");
    }

    async fn a_problem_tells_back_no_more_than_the_beginning_of_what_was_sent(world: World) {
        let town = world.town().await;
        let long = "x".repeat(3_000);
        let mut wrong = town.dodol("Dodol asli");
        wrong["storage"] = json!(long);
        let told = [
            town.owner.get(&format!("/v1/storefront/products?{long}=1")).await.expect(400),
            town.owner.post("/v1/smes", json!({ (long.as_str()): 1 })).await.expect(422),
            town.owner.post("/v1/products", wrong).await.expect(422),
        ];
        for problem in told {
            let text = problem.body.to_string();
            assert!(!text.contains(&"x".repeat(61)), "{text}");
        }
        town.owner.post("/v1/smes", json!({ "a/b~c": 1 })).await.refuses("/a~1b~0c");
    }

    async fn dates_are_ones_of_every_calendar_wherever_they_are_sent(world: World) {
        let town = world.town().await;
        for expires_at in ["2200-12-31T23:59:59.999999999-23:59", "2028-12-31T23:59:60Z"] {
            let body = json!({ "sme_id": town.sme, "name": "Kasir", "kind": "secret", "scopes": ["sme:read"], "expires_at": expires_at });
            assert_eq!(town.owner.post("/v1/api-clients", body).await.refuses("/expires_at").text("/errors/0/code"), "bad_date");
        }
        let path = format!("/v1/exhibitions/{}/reports", town.exhibition("tanggal").await);
        for day in ["9999-12-31", "%2B262142-12-31", "1899-12-31"] {
            assert_eq!(town.coordinator.get(&format!("{path}?day={day}")).await.expect(400).text("/errors/0/code"), "bad_date", "{day}");
        }
    }

    async fn filters_are_cleaned_as_what_they_are_compared_with_is(world: World) {
        let town = world.town().await;
        town.published("Dodol kopi").await;
        let buyer = world.public();
        let found = async |query: &str| buyer.get(&format!("/v1/storefront/products?{query}")).await.expect(200).count();
        for query in ["category=dodol", "category=%20dodol%E2%80%8B", "q=dodol", "q=%EF%BB%BFdodol%0A", "q=kopi&category=dodol%09"] {
            assert_eq!(found(query).await, 1, "{query}");
        }
        assert_eq!(buyer.get("/v1/storefront/products?q=%E2%80%AEdodol").await.expect(400).text("/errors/0/code"), "unpaired_direction");
    }

    async fn head_is_held_to_the_query_as_get_is(world: World) {
        let buyer = world.public();
        for (query, status) in [("limit=1", 200), ("nothing=1", 400), ("limit=1&limit=2", 400), ("q=a%00b", 400)] {
            let request = buyer.request(Method::HEAD, &format!("/v1/storefront/products?{query}"));
            assert_eq!(buyer.send(request).await.status, status, "{query}");
        }
    }

    async fn parameters_are_given_once_and_are_text(world: World) {
        let buyer = world.public();
        for query in ["limit=1&limit=2", "q=a&q=b", "q=a%00b", "q=%EF%BF%BF", "nothing=1"] {
            let answer = buyer.get(&format!("/v1/storefront/products?{query}")).await.expect(400);
            assert!(!answer.text("/errors/0/pointer").is_empty(), "{query}: {:#}", *answer.body);
        }
        let long = "x".repeat(4_001);
        assert_eq!(buyer.get(&format!("/v1/storefront/products?q={long}")).await.expect(400).body["errors"][0]["code"], "too_long");
        for path in ["/v1/storefront/smes/a%00b", "/v1/storefront/exhibitions/%00", "/v1/storefront/products/by-handle/a%00/b", "/v1/storefront/smes/%EF%BF%BF"] {
            buyer.get(path).await.expect(404);
        }
    }
}
