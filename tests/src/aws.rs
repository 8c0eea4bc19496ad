//! The stack's AWS endpoints, called directly, for operations that no function may call.

use http::Method;
use serde_json::{Value, json};
use tally_local::aws::Credentials;

use crate::TestStack;

impl TestStack {
    /// Calls a service by its `X-Amz-Target`. The error is the message of the refusal.
    pub(crate) async fn aws(
        &self,
        service: &str,
        target: &str,
        request: &Value,
    ) -> Result<Value, String> {
        let environment = self.local.environment(&self.local.deployment().functions[0]);
        let credential = format!(
            "{}/20260101/us-east-1/{service}/aws4_request",
            environment["AWS_ACCESS_KEY_ID"]
        );
        let answer = self
            .http()
            .request(Method::POST, &environment["AWS_ENDPOINT_URL"])
            .header(
                "authorization",
                format!(
                    "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"
                ),
            )
            .header("x-amz-target", target)
            .json(request);
        let answer = answer.send().await.unwrap();
        let succeeded = answer.status().is_success();
        let body: Value = answer.json().await.unwrap();
        if succeeded { Ok(body) } else { Err(body["message"].as_str().unwrap().to_owned()) }
    }

    /// The credentials of the stack's functions.
    pub fn credentials(&self) -> Credentials {
        let mut environment = self.local.environment(&self.local.deployment().functions[0]);
        let mut variable = |name: &str| environment.remove(name).unwrap();
        Credentials {
            access_key_id: variable("AWS_ACCESS_KEY_ID"),
            secret_access_key: variable("AWS_SECRET_ACCESS_KEY"),
        }
    }

    /// Waits for a message in the queue with this logical id, and returns its body.
    pub async fn record(&self, queue: &str) -> Value {
        let found =
            self.local.deployment().resources.queues.iter().find(|candidate| candidate.id == queue);
        let name = &found.unwrap_or_else(|| panic!("the template has no {queue}")).name;
        let request = json!({"QueueName": name});
        let answer = self.aws("sqs", "AmazonSQS.GetQueueUrl", &request).await.unwrap();
        let request = json!({"QueueUrl": answer["QueueUrl"], "WaitTimeSeconds": 20});
        loop {
            let answer = self.aws("sqs", "AmazonSQS.ReceiveMessage", &request).await.unwrap();
            if let Some(body) = answer["Messages"][0]["Body"].as_str() {
                return serde_json::from_str(body).unwrap();
            }
        }
    }

    /// Takes all messages that are in the queues now. Returns their bodies.
    pub async fn queued(&self) -> Vec<String> {
        let mut bodies = Vec::new();
        for queue in &self.local.deployment().resources.queues {
            let request = json!({"QueueName": queue.name});
            let answer = self.aws("sqs", "AmazonSQS.GetQueueUrl", &request).await.unwrap();
            let request = json!({"QueueUrl": answer["QueueUrl"], "MaxNumberOfMessages": 10});
            loop {
                let answer = self.aws("sqs", "AmazonSQS.ReceiveMessage", &request).await.unwrap();
                let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
                if messages.is_empty() {
                    break;
                }
                bodies.extend(messages.iter().map(ToString::to_string));
            }
        }
        bodies
    }

    /// Every item of the table with this logical id, in DynamoDB's JSON.
    pub async fn items(&self, table: &str) -> Vec<Value> {
        let name = self.table_name(table);
        let mut items = Vec::new();
        let mut start = Value::Null;
        loop {
            let mut request = json!({"TableName": name});
            if !start.is_null() {
                request["ExclusiveStartKey"] = start;
            }
            let page = self.aws("dynamodb", "DynamoDB_20120810.Scan", &request).await.unwrap();
            items.extend(page["Items"].as_array().unwrap().iter().cloned());
            start = page["LastEvaluatedKey"].clone();
            if start.is_null() {
                return items;
            }
        }
    }

    /// Puts an item, in DynamoDB's JSON, into the table with this logical id.
    pub async fn put_item(&self, table: &str, item: &Value) {
        let request = json!({"TableName": self.table_name(table), "Item": item});
        self.aws("dynamodb", "DynamoDB_20120810.PutItem", &request).await.unwrap();
    }

    /// Deletes the item with this key, in DynamoDB's JSON, from the table with this logical id.
    pub async fn delete_item(&self, table: &str, key: &Value) {
        let request = json!({"TableName": self.table_name(table), "Key": key});
        self.aws("dynamodb", "DynamoDB_20120810.DeleteItem", &request).await.unwrap();
    }

    /// Name of the table with this logical id.
    fn table_name(&self, table: &str) -> &str {
        let found =
            self.local.deployment().resources.tables.iter().find(|candidate| candidate.id == table);
        &found.unwrap_or_else(|| panic!("the template has no {table}")).name
    }

    /// The items of every table, by the tables' logical ids.
    pub async fn all_items(&self) -> Vec<(&str, Value)> {
        let mut all = Vec::new();
        for table in &self.local.deployment().resources.tables {
            all.extend(
                self.items(&table.id).await.into_iter().map(|item| (table.id.as_str(), item)),
            );
        }
        all
    }
}

/// Bytes of an item in DynamoDB's JSON, or of a value in it, as DynamoDB counts them.
pub fn item_bytes(value: &Value) -> usize {
    let members = value.as_object().unwrap().iter();
    members
        .map(|(name, value)| match (name.as_str(), value) {
            ("S", Value::String(text)) => text.len(),
            ("B", Value::String(text)) => text.len() / 4 * 3,
            ("N", Value::String(digits)) => digits.len() / 2 + 1,
            ("BOOL" | "NULL", _) => 1,
            ("L", Value::Array(values)) => {
                3 + values.iter().map(|value| 1 + item_bytes(value)).sum::<usize>()
            }
            ("M", value) => 3 + value.as_object().unwrap().len() + item_bytes(value),
            (name, value) => name.len() + item_bytes(value),
        })
        .sum()
}
