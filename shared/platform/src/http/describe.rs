//! Descriptions of endpoints. The API's documents are generated from them; no Lambda function calls
//! them.

use http::StatusCode;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// Schemas and their names.
pub type Schemas = Vec<(String, RefOr<Schema>)>;

/// A type that describes the parameters of a query string.
pub trait Parameters {
    /// The parameters of a query string.
    fn parameters() -> Vec<Parameter> {
        Vec::new()
    }
}

/// No parameters.
impl Parameters for () {}

/// The parameters that a type describes.
pub fn in_query<T: IntoParams>() -> Vec<Parameter> {
    T::into_params(|| Some(ParameterIn::Query))
}

/// The schema of an object whose members are these parameters of a query string.
pub fn object_of(parameters: Vec<Parameter>) -> RefOr<Schema> {
    let add = |object: ObjectBuilder, parameter: Parameter| {
        let Parameter { name, description, required, schema, .. } = parameter;
        let object = match required {
            Required::True => object.required(name.as_str()),
            Required::False => object,
        };
        let schema = schema.unwrap_or_else(|| RefOr::T(Schema::default()));
        object.property(name, described_as(schema, description))
    };
    parameters.into_iter().fold(ObjectBuilder::new().schema_type(Type::Object), add).into()
}

/// The schema with this description, if there is one. A parameter says more than its type.
fn described_as(mut schema: RefOr<Schema>, text: Option<String>) -> RefOr<Schema> {
    let place = match &mut schema {
        RefOr::T(Schema::Array(schema)) => Some(&mut schema.description),
        RefOr::T(Schema::Object(schema)) => Some(&mut schema.description),
        RefOr::T(Schema::OneOf(schema)) => Some(&mut schema.description),
        RefOr::T(Schema::AllOf(schema)) => Some(&mut schema.description),
        RefOr::T(Schema::AnyOf(schema)) => Some(&mut schema.description),
        _ => None,
    };
    if let (Some(place), Some(text)) = (place, text) {
        *place = Some(text);
    }
    schema
}

/// The schema of a body that has one of two forms.
pub fn either<A: ToSchema, B: ToSchema>() -> RefOr<Schema> {
    let forms = OneOfBuilder::new()
        .item(Ref::from_schema_name(A::name()))
        .item(Ref::from_schema_name(B::name()));
    RefOr::T(Schema::OneOf(forms.build()))
}

/// One parameter of a path.
#[derive(Debug, Clone, Copy)]
pub struct PathParameter {
    /// Its name between the braces.
    pub name: &'static str,
    /// Its meaning, in one sentence.
    pub description: &'static str,
    /// Its possible values.
    pub kind: PathKind,
}

/// The possible values of a path parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A UUID.
    Id,
    /// A UUID, or `me`.
    IdOrMe,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A whole number from 1 to this one.
    UpTo(u32),
    /// A text that matches this pattern.
    Matching(&'static str),
}

impl PathParameter {
    /// A UUID.
    pub const fn id(name: &'static str, description: &'static str) -> Self {
        Self { name, description, kind: PathKind::Id }
    }

    /// A UUID, or `me`.
    pub const fn id_or_me(name: &'static str, description: &'static str) -> Self {
        Self { name, description, kind: PathKind::IdOrMe }
    }

    /// One of these texts.
    pub const fn one_of(
        name: &'static str,
        description: &'static str,
        texts: &'static [&'static str],
    ) -> Self {
        Self { name, description, kind: PathKind::OneOf(texts) }
    }

    /// A whole number from 1 on.
    pub const fn up_to(name: &'static str, description: &'static str, most: u32) -> Self {
        Self { name, description, kind: PathKind::UpTo(most) }
    }

    /// A text that matches a pattern.
    pub const fn matching(
        name: &'static str,
        description: &'static str,
        pattern: &'static str,
    ) -> Self {
        Self { name, description, kind: PathKind::Matching(pattern) }
    }
}

/// The answer of one status of success.
#[derive(Default)]
pub struct Answer {
    /// The status; `None` stands for that of the endpoint's row.
    pub status: Option<StatusCode>,
    /// Each media type with its schema.
    pub contents: Vec<(&'static str, RefOr<Schema>)>,
    /// Headers that it has beside those of every answer.
    pub headers: Vec<Header>,
    /// Whether it is a page, from which `Link` leads to the next one.
    pub is_page: bool,
    /// The request header that leads to it.
    pub asked_by: Option<RequestHeader>,
    /// Schemas that the contents refer to.
    pub schemas: Schemas,
}

/// A header of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// `Content-Disposition`.
    ContentDisposition,
    /// `ETag`, and with it `Vary`.
    ETag,
    /// `Location`.
    Location,
    /// `Preference-Applied`.
    PreferenceApplied,
    /// `Retry-After`.
    RetryAfter,
}

/// A header of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestHeader {
    /// `If-None-Match`.
    IfNoneMatch,
    /// `Prefer`.
    Prefer,
}

impl Answer {
    /// An answer in JSON.
    pub fn json<T: ToSchema>() -> Self {
        let mut schemas = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut schemas);
        let is_page = schemas
            .iter()
            .any(|(_, schema)| matches!(schema, RefOr::T(schema) if has_cursor(schema)));
        let schema = RefOr::Ref(Ref::from_schema_name(T::name()));
        Self { contents: vec![("application/json", schema)], schemas, is_page, ..Self::default() }
    }

    /// A JSON object that another specification describes.
    pub fn object() -> Self {
        let object = ObjectBuilder::new().schema_type(Type::Object).into();
        Self { contents: vec![("application/json", object)], ..Self::default() }
    }

    /// An answer of another media type.
    pub fn text(media_type: &'static str) -> Self {
        Self::default().or_text(media_type)
    }

    /// The same, also as text of another media type.
    #[must_use]
    pub fn or_text(mut self, media_type: &'static str) -> Self {
        self.contents.push((media_type, <String as PartialSchema>::schema()));
        self
    }

    /// The same, also as lines of another media type, with a description of them.
    #[must_use]
    pub fn or_lines(mut self, media_type: &'static str, description: &str) -> Self {
        let lines = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        self.contents.push((media_type, lines.into()));
        self
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, header: Header) -> Self {
        self.headers.push(header);
        self
    }

    /// The same with this status.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// The same, where this request header can lead to it.
    #[must_use]
    pub fn asked_by(self, header: RequestHeader) -> Self {
        Self { asked_by: Some(header), ..self }
    }
}

/// Whether a schema has the member that every page has.
fn has_cursor(schema: &Schema) -> bool {
    let inner = |part: &RefOr<Schema>| matches!(part, RefOr::T(schema) if has_cursor(schema));
    match schema {
        Schema::Object(object) => {
            object.properties.contains_key("next_cursor") || object.properties.values().any(inner)
        }
        Schema::AllOf(parts) => parts.items.iter().any(inner),
        _ => false,
    }
}
