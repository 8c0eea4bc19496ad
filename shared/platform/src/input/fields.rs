//! Fields by name: where they come from, how each is read, and the faults found on the way.

use serde_json::{Map, Value};

use super::{FromField, RawValue, accept};
use crate::problem::{Code, FieldError, Problem};

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
    /// The request's `Accept`.
    accept: String,
    /// Set if the client accepts no form of the answer.
    not_acceptable: Option<Problem>,
    errors: Vec<FieldError>,
    /// Number of further faults, which no answer names.
    unnamed: usize,
    source: Source,
    /// A body that the endpoint reads itself.
    bytes: Vec<u8>,
}

impl Fields {
    /// The members of a JSON object.
    pub fn json(values: Map<String, Value>) -> Self {
        Self { values, ..Self::none(Source::Json) }
    }

    /// A body that the endpoint reads itself. It has no fields.
    pub fn bytes(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::none(Source::Json) }
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
        Self {
            values: Map::new(),
            accept: String::new(),
            not_acceptable: None,
            errors: Vec::new(),
            unnamed: 0,
            source,
            bytes: Vec::new(),
        }
    }

    /// The bytes of a body that the endpoint reads itself.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Sets the request's `Accept`, by which an input may depend on the form of the answer.
    #[must_use]
    pub fn accepting(self, accept: String) -> Self {
        Self { accept, ..self }
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

    /// The form of the answer that the client prefers. Each offer is a media type and the form that
    /// it stands for, the usual one first. If the client accepts none, the request is answered 406.
    pub fn accepted<T: Copy>(&mut self, offers: &[(&str, T)]) -> Option<T> {
        let preferred = accept::preferred(&self.accept, offers);
        if preferred.is_none() {
            let media_types: Vec<_> = offers.iter().map(|(media_type, _)| *media_type).collect();
            self.not_acceptable = Some(Problem::not_acceptable(&media_types));
        }
        preferred
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

    /// Ends the reading of `form`. Gives it, or a 422 with every fault, unknown fields included.
    /// A 406 comes before it, because faults may depend on the form of the answer.
    pub(super) fn end<T>(mut self, form: Option<T>) -> Result<T, Problem> {
        if let Some(problem) = self.not_acceptable.take() {
            return Err(problem);
        }
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
