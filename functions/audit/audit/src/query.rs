//! The query parameters of `GET /audit`.

use platform::audit_reader::AuditFilters;
use platform::cursor::Paging;
use platform::http::{Parameters, in_query};
use platform::input::{Fields, Input};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

use crate::answer::Form;

/// The most events of one export.
const LARGEST_EXPORT: usize = 5_000;

/// The query parameters, and the form of the answer.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Which events are wanted.
    #[param(ignore)]
    pub filters: AuditFilters,
    /// Largest number of events. A page in JSON has at most 100, and 20 unless you say otherwise.
    /// An export has at most 5,000, and as many unless you say otherwise.
    #[param(required = false, minimum = 1, maximum = 5_000)]
    pub limit: usize,
    /// `next_cursor` of the previous page, as the header `Link` has it too. Send the same filters
    /// with it.
    pub cursor: Option<String>,
    /// The form of the answer.
    #[param(ignore)]
    pub form: Form,
}

impl Input for AuditQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let filters = AuditFilters::read(fields);
        let form = fields.accepted(Form::OFFERS)?;
        let paging = match form {
            Form::Page => Paging::read(fields),
            Form::Csv | Form::Ndjson | Form::Ocsf => {
                Paging::within(fields, LARGEST_EXPORT, LARGEST_EXPORT)
            }
        };
        let Paging { limit, cursor } = paging?;
        Some(Self { filters: filters?, limit, cursor, form })
    }
}

impl Parameters for AuditQuery {
    fn parameters() -> Vec<Parameter> {
        [AuditFilters::parameters(), in_query::<Self>()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_refused_parameter_by_parameter() {
        for (query, expected) in [
            ("", &[][..]),
            ("actor=me&action=chat.&outcome=denied&order=asc&limit=5", &[]),
            (
                "actor=019ab9a0-0000-7000-8000-000000000000&action=auth.login&resource=user:1&request_id=r",
                &[],
            ),
            ("from=2026-01-31T00:00:00Z&to=2026-01-31T00:00:00.001Z", &[]),
            ("from=2026-01-31T00:00:00Z&to=2026-01-31T00:00:00Z", &["to"]),
            ("from=2026-01-31T01:00:00%2B02:00&to=2026-01-30T22:59:59Z", &["to"]),
            ("from=2026-01-31&to=tomorrow", &["from", "to"]),
            ("actor=Me", &["actor"]),
            ("actor=", &["actor"]),
            ("actor=00000000-0000-0000-0000-000000000000", &[]),
            ("action=auth", &["action"]),
            ("action=.", &["action"]),
            ("action=auth..login", &["action"]),
            ("action=Auth.login", &["action"]),
            ("action=auth.*", &["action"]),
            ("outcome=Success&order=up&limit=0", &["outcome", "order", "limit"]),
            ("resource=&request_id=", &["resource", "request_id"]),
            ("ip=203.0.113.7", &[]),
            ("ip=2001:db8:1:2:3::4", &[]),
            ("ip=2001:db8:1:2::/64", &[]),
            ("ip=203.0.113&outcome=no", &["outcome", "ip"]),
            ("ip=", &["ip"]),
            ("page=1", &["page"]),
            ("limit=100", &[]),
            ("limit=101&order=up", &["order", "limit"]),
        ] {
            let errors = Fields::query(query)
                .read::<AuditQuery>()
                .err()
                .map(|problem| problem.errors)
                .unwrap_or_default();
            let refused: Vec<_> = errors.into_iter().filter_map(|error| error.parameter).collect();
            assert_eq!(refused, expected, "{query}");
        }
    }

    #[test]
    fn the_form_of_the_answer_says_how_many_events_it_can_have() {
        for (accept, query, expected) in [
            ("", "", Ok((Form::Page, 20))),
            ("application/json", "limit=100", Ok((Form::Page, 100))),
            ("text/csv", "", Ok((Form::Csv, 5_000))),
            ("application/x-ndjson", "limit=5000", Ok((Form::Ndjson, 5_000))),
            ("application/x-ndjson;profile=ocsf", "", Ok((Form::Ocsf, 5_000))),
            ("text/csv", "limit=1", Ok((Form::Csv, 1))),
            ("text/csv", "limit=5001", Err("validation_failed")),
            ("text/csv", "limit=0", Err("validation_failed")),
            ("application/json", "limit=101", Err("validation_failed")),
            ("application/x-ndjson;profile=other", "", Err("not_acceptable")),
            ("application/xml", "limit=0&order=up", Err("not_acceptable")),
        ] {
            let read = Fields::query(query).accepting(accept.to_owned()).read::<AuditQuery>();
            let found = read.map(|query| (query.form, query.limit));
            let found = found.map_err(|problem| problem.code.as_str());
            assert_eq!(found, expected, "{accept} {query}");
        }
    }
}
