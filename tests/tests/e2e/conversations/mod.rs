//! Conversations as their owners find, read, rename, delete and export them.

mod deletes;
mod exports;
mod lists;
mod reads;
mod search;
mod state;
mod withheld;

use std::time::Duration;

use assistant::domain::MessageRole;
use http::Method;
use platform::clock::Timestamp;
use platform::database::{Database, Write};
use platform::ids;
use serde_json::{Value, json};
use tally_access::sources::Sources;
use tally_chat::domain::MessageStatus;
use tally_chat::store::{
    Conversation, Conversations, Deleted, Drafts, First, History, Message, Messages, PurgeJobs,
};
use tally_prompts::domain::{Pinned, Values};
use tally_tests::{Answer, Caller, TestStack, id};

use crate::chat::text;

/// Maximum number of writes in one transaction.
const AT_ONCE: usize = 100;

/// Creation time of the first conversation that exists before a test.
const LONG_AGO_MS: i64 = 1_700_000_000_000;

/// The tables of conversations and messages. A test writes data into them that would take too long
/// to make by requests.
struct Shelf {
    database: Database,
    conversations: Conversations,
    messages: Messages,
    history: History,
    purge_jobs: PurgeJobs,
    drafts: Drafts,
    user_id: String,
}

impl Shelf {
    /// The shelf of a user.
    async fn of(stack: &TestStack, caller: &Caller) -> Self {
        let platform = stack.platform("ConversationsFunction");
        let database = platform.database().unwrap();
        Self {
            conversations: Conversations::new(&platform).unwrap(),
            messages: Messages::new(&platform).unwrap(),
            history: History::new(&platform).unwrap(),
            purge_jobs: PurgeJobs::new(&platform).unwrap(),
            drafts: Drafts::new(&platform).unwrap(),
            database,
            user_id: id(&stack.get("/auth/me", Some(caller)).await.expect(200)["user"]),
        }
    }

    /// Adds this many conversations, a second apart, titled by their numbers from 0 on. Returns
    /// their ids, oldest first.
    async fn fill(&self, number: i64) -> Vec<String> {
        let conversations: Vec<_> = (0..number)
            .map(|number| self.conversation(number, &format!("Number {number}")))
            .collect();
        let writes = conversations
            .iter()
            .map(|conversation| self.conversations.create(conversation).unwrap())
            .collect();
        self.commit(writes).await;
        conversations.into_iter().map(|conversation| conversation.id).collect()
    }

    /// A conversation that began this many seconds after the first.
    fn conversation(&self, seconds: i64, title: &str) -> Conversation {
        let at = LONG_AGO_MS + seconds * 1_000;
        let id = ids::new_id(Timestamp::from_millisecond(at).unwrap());
        Conversation {
            user_id: self.user_id.clone(),
            id,
            title: title.to_owned(),
            created_at: at,
            updated_at: at,
            agent: None,
            idle_at: None,
            sources: Sources::default(),
        }
    }

    /// Messages of a conversation, a millisecond apart, by the user and the assistant in turn.
    async fn say(
        &self,
        conversation_id: &str,
        texts: impl IntoIterator<Item = String>,
    ) -> Vec<String> {
        let messages = texts.into_iter().zip(0..).map(|(text, number)| {
            let at = LONG_AGO_MS + number;
            Message {
                conversation_id: conversation_id.to_owned(),
                id: ids::new_id(Timestamp::from_millisecond(at).unwrap()),
                user_id: self.user_id.clone(),
                role: if number % 2 == 0 { MessageRole::User } else { MessageRole::Assistant },
                text,
                status: MessageStatus::Completed,
                created_at: at,
                answers: None,
                stop_reason: None,
                usage: None,
                cost_usd: None,
                failure: None,
                hold: None,
                origin: None,
                context: None,
                sources: Sources::default(),
                prompt: Pinned::default(),
                variables: Values::default(),
                agent: None,
                terms: None,
                steps: 0,
                tool_calls: Vec::new(),
                decisions: 0,
                claim: None,
            }
        });
        let messages: Vec<_> = messages.collect();
        let writes = messages.iter().map(|message| self.messages.add(message).unwrap()).collect();
        self.commit(writes).await;
        messages.into_iter().map(|message| message.id).collect()
    }

    /// A message of this user, whether or not its conversation exists.
    async fn message(&self, conversation_id: &str, id: &str) -> Message {
        self.messages.get(conversation_id, id).await.unwrap().unwrap()
    }

    /// Number of messages of a conversation, whether or not it exists.
    async fn messages_of(&self, conversation_id: &str) -> usize {
        self.history.messages(conversation_id, First::Oldest, None, 1_000).await.unwrap().0.len()
    }

    /// Waits until a deleted conversation has been purged.
    async fn purged(&self, conversation_id: &str) {
        while self.purge_jobs.find(Deleted::Conversations, conversation_id).await.unwrap().is_some()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(self.messages_of(conversation_id).await, 0);
    }

    async fn commit(&self, mut writes: Vec<Write>) {
        while !writes.is_empty() {
            let rest = writes.split_off(writes.len().min(AT_ONCE));
            self.database.commit(writes).await.unwrap();
            writes = rest;
        }
    }
}

/// Sends a message in a conversation or a new one, waits for the reply and returns the answer.
async fn say(
    stack: &TestStack,
    caller: &Caller,
    message: &str,
    conversation: Option<&str>,
) -> Value {
    stack
        .post("/chat", Some(caller), &json!({"message": message, "conversation_id": conversation}))
        .await
        .expect(200)
}

async fn rename(
    stack: &TestStack,
    caller: &Caller,
    conversation_id: &str,
    change: &Value,
) -> Answer {
    let request = stack.request(Method::PATCH, &format!("/conversations/{conversation_id}"));
    stack.send(request.bearer_auth(&caller.access).json(change)).await
}

/// Reads every page from a path on, by the links. `items` is their place in an answer. Returns the
/// items and the number of pages.
async fn walk(stack: &TestStack, caller: &Caller, path: &str, items: &str) -> (Vec<Value>, usize) {
    let mut found = Vec::new();
    let mut pages = 0;
    let mut path = path.to_owned();
    loop {
        let answer = stack.get(&path, Some(caller)).await;
        let page = answer.expect(200).pointer(items).unwrap().clone();
        found.extend(page["items"].as_array().unwrap().iter().cloned());
        pages += 1;
        let link = answer.header("link");
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert_eq!(link, "");
            return (found, pages);
        };
        assert!(link.contains(cursor), "{link}");
        link.strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .unwrap()
            .clone_into(&mut path);
    }
}

fn titles(conversations: &[Value]) -> Vec<&str> {
    conversations.iter().map(|conversation| text(&conversation["title"])).collect()
}
