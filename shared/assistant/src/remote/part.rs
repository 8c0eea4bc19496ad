//! Leaves out the part of a request that the provider has refused, so that it may take the rest.

use super::Model;
use crate::request::Request;

/// A part of a request that can be left out, or written in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The model's earlier thoughts.
    Thoughts,
    /// How much the model is to think.
    Effort,
    /// The schema of the answer.
    Format,
    /// The effort and the schema of the answer.
    Config,
    /// The schema of the answer, or the strictness of tools. The message does not say which: it
    /// speaks of strict tools also where there are none.
    Schemas,
    /// The name of the bound of the reply's tokens, of which an API has two.
    Limit,
    /// The wish to be told the usage of a stream.
    Usage,
}

/// What a model takes. It takes all of it until it has refused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Takes {
    /// Strict schemas of tools.
    pub strict: bool,
    /// The name of the bound that its API usually takes.
    pub usual_limit: bool,
    /// The wish to be told the usage of a stream.
    pub usage: bool,
}

impl Takes {
    /// All of it.
    pub const ALL: Self = Self { strict: true, usual_limit: true, usage: true };
}

impl Part {
    /// Leaves this part out of a request, which was written for a model that takes `taken`. The
    /// model remembers what it never takes. Returns whether anything has changed.
    pub(super) fn leave_out(self, request: &mut Request, taken: Takes, model: &Model) -> bool {
        match self {
            Self::Thoughts => request.forget_thoughts(),
            Self::Effort => request.effort.take().is_some(),
            Self::Format => request.output_schema.take().is_some(),
            Self::Config => {
                let schema = request.output_schema.take();
                request.effort.take().is_some() || schema.is_some()
            }
            // The caller validates the answer anyway, so its schema goes first.
            Self::Schemas if request.output_schema.take().is_some() => true,
            Self::Schemas => {
                let had_any = taken.strict && !request.tools.is_empty();
                if had_any {
                    model.learn(|takes| takes.strict = false);
                }
                had_any
            }
            Self::Limit => {
                model.learn(|takes| takes.usual_limit = false);
                taken.usual_limit
            }
            Self::Usage => {
                model.learn(|takes| takes.usage = false);
                taken.usage
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Effort, MessageRole};
    use crate::request::{Content, Turn};
    use crate::store::Outages;
    use crate::tool::Tool;
    use platform::Platform;
    use platform::clock::Clock;
    use serde_json::json;

    fn whole() -> Request {
        let thought = Content::Thought(json!({"type": "thinking", "signature": "c2ln"}));
        let said = Content::Text("Hi".into());
        let input_schema = json!({"type": "object"});
        Request {
            turns: vec![Turn { role: MessageRole::Assistant, content: vec![thought, said] }],
            tools: vec![Tool { name: "t".into(), description: String::new(), input_schema }],
            effort: Some(Effort::Low),
            output_schema: Some(json!({"type": "object"})),
            ..Request::default()
        }
    }

    fn model() -> Model {
        let settings = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("OUTAGES_TABLE", "t"),
        ];
        let platform = Platform::new(settings.into_iter().collect(), Clock::System);
        let outages = Outages::new(&platform).unwrap();
        let circuit = super::super::Circuit::new("m", 1, outages, Clock::System);
        Model { name: "m".into(), circuit, takes: Takes::ALL.into() }
    }

    #[test]
    fn a_part_is_left_out_once_and_the_rest_stays() {
        let without = |change: fn(&mut Request)| {
            let mut request = whole();
            change(&mut request);
            request
        };
        for (part, expected) in [
            (Part::Thoughts, without(|request| drop(request.turns[0].content.remove(0)))),
            (Part::Effort, without(|request| request.effort = None)),
            (Part::Format, without(|request| request.output_schema = None)),
            (
                Part::Config,
                without(|request| {
                    request.output_schema = None;
                    request.effort = None;
                }),
            ),
        ] {
            let model = model();
            let mut request = whole();
            assert!(part.leave_out(&mut request, Takes::ALL, &model), "{part:?}");
            assert_eq!(request, expected, "{part:?}");
            assert!(!part.leave_out(&mut request, Takes::ALL, &model), "{part:?}");
            assert_eq!(model.takes(), Takes::ALL, "{part:?}");
        }
    }

    #[test]
    fn the_schema_of_the_answer_goes_before_the_strictness_of_tools() {
        let model = model();
        let not_strict = Takes { strict: false, ..Takes::ALL };
        let mut request = whole();
        assert!(Part::Schemas.leave_out(&mut request, Takes::ALL, &model));
        assert_eq!(request.output_schema, None);
        assert_eq!(model.takes(), Takes::ALL);
        // The request had no strict tools.
        assert!(!Part::Schemas.leave_out(&mut request, not_strict, &model));
        assert_eq!(model.takes(), Takes::ALL);
        assert!(Part::Schemas.leave_out(&mut request, Takes::ALL, &model));
        assert_eq!(model.takes(), not_strict);
        request.tools.clear();
        assert!(!Part::Schemas.leave_out(&mut request, Takes::ALL, &model));
    }

    #[test]
    fn a_model_remembers_what_it_never_takes() {
        for (part, expected) in [
            (Part::Limit, Takes { usual_limit: false, ..Takes::ALL }),
            (Part::Usage, Takes { usage: false, ..Takes::ALL }),
        ] {
            let model = model();
            let mut request = whole();
            assert!(part.leave_out(&mut request, Takes::ALL, &model), "{part:?}");
            assert_eq!((model.takes(), &request), (expected, &whole()), "{part:?}");
            // A second refusal is final, whatever the reason.
            assert!(!part.leave_out(&mut request, expected, &model), "{part:?}");
        }
    }
}
