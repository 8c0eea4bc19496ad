//! Calls of tools with writes of their caller, as a chat makes them: both are done, or neither.

use assistant::Request;
use assistant::pricing::TOOLS_TOKENS;
use futures_util::future::join_all;
use platform::context::Context;
use platform::database::{Expression, Write, key2};
use platform::domain::Role;
use platform::identity::{Authority, Credential, Principal};
use platform::problem::Code;
use platform::{Platform, Problem};
use serde_json::{Value, json};
use tally_chat::spending::TOOL_TOKENS;
use tally_tests::{Caller, TestStack, id};
use tally_tools::{Call, Listed, Refused, Toolbox};

use crate::access::{NOTHING, me};
use crate::tasks::counted;

/// The key of the items that a chat writes here.
const NOTES: &str = "notes";

/// A chat of a user.
struct Chat {
    platform: Platform,
    toolbox: Toolbox,
    caller: Principal,
}

impl Chat {
    async fn new(stack: &TestStack, caller: &Caller) -> Self {
        let platform = stack.platform("McpFunction");
        let toolbox = Toolbox::new(&platform).unwrap();
        let caller = Principal {
            user_id: me(stack, caller).await,
            username: caller.username.clone(),
            credential: Credential::SessionId(NOTHING.to_owned()),
        };
        Self { platform, toolbox, caller }
    }

    /// Calls a tool, and adds the write of a note, which must not exist yet.
    async fn call(&self, tool: &str, arguments: &Value, note: &str) -> Result<Value, Refused> {
        let table = self.platform.config.require("TASKS_TABLE").unwrap();
        let note = key2(("user_id", NOTES), ("id", note));
        let note = Write::put(table, note, "attribute_not_exists(id)", &Expression::default());
        let authority = Authority { scopes: None, roles: vec![Role::User] };
        let context = Context::default();
        let call = Call {
            tool,
            arguments: arguments.as_object().unwrap(),
            caller: &self.caller,
            authority: &authority,
            context: &context,
            now: self.platform.clock.now(),
            conversation_id: Some(NOTHING),
            seen: None,
            details: vec![("via", "chat".into())],
            writes: vec![(note, Problem::conflict())],
        };
        Ok(self.toolbox.call(call).await?.content)
    }
}

/// What a reply of an agent holds covers the descriptions of its tools.
#[tokio::test]
async fn no_tool_has_a_longer_description_than_a_hold_covers() {
    let stack = TestStack::start().await;
    let toolbox = Toolbox::new(&stack.platform("McpFunction")).unwrap();
    for Listed { about, input_schema, .. } in toolbox.all() {
        let tool = assistant::Tool {
            name: about.name.to_owned(),
            description: about.description.to_owned(),
            input_schema: Value::clone(input_schema),
        };
        let none = assistant::tokens_shown(&Request::default());
        let one = assistant::tokens_shown(&Request { tools: vec![tool], ..Request::default() });
        assert!(one - none - TOOLS_TOKENS <= TOOL_TOKENS, "{}: {one}", about.name);
    }
}

/// The notes that have been written.
async fn notes(stack: &TestStack) -> Vec<String> {
    let items = stack.items("TasksTable").await;
    let notes = items.iter().filter(|item| item["user_id"]["S"] == NOTES);
    let mut notes: Vec<_> =
        notes.map(|item| item["id"]["S"].as_str().unwrap().to_owned()).collect();
    notes.sort_unstable();
    notes
}

#[tokio::test]
async fn a_call_is_made_with_the_writes_of_its_caller_or_not_at_all() {
    let stack = TestStack::start().await;
    let (caller, admin) = (stack.someone().await, stack.admin().await);
    let chat = Chat::new(&stack, &caller).await;
    let once = json!({"title": "Once", "idempotency_key": "k"});
    let first = chat.call("add_task", &once, "a").await.unwrap();
    // The same call again has its own note, and adds no task.
    let again = chat.call("add_task", &once, "b").await.unwrap();
    assert_eq!(id(&again), id(&first));
    let list = json!({});
    chat.call("list_tasks", &list, "c").await.unwrap();
    let twice = json!({"title": "Twice", "idempotency_key": "l"});
    let complete = json!({"id": first["id"]});
    for (tool, arguments) in [
        ("add_task", &json!({"title": "Twice"})),
        ("add_task", &twice),
        ("add_task", &once),
        ("complete_task", &complete),
        ("list_tasks", &list),
    ] {
        let refused = chat.call(tool, arguments, "a").await.unwrap_err();
        let Refused::Failed(problem) = refused else { panic!("{tool}: {refused:?}") };
        assert_eq!(problem.code, Code::Conflict, "{tool}");
    }
    // A call that fails writes no note.
    let nothing = json!({"id": NOTHING});
    chat.call("complete_task", &nothing, "d").await.unwrap_err();
    assert_eq!(notes(&stack).await, ["a", "b", "c"]);
    assert_eq!(counted(&stack, &chat.caller.user_id).await, "1");
    // The key of a refused call is free.
    chat.call("add_task", &twice, "d").await.unwrap();
    assert_eq!(counted(&stack, &chat.caller.user_id).await, "2");

    let events = stack.events(&admin, "task.").await;
    let told = events.iter().map(|event| {
        let text = |name: &str| event[name].as_str().unwrap();
        format!("{} {} {}", text("action"), text("outcome"), event["detail"])
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            r#"task.created success {"via":"chat"}"#,
            r#"task.created success {"repeated":true,"via":"chat"}"#,
            r#"task.created failure {"via":"chat"}"#,
            r#"task.created failure {"via":"chat"}"#,
            r#"task.created failure {"repeated":true,"via":"chat"}"#,
            r#"task.completed failure {"via":"chat"}"#,
            r#"task.completed failure {"via":"chat"}"#,
            r#"task.created success {"via":"chat"}"#,
        ]
    );
    // A refused completion names its task, also where no task has the id.
    let completed = events.iter().filter(|event| event["action"] == "task.completed");
    let resources: Vec<_> = completed.map(|event| event["resource"].clone()).collect();
    assert_eq!(resources, [format!("task:{}", id(&first)), format!("task:{NOTHING}")]);
}

#[tokio::test]
async fn a_call_that_another_overtakes_keeps_the_writes_of_its_caller() {
    let stack = TestStack::start().await;
    let (caller, admin) = (stack.someone().await, stack.admin().await);
    let chat = Chat::new(&stack, &caller).await;
    let task = chat.call("add_task", &json!({"title": "Once"}), "added").await.unwrap();
    let complete = json!({"id": task["id"]});
    let names = ["0", "1", "2", "3", "4"];
    let calls = names.iter().map(|name| chat.call("complete_task", &complete, name));
    let done: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert!(done.iter().all(|task| *task == done[0] && task["version"] == 2), "{done:?}");
    assert_eq!(notes(&stack).await, ["0", "1", "2", "3", "4", "added"]);
    assert_eq!(counted(&stack, &chat.caller.user_id).await, "0");
    let events = stack.events(&admin, "task.completed").await;
    let first = events.iter().filter(|event| event["detail"]["repeated"].is_null());
    assert_eq!((first.count(), events.len()), (1, 5));
    assert!(events.iter().all(|event| event["detail"]["via"] == "chat"), "{events:?}");
}
