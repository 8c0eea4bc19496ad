//! Where records of failures and of successes go: a queue or a function of the template.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::aws::Queues;
use crate::lambda::{Functions, SendRecord, WeakFunctions};

/// Sends records by the ARNs of their destinations, which the template's check has let through.
#[derive(Clone)]
pub(crate) struct Destinations {
    queues: Queues,
    functions: WeakFunctions,
}

impl Destinations {
    pub(crate) fn new(queues: Queues, functions: &Functions) -> Destinations {
        Destinations { queues, functions: functions.downgrade() }
    }

    /// Sends a record. If that fails, the log says so, and the record is lost, as on AWS.
    pub(crate) async fn send(&self, arn: &str, body: Value) {
        let context = body["requestContext"].to_string();
        let sent = match arn.split(':').collect::<Vec<_>>()[..] {
            [_, _, "sqs", ..] => self.queues.send(arn, body.to_string()).await,
            [_, _, "lambda", .., function] => self.invoke(function, &body),
            _ => {
                tracing::warn!(
                    destination = arn,
                    record = %body,
                    "a record was not sent: the local stack has no such destination"
                );
                return;
            }
        };
        match sent {
            Ok(()) => tracing::warn!(destination = arn, context, "a record was sent"),
            Err(error) => {
                tracing::error!(destination = arn, context, error, "failed to send a record");
            }
        }
    }

    fn invoke(&self, function: &str, body: &Value) -> Result<(), String> {
        let functions = self.functions.upgrade().ok_or("the stack has ended")?;
        functions.invoke_async(function, body.to_string().into()).map_err(|error| error.to_string())
    }
}

impl SendRecord for Destinations {
    fn send<'a>(&'a self, arn: &'a str, record: Value) -> BoxFuture<'a, ()> {
        Destinations::send(self, arn, record).boxed()
    }
}

#[cfg(test)]
impl Default for Destinations {
    /// Of a stack without queues and functions.
    fn default() -> Destinations {
        let queues = Queues::open(None, Vec::new()).unwrap();
        Destinations { queues, functions: WeakFunctions::default() }
    }
}
