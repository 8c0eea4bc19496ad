//! The log of AWS calls. Tests use it to count a request's round trips.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum number of calls in the log. Older ones are dropped.
const CAPACITY: usize = 10_000;

/// Every AWS call since the start or the last [`CallLog::clear`], oldest first, at most the last
/// 10,000.
#[derive(Debug, Clone, Default)]
pub struct CallLog(Arc<Mutex<VecDeque<Call>>>);

/// One call. A batch or a transaction counts as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The service called.
    pub service: Service,
    /// The operation as AWS names it, `PutItem`, `GetSecretValue`, `Invoke`, `PostToConnection`.
    pub operation: String,
    /// The targets of the call: table names (each once, in the request's order), a secret, a
    /// queue, a function, a connection id, recipients, a key id, or `bucket/key`.
    pub targets: Vec<String>,
}

/// An AWS service that answers here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// DynamoDB and DynamoDB Streams.
    DynamoDb,
    /// Secrets Manager.
    SecretsManager,
    /// Lambda's Invoke API.
    Lambda,
    /// API Gateway's `@connections`.
    Connections,
    /// SES.
    Mail,
    /// KMS.
    Kms,
    /// SQS.
    Queues,
    /// S3.
    S3,
}

impl CallLog {
    /// The calls so far.
    pub fn snapshot(&self) -> Vec<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Takes the calls so far out of the log.
    pub fn take(&self) -> Vec<Call> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }

    /// Empties the log.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn record(&self, service: Service, operation: &str, targets: Vec<String>) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() == CAPACITY {
            calls.pop_front();
        }
        calls.push_back(Call { service, operation: operation.to_owned(), targets });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_forgets_its_oldest_calls() {
        let log = CallLog::default();
        for number in 0..=CAPACITY {
            log.record(Service::DynamoDb, "GetItem", vec![number.to_string()]);
        }
        let calls = log.snapshot();
        assert_eq!(calls.len(), CAPACITY);
        assert_eq!(calls[0].targets, ["1"]);
        assert_eq!(log.take(), calls);
        assert_eq!(log.take(), []);
    }
}
