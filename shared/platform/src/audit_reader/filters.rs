//! The filters of a search of the audit log.

use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::audit::{AuditDetails, Outcome};
use crate::clock::{Timestamp, rfc3339};
use crate::context::named_address;
use crate::domain::ResourceId;
use crate::http::{Parameters, in_query, object_of};
use crate::identity::Someone;
use crate::input::{Fields, FromField, Input, RawValue};
use crate::store::{Order, Search};

/// The filter: events that match every given parameter.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditFilters {
    /// User who acted: a user id, or `me`.
    #[param(inline, example = "me")]
    pub actor: Option<Someone>,
    /// A whole action, or a prefix that ends with a dot.
    #[param(
        value_type = Option<String>, max_length = 100, pattern = r"^[a-z_]+\.([a-z_]+\.)*[a-z_]*$",
        example = "auth."
    )]
    pub action: Option<Action>,
    /// How it ended.
    #[param(inline, value_type = Option<Outcome>, example = "denied")]
    pub outcome: Option<OutcomeName>,
    /// Resource of the action: a kind and an id.
    #[param(
        min_length = 1,
        max_length = 256,
        example = "user:019ab9a0-0000-7000-8000-000000000000"
    )]
    pub resource: Option<String>,
    /// Correlation id of the request.
    #[param(min_length = 1, max_length = 256)]
    pub request_id: Option<String>,
    /// The client's address. An IPv6 address finds the events of its /64, because events hold no
    /// more of it.
    #[param(inline, example = "203.0.113.7")]
    pub ip: Option<Address>,
    /// Start of the time range, which includes it. RFC 3339.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-01-31T00:00:00Z")]
    pub from: Option<Timestamp>,
    /// End of the time range, which excludes it. RFC 3339.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-02-01T00:00:00Z")]
    pub to: Option<Timestamp>,
    /// `desc`, newest first, or `asc`.
    #[param(inline, required = false, default = "desc")]
    pub order: OrderName,
}

/// A whole action, or a prefix that ends with a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action(String);

/// A client's address as events have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

/// An outcome by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeName(Outcome);

/// Order of the items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum OrderName {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
}

impl AuditFilters {
    /// The search of the audit log that these filters mean for the caller.
    pub fn search(&self, caller_id: &str) -> Search {
        Search {
            actor: self.actor.as_ref().map(|actor| actor.or(caller_id).to_owned()),
            action: self.action.clone().map(|action| action.0),
            outcome: self.outcome.map(|outcome| outcome.0),
            resource: self.resource.clone(),
            request_id: self.request_id.clone(),
            ip: self.ip.clone().map(|address| address.0),
            order: match self.order {
                OrderName::Asc => Order::Ascending,
                OrderName::Desc => Order::Descending,
            },
        }
    }

    /// The filters that are given, by their names.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, String)> {
        let texts = [
            ("actor", self.actor.as_ref().map(|actor| actor.or("me").to_owned())),
            ("action", self.action.clone().map(|action| action.0)),
            ("outcome", self.outcome.map(|outcome| outcome.0.name().to_owned())),
            ("resource", self.resource.clone()),
            ("request_id", self.request_id.clone()),
            ("ip", self.ip.clone().map(|address| address.0)),
            ("from", self.from.map(rfc3339)),
            ("to", self.to.map(rfc3339)),
            ("order", (self.order == OrderName::Asc).then(|| "asc".to_owned())),
        ];
        texts.into_iter().filter_map(|(name, text)| Some((name, text?)))
    }

    /// The filters, as details for the audit log itself.
    pub fn details(&self) -> AuditDetails {
        let add = |details: AuditDetails, (name, text): (&str, String)| details.detail(name, text);
        self.given().fold(AuditDetails::default(), add)
    }
}

impl Input for AuditFilters {
    fn read(fields: &mut Fields) -> Option<Self> {
        let actor = fields.optional("actor");
        let action = fields.optional("action");
        let outcome = fields.optional("outcome");
        let resource = fields.optional::<Text>("resource");
        let request_id = fields.optional::<Text>("request_id");
        let ip = fields.optional("ip");
        let from = fields.optional::<Timestamp>("from");
        let to = fields.optional::<Timestamp>("to");
        let order = fields.optional("order");
        refuse_empty_range(fields, from.flatten(), to.flatten());
        Some(Self {
            actor: actor?,
            action: action?,
            outcome: outcome?,
            resource: resource?.map(|text| in_lower_case(text.0)),
            request_id: request_id?.map(|text| text.0),
            ip: ip?,
            from: from?,
            to: to?,
            order: order?.unwrap_or_default(),
        })
    }
}

