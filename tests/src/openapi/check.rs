//! Checks answers against the document.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use platform::routes::{self, ROUTES, Route};
use serde_json::{Value, json};

use super::document;
use super::responses::HEADERS;
use super::schema::reference;
use crate::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// The validators of bodies, by the place of their schema.
static VALIDATORS: LazyLock<Mutex<HashMap<String, &'static Validator>>> =
    LazyLock::new(Mutex::default);

/// Fails unless the document has the answer to a request: its status, media type, headers and body.
#[track_caller]
pub fn verify(method: &str, answer: &Answer) {
    // CORS answers come from API Gateway, and the answer to HEAD has no body to check.
    if matches!(method, "OPTIONS" | "HEAD") {
        return;
    }
    let place = ROUTES
        .iter()
        .filter(|route| route.method == method && routes::matches(route, &answer.path))
        // `/users/invites` must not match as a user's id.
        .min_by_key(|route| route.path.matches('{').count());
    match place {
        Some(route) => of_operation(route, answer),
        None => of_fallback(answer),
    }
}

/// Checks an answer of no operation, which must be the server's own 404 or 405.
#[track_caller]
fn of_fallback(answer: &Answer) {
    assert!(matches!(answer.status, 404 | 405), "no operation answers this: {answer:?}");
    assert_valid("fallback", &reference("Problem"), answer);
}

#[track_caller]
fn of_operation(route: &Route, answer: &Answer) {
    let operation = &DOCUMENT["paths"][route.path][route.method.to_lowercase()];
    let status = answer.status.to_string();
    let found = &operation["responses"][&status];
    assert!(
        found.is_object(),
        "docs/api/openapi.json has no {status} of {}: {answer:?}",
        route.key()
    );
    let (place, response) = match found["$ref"].as_str() {
        Some(reference) => {
            (reference.to_owned(), DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap())
        }
        None => (format!("{} {status}", route.key()), found),
    };
    for (name, _) in HEADERS {
        let undeclared =
            answer.headers.contains_key(*name) && response["headers"].get(*name).is_none();
        assert!(
            !undeclared,
            "docs/api/openapi.json has no header {name} of {status} of {}: {answer:?}",
            route.key()
        );
    }
    let whole = answer.header("content-type");
    let media_type = whole.split(';').next().unwrap();
    let Some(content) = response["content"].as_object().filter(|content| !content.is_empty())
    else {
        assert!(
            answer.text.is_empty() && media_type.is_empty(),
            "docs/api/openapi.json has no body of {status} of {}: {answer:?}",
            route.key()
        );
        return;
    };
    // A parameter other than the charset makes a form of its own.
    let described = content.get(whole.trim_end_matches("; charset=utf-8"));
    let described = described.unwrap_or_else(|| {
        panic!("docs/api/openapi.json has no {whole} of {status} of {}: {answer:?}", route.key())
    });
    if media_type == "application/json" || media_type.ends_with("+json") {
        assert_valid(&format!("{place} {media_type}"), &described["schema"], answer);
    }
}

#[track_caller]
fn assert_valid(place: &str, schema: &Value, answer: &Answer) {
    let validator = *VALIDATORS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .entry(place.to_owned())
        .or_insert_with(|| {
            let schema = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "allOf": [schema],
                "components": {"schemas": DOCUMENT["components"]["schemas"]},
            });
            Box::leak(Box::new(
                jsonschema::options().should_validate_formats(true).build(&schema).unwrap(),
            ))
        });
    if let Err(error) = validator.validate(&answer.json()) {
        panic!(
            "not as docs/api/openapi.json has it: {error} at {}: {answer:?}",
            error.instance_path()
        );
    }
}
