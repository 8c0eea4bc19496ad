//! The whole input of an endpoint: which media it may have, and how it is read at once.

use super::Fields;
use crate::problem::Problem;

/// Media types that a body may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`, as in OAuth 2.0.
    Form,
    /// Either.
    JsonOrForm,
    /// `application/json` or `text/csv`, of which the endpoint reads the bytes itself: the body has
    /// no fields.
    JsonOrCsv,
    /// `application/json`, of which the endpoint reads the bytes itself ([`Fields::take_bytes`]),
    /// because faults in it are no problems of ours.
    JsonBytes,
}

/// Input of an endpoint: a body or a query string, read field by field.
pub trait Input: Sized + Send {
    /// Whether a missing body counts as an empty object.
    const OPTIONAL: bool = false;

    /// Reads the fields. Gives `None` only after it has recorded a fault in `fields`.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// No input: every field or parameter is unknown.
impl Input for () {
    const OPTIONAL: bool = true;

    fn read(_: &mut Fields) -> Option<Self> {
        Some(())
    }
}

impl Fields {
    /// Reads all fields. Gives `T`, or a 422 with every fault, unknown fields included.
    pub fn read<T: Input>(mut self) -> Result<T, Problem> {
        let form = T::read(&mut self);
        self.end(form)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::problem::FieldError;

    #[derive(Debug, PartialEq)]
    struct Sample {
        name: String,
        count: Option<u64>,
    }

    impl Input for Sample {
        fn read(fields: &mut Fields) -> Option<Self> {
            let name = fields.required("name");
            let count = fields.optional("count");
            Some(Self { name: name?, count: count? })
        }
    }

    /// What is read, or each fault and where it is.
    type Expected<'a> = Result<(&'a str, Option<u64>), &'a [(&'a str, &'a str)]>;

    #[track_caller]
    fn check(fields: Fields, expected: Expected<'_>) {
        let found = fields.read::<Sample>().map_err(|problem| {
            problem
                .errors
                .into_iter()
                .map(|e| (e.pointer.or(e.parameter).unwrap(), e.detail))
                .collect::<Vec<_>>()
        });
        let expected =
            expected.map(|(name, count)| Sample { name: name.into(), count }).map_err(|errors| {
                errors.iter().map(|(at, detail)| ((*at).to_owned(), (*detail).to_owned())).collect()
            });
        assert_eq!(found, expected);
    }

    fn object(value: Value) -> Fields {
        match value {
            Value::Object(map) => Fields::json(map),
            other => panic!("not an object: {other}"),
        }
    }

    #[test]
    fn a_json_body_is_read_and_every_fault_named() {
        check(object(json!({"name": "a", "count": 3})), Ok(("a", Some(3))));
        check(object(json!({"name": "a", "count": 3.0})), Ok(("a", Some(3))));
        check(object(json!({"name": "a", "count": -0.0})), Ok(("a", Some(0))));
        check(object(json!({"name": "a", "count": null})), Ok(("a", None)));
        check(object(json!({})), Err(&[("/name", "is required")]));
        check(object(json!({"name": null})), Err(&[("/name", "is required")]));
        check(
            object(json!({"name": 1, "count": "3"})),
            Err(&[("/name", "must be a string"), ("/count", "must be a whole number")]),
        );
        check(
            object(json!({"name": "a", "a/b~c": 1})),
            Err(&[("/a~1b~0c", "is unknown: leave it out")]),
        );
        check(
            object(json!({"name": "a\u{0}b"})),
            Err(&[("/name", "must not contain a null character")]),
        );
        check(
            object(json!({"name": "a", "count": -1})),
            Err(&[("/count", "must be a whole number")]),
        );
        check(
            object(json!({"name": "a", "count": 1.5})),
            Err(&[("/count", "must be a whole number")]),
        );
    }

    #[test]
    fn a_great_many_faults_are_counted_and_a_long_name_is_cut() {
        // Control characters grow most when they are escaped in JSON.
        let name = |number: usize| format!("{number:03}{}", "\u{1}".repeat(1000));
        let values = (0..500)
            .map(|number| (name(number), json!(1)))
            .chain([("name".to_owned(), json!("a"))])
            .collect();
        let problem = Fields::json(values).read::<Sample>().unwrap_err();
        assert_eq!(problem.errors.len(), 21);
        assert_eq!(problem.errors[0].pointer, Some(format!("/000{}…", "\u{1}".repeat(97))));
        let more = FieldError {
            pointer: Some(String::new()),
            parameter: None,
            detail: "has 480 more faults".into(),
        };
        assert_eq!(problem.errors[20], more);
        let length = serde_json::to_vec(&problem.errors).unwrap().len();
        assert!(length < 24 * 1024, "{length}");

        let query: Vec<_> = (0..30).map(|number| format!("{number}=1")).collect();
        let errors = Fields::query(&format!("name=a&{}", query.join("&")))
            .read::<Sample>()
            .unwrap_err()
            .errors;
        assert_eq!((errors.len(), errors[20].detail.as_str()), (21, "has 10 more faults"));
    }

    #[test]
    fn a_query_is_decoded_strictly() {
        check(Fields::query("name=a+b%20c&count=7"), Ok(("a b c", Some(7))));
        check(Fields::query("name=%C3%A9"), Ok(("é", None)));
        check(Fields::query("name=a%26b%3Dc"), Ok(("a&b=c", None)));
        check(Fields::query("name=a&name=b"), Err(&[("name", "must be given only once")]));
        check(Fields::query("name=a&count=%2B7"), Err(&[("count", "must be a whole number")]));
        check(Fields::query("name=a&other=1"), Err(&[("other", "is unknown: leave it out")]));
        check(Fields::query("name=%zz"), Err(&[("name", "must be percent-encoded UTF-8")]));
        check(Fields::query("name=%f"), Err(&[("name", "must be percent-encoded UTF-8")]));
        check(Fields::query("name=%FF"), Err(&[("name", "must be percent-encoded UTF-8")]));
        check(Fields::query("&&name=a&"), Ok(("a", None)));
    }

    #[test]
    fn a_form_tolerates_what_it_does_not_know() {
        check(Fields::form("grant_type=password&name=a"), Ok(("a", None)));
    }
}
