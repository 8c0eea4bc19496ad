//! Reads the fields of a JSON body, a form or a query string into typed values. It collects every
//! fault on the way, so that a person who mistyped three fields learns of all three.

mod json;

pub(crate) use json::object;

use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::clock::{Timestamp, parse_rfc3339};
use crate::problem::{Code, FieldError, Problem};

/// Media types that a body may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`, as in OAuth 2.0.
    Form,
    /// Either.
    JsonOrForm,
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

/// A value as it was sent: typed in JSON, text in forms and query strings.
pub enum RawValue<'a> {
    /// A member of a JSON object.
    Json(&'a Value),
    /// A form field or query parameter.
    Text(&'a str),
}

/// A type that one field can hold. The error is a phrase that continues "the field …".
pub trait FromField: Sized {
    /// Reads the value.
    fn read(raw: &RawValue<'_>) -> Result<Self, String>;
}

impl<'a> RawValue<'a> {
    /// The text of a string.
    pub fn text(&self) -> Result<&'a str, String> {
        let text: &'a str = match *self {
            RawValue::Text(text) => text,
            RawValue::Json(Value::String(text)) => text,
            RawValue::Json(_) => return Err("must be a string".into()),
        };
        if text.contains('\0') { Err("must not contain a null character".into()) } else { Ok(text) }
    }
}

impl FromField for String {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text().map(str::to_owned)
    }
}

impl FromField for u64 {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let number = match raw {
            RawValue::Json(value) => value.as_u64(),
            // `parse` alone would take "+5".
            RawValue::Text(text) => {
                text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
            }
        };
        number.ok_or_else(|| "must be a whole number".into())
    }
}

impl FromField for Timestamp {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        // A `+` that was not percent-encoded has become a space. The error gives a hint about it.
        parse_rfc3339(raw.text()?).ok_or_else(|| {
            "must be an RFC 3339 time like 2026-01-31T09:30:00Z (in a URL, + is %2B)".into()
        })
    }
}

impl FromField for Date {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let is_day = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        text.parse().ok().filter(|_| is_day).ok_or_else(|| "must be a day like 2026-01-31".into())
    }
}

impl FromField for bool {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw {
            RawValue::Json(Value::Bool(value)) => Ok(*value),
            RawValue::Text("true") => Ok(true),
            RawValue::Text("false") => Ok(false),
            _ => Err("must be true or false".into()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Json,
    Form,
    Query,
}

/// Largest number of faults that an answer names: enough for each of our forms, and few enough for
/// a WebSocket frame (32 KB).
const NAMED_FAULTS: usize = 20;

/// Largest number of characters of a field's name that an answer repeats. Our names are shorter.
const NAME_CHARACTERS: usize = 100;

/// The fields that have been sent and not yet read, and the faults found so far.
#[derive(Debug)]
pub struct Fields {
    values: Map<String, Value>,
    errors: Vec<FieldError>,
    /// Number of further faults, which no answer names.
    unnamed: usize,
    source: Source,
}

impl Fields {
    /// The members of a JSON object.
    pub fn json(values: Map<String, Value>) -> Self {
        Self { values, ..Self::none(Source::Json) }
    }

    /// An `application/x-www-form-urlencoded` body; unknown fields are tolerated (RFC 6749 section
    /// 3.2).
    pub fn form(text: &str) -> Self {
        Self::pairs(text, Source::Form)
    }

    /// A raw query string.
    pub fn query(text: &str) -> Self {
        Self::pairs(text, Source::Query)
    }

    /// Query parameters that have been decoded already.
    pub fn parameters<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut fields = Self::none(Source::Query);
        for (name, value) in pairs {
            fields.add(name.to_owned(), value.to_owned());
        }
        fields
    }

    fn none(source: Source) -> Self {
        Self { values: Map::new(), errors: Vec::new(), unnamed: 0, source }
    }

    fn pairs(text: &str, source: Source) -> Self {
        let mut fields = Self::none(source);
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (percent_decode(name), percent_decode(value)) {
                (Some(name), Some(value)) => fields.add(name, value),
                (name, _) => {
                    fields.refuse(name.as_deref().unwrap_or(pair), "must be percent-encoded UTF-8");
                }
            }
        }
        fields
    }

    /// Whether these are the fields of a form.
    pub fn is_form(&self) -> bool {
        self.source == Source::Form
    }