/// Refuses a time range whose end is not after its start.
pub fn refuse_empty_range(fields: &mut Fields, from: Option<Timestamp>, to: Option<Timestamp>) {
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        fields.refuse("to", "must be after `from`");
    }
}

impl FromField for Action {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let mut parts = text.strip_suffix('.').unwrap_or(text).split('.');
        let is_word = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        if text.len() <= 100 && text.contains('.') && parts.all(is_word) {
            return Ok(Self(text.to_owned()));
        }
        Err("must be an action like `auth.login`, or a prefix that ends with a dot, like `auth.`"
            .into())
    }
}

impl FromField for Address {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        named_address(raw.text()?).map(Self).ok_or_else(|| "must be an IPv4 or IPv6 address".into())
    }
}

impl PartialSchema for Address {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let address = |format: &str| text().format(Some(SchemaFormat::Custom(format.to_owned())));
        // As events have it.
        let network = text().pattern(Some("^([0-9a-f]{1,4}:){1,4}:/64$"));
        let forms = AnyOfBuilder::new().item(address("ipv4")).item(address("ipv6")).item(network);
        RefOr::T(Schema::AnyOf(forms.build()))
    }
}

impl ToSchema for Address {}

impl FromField for OutcomeName {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let outcomes = [Outcome::Success, Outcome::Failure, Outcome::Denied];
        let found = outcomes.into_iter().find(|outcome| outcome.name() == text);
        found.map(Self).ok_or_else(|| "must be success, failure or denied".into())
    }
}

impl FromField for OrderName {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "asc" => Ok(Self::Asc),
            "desc" => Ok(Self::Desc),
            _ => Err("must be asc or desc".into()),
        }
    }
}

/// A resource or a request id: any text that one could be.
struct Text(String);

impl FromField for Text {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if (1..=256).contains(&text.chars().count()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be 1 to 256 characters".into())
        }
    }
}

/// A resource as events have it: the id after its kind is in lower case.
fn in_lower_case(resource: String) -> String {
    match resource.split_once(':').map(|(kind, id)| (kind, id.parse::<ResourceId>())) {
        Some((kind, Ok(id))) => format!("{kind}:{id}"),
        _ => resource,
    }
}

impl Parameters for AuditFilters {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

/// The filters as an object: arguments of a tool.
impl PartialSchema for AuditFilters {
    fn schema() -> RefOr<Schema> {
        object_of(Self::parameters())
    }
}

impl ToSchema for AuditFilters {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn me_is_the_caller_and_an_address_has_the_form_of_events() {
        let filters: AuditFilters =
            Fields::query("actor=me&order=asc&ip=2001:DB8:1:2::7").read().unwrap();
        let search = filters.search("u-1");
        assert_eq!((search.actor.as_deref(), search.order), (Some("u-1"), Order::Ascending));
        assert_eq!(search.ip.as_deref(), Some("2001:db8:1:2::/64"));
    }

    #[test]
    fn filters_are_named_as_they_were_given() {
        let resource = "resource=user:019AB9A0-0000-7000-8000-000000000000";
        for (query, expected) in [
            (String::new(), ""),
            ("order=desc".into(), ""),
            (
                "actor=me&action=auth.&outcome=denied".into(),
                "actor me, action auth., outcome denied",
            ),
            (resource.into(), "resource user:019ab9a0-0000-7000-8000-000000000000"),
            (
                "from=2026-01-31T01:00:00%2B01:00&order=asc".into(),
                "from 2026-01-31T00:00:00.000Z, order asc",
            ),
        ] {
            let filters: AuditFilters = Fields::query(&query).read().unwrap();
            let given: Vec<_> =
                filters.given().map(|(name, text)| format!("{name} {text}")).collect();
            assert_eq!(given.join(", "), expected, "{query}");
        }
    }
}
