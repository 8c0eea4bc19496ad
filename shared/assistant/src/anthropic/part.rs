//! Leaves out the part of a request that the provider has refused, so that it may take the rest.

use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::Part;
use crate::request::Request;

impl Part {
    /// Leaves this part out. `was_strict` tells whether the request may have had strict tools. The
    /// model's `takes_strict` remembers that it takes none. Returns whether anything has changed.
    pub(super) fn leave_out(
        self,
        request: &mut Request,
        was_strict: bool,
        takes_strict: &AtomicBool,
    ) -> bool {
        match self {
            Self::Thoughts => request.forget_thoughts(),
            Self::Effort => request.effort.take().is_some(),
            Self::Format => request.output_schema.take().is_some(),
            // The caller validates the answer anyway, so its schema goes first.
            Self::Schemas if request.output_schema.take().is_some() => true,
            Self::Schemas => {
                let had_any = was_strict && !request.tools.is_empty();
                if had_any {
                    takes_strict.store(false, Ordering::Relaxed);
                }
                had_any
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Effort, MessageRole};
    use crate::request::{Content, Turn};
    use crate::tool::Tool;
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
        ] {
            let takes_strict = AtomicBool::new(true);
            let mut request = whole();
            assert!(part.leave_out(&mut request, true, &takes_strict), "{part:?}");
            assert_eq!(request, expected, "{part:?}");
            assert!(!part.leave_out(&mut request, true, &takes_strict), "{part:?}");
            assert!(takes_strict.into_inner(), "{part:?}");
        }
    }

    #[test]
    fn the_schema_of_the_answer_goes_before_the_strictness_of_tools() {
        let takes_strict = AtomicBool::new(true);
        let mut request = whole();
        assert!(Part::Schemas.leave_out(&mut request, true, &takes_strict));
        assert_eq!(request.output_schema, None);
        assert!(takes_strict.load(Ordering::Relaxed));
        // The request had no strict tools.
        assert!(!Part::Schemas.leave_out(&mut request, false, &takes_strict));
        assert!(takes_strict.load(Ordering::Relaxed));
        assert!(Part::Schemas.leave_out(&mut request, true, &takes_strict));
        assert!(!takes_strict.load(Ordering::Relaxed));
        request.tools.clear();
        assert!(!Part::Schemas.leave_out(&mut request, true, &takes_strict));
    }
}