    fn add(&mut self, name: String, value: String) {
        if self.values.contains_key(&name) {
            self.refuse(&name, "must be given only once");
        } else {
            self.values.insert(name, Value::String(value));
        }
    }

    /// Whether a field was sent, even as null. Some fields give null a meaning of its own.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A field that must be there.
    pub fn required<T: FromField>(&mut self, name: &str) -> Option<T> {
        if self.values.get(name).is_none_or(Value::is_null) {
            self.values.remove(name);
            if !self.errors.iter().any(|error| error.names(name)) {
                self.refuse(name, "is required");
            }
            return None;
        }
        self.optional(name)?
    }

    /// A field that may be absent or null: `Some(None)` then, `None` if it is there but wrong.
    #[allow(
        clippy::option_option,
        reason = "absent and wrong are two things, and both have to be told from a value"
    )]
    pub fn optional<T: FromField>(&mut self, name: &str) -> Option<Option<T>> {
        let value = match self.values.remove(name) {
            None | Some(Value::Null) => return Some(None),
            Some(value) => value,
        };
        let raw = match (&value, self.source) {
            (Value::String(text), Source::Form | Source::Query) => RawValue::Text(text),
            _ => RawValue::Json(&value),
        };
        match T::read(&raw) {
            Ok(value) => Some(Some(value)),
            Err(detail) => {
                self.refuse(name, &detail);
                None
            }
        }
    }

    /// The same, but blank text counts as null, because forms send it for an empty field.
    #[allow(clippy::option_option, reason = "as above")]
    pub fn optional_text<T: FromField>(&mut self, name: &str) -> Option<Option<T>> {
        if self.values.get(name).and_then(Value::as_str).is_some_and(|text| text.trim().is_empty())
        {
            self.values.remove(name);
        }
        self.optional(name)
    }

    /// Ignores all fields that have not been read.
    pub fn ignore_rest(&mut self) {
        self.values.clear();
    }

    /// Records a fault of one field. The first faults are named, the others only counted.
    ///
    /// Otherwise the answer could repeat the input many times over.
    pub fn refuse(&mut self, name: &str, detail: &str) {
        if self.errors.len() == NAMED_FAULTS {
            self.unnamed += 1;
            return;
        }
        let name = match name.char_indices().nth(NAME_CHARACTERS) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name.to_owned(),
        };
        let (pointer, parameter) = match self.source {
            Source::Query => (None, Some(name)),
            // RFC 6901 escapes.
            Source::Json | Source::Form => {
                (Some(format!("/{}", name.replace('~', "~0").replace('/', "~1"))), None)
            }
        };
        self.errors.push(FieldError { pointer, parameter, detail: detail.to_owned() });
    }

    /// Reads all fields. Gives `T`, or a 422 with every fault, unknown fields included.
    pub fn read<T: Input>(mut self) -> Result<T, Problem> {
        let form = T::read(&mut self);
        if self.source != Source::Form {
            let unknown: Vec<_> = self.values.keys().cloned().collect();
            for name in unknown {
                self.refuse(&name, "is unknown: leave it out");
            }
        }
        if self.unnamed > 0 {
            // RFC 6901: the empty pointer means the whole document.
            let pointer = (self.source != Source::Query).then(String::new);
            self.errors.push(FieldError {
                pointer,
                parameter: None,
                detail: format!("has {} more faults", self.unnamed),
            });
        }
        match form {
            Some(form) if self.errors.is_empty() => Ok(form),
            // RFC 6749 section 5.2 has its own error code for this.
            _ if self.source == Source::Form => Err(Problem {
                errors: self.errors,
                ..Problem::oauth(Code::InvalidRequest, "A parameter is missing or not valid.")
            }),
            _ => Err(Problem::validation_failed(self.errors)),
        }
    }
}

impl FieldError {
    fn names(&self, name: &str) -> bool {
        self.parameter.as_deref() == Some(name)
            || self.pointer.as_deref().and_then(|p| p.strip_prefix('/')) == Some(name)
    }
}

/// Decodes `%xx` and `+`; `None` if an escape is incomplete or the bytes are not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let complete = spaced
        .split('%')
        .skip(1)
        .all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit()));
    complete.then(|| {
        percent_encoding::percent_decode_str(&spaced)
            .decode_utf8()
            .ok()
            .map(std::borrow::Cow::into_owned)
    })?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
