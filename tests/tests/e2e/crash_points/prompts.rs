//! Prompts: their versions, their labels, and the copy that replies use.

use http::Method;
use serde_json::json;
use tally_local::aws::Failure;
use tally_tests::TestStack;

use super::{MOMENTS, TRANSACT, cut, events, post};
use crate::prompts::{chat, in_use, read, with};

const TARGET: (&str, &str, &str) = ("PromptsFunction", TRANSACT, "PromptsTable");

#[tokio::test]
async fn a_change_of_a_prompt_and_what_replies_use_are_one() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let admin = stack.admin().await;
        let is_done = moment == Failure::HeldAfter;
        let body = with(chat("One."), &json!({"labels": ["production"]}));
        let save = || post(&stack, "/prompts/faq/versions", Some(&admin), &body);
        cut(&stack, moment, TARGET, save()).await;
        assert_eq!(in_use(&stack, "faq").await, is_done.then_some(1), "{moment:?}");
        let saved = events(&stack, "prompt.version_created", "success").await;
        assert_eq!(saved, usize::from(is_done), "{moment:?}");
        // The client sends the request again. In either case there is one version.
        assert_eq!(stack.send(save()).await.expect(201)["version"], 1, "{moment:?}");
        assert_eq!(read(&stack, &admin, "faq").await["revision"], 1, "{moment:?}");

        let label = "/prompts/faq/labels/production";
        let remove = || stack.request(Method::DELETE, label).bearer_auth(&admin.access);
        cut(&stack, moment, TARGET, remove()).await;
        assert_eq!(in_use(&stack, "faq").await, (!is_done).then_some(1), "{moment:?}");
        assert_eq!(stack.send(remove()).await.status, if is_done { 404 } else { 204 });
        assert_eq!(in_use(&stack, "faq").await, None, "{moment:?}");

        let unset = json!({"version": 1, "expected": null});
        let move_it = || stack.request(Method::PUT, label).bearer_auth(&admin.access).json(&unset);
        cut(&stack, moment, TARGET, move_it()).await;
        assert_eq!(in_use(&stack, "faq").await, is_done.then_some(1), "{moment:?}");
        assert_eq!(stack.send(move_it()).await.status, if is_done { 409 } else { 200 });
        assert_eq!(in_use(&stack, "faq").await, Some(1), "{moment:?}");

        let archived = json!({"archived": true});
        let archive = || {
            let request = stack.request(Method::PATCH, "/prompts/faq");
            request.bearer_auth(&admin.access).json(&archived)
        };
        cut(&stack, moment, TARGET, archive()).await;
        assert_eq!(in_use(&stack, "faq").await, (!is_done).then_some(1), "{moment:?}");
        assert_eq!(stack.send(archive()).await.expect(200)["archived"], true, "{moment:?}");
        assert_eq!(in_use(&stack, "faq").await, None, "{moment:?}");
        assert_eq!(read(&stack, &admin, "faq").await["revision"], 4, "{moment:?}");
    }
}
