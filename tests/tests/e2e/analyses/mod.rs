//! Analyses: their requests, what they find, the files that they read, and reruns.

mod files;
mod findings;
mod requests;
mod reruns;

use serde_json::{Value, json};
use tally_tests::messages_api::{Answer, Asked, MessagesApi};
use tally_tests::{Caller, Socket, TestStack, task_model};

use crate::chat::claude;
use crate::job_api::{PATIENT, path, read};

/// A stack that uses this server as its assistant, and waits for its answers.
pub async fn stack(api: &MessagesApi) -> TestStack {
    claude::stack(api, &[PATIENT]).await
}

/// The same, with jobs that make one call at a time.
pub async fn stack_in_turn(api: &MessagesApi) -> TestStack {
    claude::stack(api, &[PATIENT, ("JobParallel", "1")]).await
}

/// A user who starts jobs. An open connection tells of their ends.
pub struct Owner {
    /// The user.
    pub caller: Caller,
    socket: Socket,
}

impl Owner {
    /// Opens the connection of a user.
    pub async fn new(stack: &TestStack, caller: Caller) -> Self {
        let socket = stack.connect(&caller).await;
        Self { caller, socket }
    }

    /// Starts a job.
    pub async fn start(&self, stack: &TestStack, path: &str, body: &Value) -> Value {
        stack.post(path, Some(&self.caller), body).await.expect(202)
    }

    /// Starts a job, and waits until it has ended. Returns the job then.
    pub async fn run(&mut self, stack: &TestStack, path: &str, body: &Value) -> Value {
        let job = self.start(stack, path, body).await;
        self.end(stack, &job).await
    }

    /// Waits until a job has ended, which was open when the connection was opened. Returns the job
    /// then.
    pub async fn end(&mut self, stack: &TestStack, job: &Value) -> Value {
        loop {
            let message = self.socket.next().await.expect("the connection stays");
            if message["type"] == "job.ended" && message["job"]["id"] == job["id"] {
                let ended = read(stack, &self.caller, job).await;
                assert_eq!(message["job"], ended);
                return ended;
            }
        }
    }
}

/// The findings of an analysis, by a query.
pub async fn findings(stack: &TestStack, owner: &Owner, job: &Value, query: &str) -> Vec<Value> {
    stack.pages(&format!("{}/findings{query}", path(job)), &owner.caller, 100).await
}

/// An analysis of the type `code` of one text.
pub fn of_text(text: &str) -> Value {
    json!({"type": "code", "inputs": [{"name": "note.txt", "text": text}]})
}

/// A finding as a model says it.
pub fn found(rule: &str, severity: &str, quote: &str) -> Value {
    json!({
        "rule": rule, "severity": severity, "message": format!("There is {rule}."),
        "suggestion": "", "quote": quote,
    })
}

/// The answer of a model that finds something in a piece. It also writes summaries.
pub fn review(asked: &Asked, find: impl Fn(&str) -> Vec<Value>) -> Answer {
    if task_model::asks_for_findings(asked) {
        return task_model::value(&json!({"findings": find(&task_model::said(asked))}));
    }
    task_model::answer(asked)
}
