//! SQS: the queues of the template, served by the JSON protocol.
//!
//! `queue` has the operations on a queue, `requests` their parameters, `refusal` their errors, and
//! `messages` the messages of a queue.

mod messages;
mod queue;
mod refusal;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::{Answer, answer};
use super::calls::{CallLog, Service};
use super::directory::{create_private_directory, unusable};
use super::error::AwsError;
use crate::template::{ACCOUNT, model};
use queue::Queue;
use refusal::Refusal;
use requests::{GetQueueAttributes, GetQueueUrl, ListQueues, PurgeQueue, given, read};

/// The queues of the template.
#[derive(Clone)]
pub(crate) struct Queues {
    by_name: Arc<BTreeMap<String, Arc<Queue>>>,
}

impl Queues {
    /// Opens the queues, each with the messages in its part of `directory`. Blocks.
    pub(crate) fn open(
        directory: Option<&Path>,
        queues: Vec<model::Queue>,
    ) -> Result<Self, AwsError> {
        if let Some(directory) = directory {
            create_private_directory(directory).map_err(unusable(directory))?;
        }
        let mut by_name = BTreeMap::new();
        for queue in queues {
            let name = queue.name.clone();
            let own = directory.map(|directory| directory.join(&name));
            by_name.insert(name, Arc::new(Queue::open(queue, own)?));
        }
        Ok(Self { by_name: Arc::new(by_name) })
    }

    /// Sends a message to the queue with this ARN. The error says why it can't be sent.
    pub(crate) async fn send(&self, arn: &str, body: String) -> Result<(), String> {
        let queue = arn.rsplit(':').next().and_then(|name| self.by_name.get(name));
        let queue = queue.ok_or_else(|| "there is no such queue".to_owned())?;
        queue.send(body, None).await.map(drop).map_err(|refusal| refusal.message)
    }

    /// Answers one request. `host` is the name of these endpoints in URLs.
    pub(super) async fn answer(
        &self,
        host: &str,
        operation: &str,
        request: Map<String, Value>,
        calls: &CallLog,
    ) -> Answer {
        let url = request.get("QueueUrl").and_then(Value::as_str).and_then(name_in);
        let name = url.or_else(|| request.get("QueueName").and_then(Value::as_str));
        calls.record(Service::Queues, operation, name.map(str::to_owned).into_iter().collect());
        match self.perform(host, operation, request).await {
            Ok(value) => answer(StatusCode::OK, value.to_string()),
            Err(refusal) => refusal.answer(),
        }
    }

    async fn perform(
        &self,
        host: &str,
        operation: &str,
        mut request: Map<String, Value>,
    ) -> Result<Value, Refusal> {
        match operation {
            "ListQueues" => self.list(host, &read(request)?),
            "GetQueueUrl" => self.find(host, read(request)?),
            "ReceiveMessage" => self.queue(&mut request)?.receive(read(request)?).await,
            "GetQueueAttributes" => {
                let queue = self.queue(&mut request)?;
                let GetQueueAttributes { attribute_names } = read(request)?;
                queue.attributes(&attribute_names).await
            }
            "PurgeQueue" => {
                let queue = self.queue(&mut request)?;
                let PurgeQueue {} = read(request)?;
                queue.purge().await
            }
            "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => {
                let queue = self.queue(&mut request)?;
                queue.perform_batch(operation.trim_end_matches("Batch"), request).await
            }
            "SendMessage" | "DeleteMessage" | "ChangeMessageVisibility" => {
                self.queue(&mut request)?.perform(operation, request).await
            }
            _ => Err(Refusal::operation(operation)),
        }
    }

    /// Takes the URL from a request and returns its queue.
    fn queue(&self, request: &mut Map<String, Value>) -> Result<&Arc<Queue>, Refusal> {
        let Some(Value::String(url)) = request.remove("QueueUrl") else {
            return Err(Refusal::missing("QueueUrl"));
        };
        let name = name_in(&url).ok_or_else(|| Refusal::address(&url))?;
        self.by_name.get(name).ok_or_else(Refusal::no_queue)
    }

    fn find(&self, host: &str, request: GetQueueUrl) -> Result<Value, Refusal> {
        let name = given("QueueName", request.queue_name)?;
        let is_ours = request.account.is_none_or(|account| account == ACCOUNT);
        if !is_ours || !self.by_name.contains_key(&name) {
            return Err(Refusal::no_queue());
        }
        Ok(json!({"QueueUrl": url(host, &name)}))
    }

    fn list(&self, host: &str, request: &ListQueues) -> Result<Value, Refusal> {
        let limit = request.limit()?;
        let mut names = self.by_name.keys().filter(|name| {
            name.starts_with(&request.queue_name_prefix) && **name > request.next_token
        });
        let page: Vec<&String> = names.by_ref().take(limit.unwrap_or(1_000)).collect();
        let urls: Vec<String> = page.iter().map(|name| url(host, name)).collect();
        let mut answer = json!({"QueueUrls": urls});
        if let (Some(_), Some(last), Some(_)) = (limit, page.last(), names.next()) {
            answer["NextToken"] = last.as_str().into();
        }
        Ok(answer)
    }
}

fn url(host: &str, name: &str) -> String {
    format!("http://{host}/{ACCOUNT}/{name}")
}

/// The name in `https://sqs.us-east-1.amazonaws.com/000000000000/name`. The host may be another.
fn name_in(url: &str) -> Option<&str> {
    let (_, path) = url.split_once("://")?;
    let (_, path) = path.split_once('/')?;
    let (account, name) = path.split_once('/')?;
    (account == ACCOUNT && !name.contains('/')).then_some(name)
}
