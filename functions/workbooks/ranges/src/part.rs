//! `PUT /ranges/{id}/parts/{n}`.

use futures_util::FutureExt as _;
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::input::Media;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_ranges::Ranges;
use tally_ranges::domain::{PARTS, PartBytes};

use crate::part_body::PartBody;

/// `PUT /ranges/{id}/parts/{n}`. A part that comes again is stored once.
pub struct SetRangePart {
    ranges: Ranges,
}

impl Endpoint for SetRangePart {
    const ROUTE: Route = routes::RANGE_PART;
    const PATH: &'static [PathParameter] = &[
        PathParameter::id("id", "Id of the range."),
        PathParameter::up_to("n", "Number of the part.", PARTS),
    ];
    const MEDIA: Media = Media::JsonOrCsv;
    const PROBLEMS: &'static [Code] = &[Code::Conflict, Code::FormulasRequired];
    type Caller = Principal;
    type Body = PartBody;
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { ranges: Ranges::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let (call, user_id) = (request.call, &request.caller.user_id);
        let (id, number) = (call.path_id("id")?, number(call.path_parameter("n"))?);
        let bytes =
            if call.is_csv() { PartBytes::Csv(call.body()) } else { PartBytes::Json(call.body()) };
        let found = self.ranges.put_part(&id, number, bytes, user_id, request.now).await?;
        let plan = Plan::reply(());
        let Some((write, arrival)) = found else { return Ok(plan) };
        Ok(plan.write_or_retry(
            write,
            Box::new(move |head| {
                async move { arrival.overtaken(head).map(|()| Plan::reply(())) }.boxed()
            }),
        ))
    }
}

/// The number of a part, in its one written form. Any other text is a 404.
fn number(text: &str) -> Result<u32, Problem> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    let number = text.parse().ok().filter(|number| is_plain && (1..=PARTS).contains(number));
    number.ok_or_else(Problem::not_found)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_number_has_one_form() {
        for (text, expected) in [
            ("1", Some(1)),
            ("100", Some(100)),
            ("101", None),
            ("0", None),
            ("01", None),
            ("+1", None),
            ("-1", None),
            ("1.0", None),
            ("", None),
            ("99999999999", None),
        ] {
            assert_eq!(number(text).ok(), expected, "{text:?}");
        }
    }
}
