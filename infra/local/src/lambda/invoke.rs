//! The interfaces for invocations, and for the records of asynchronous ones.

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use serde_json::Value;

use super::{Functions, InvokeError};

/// Invokes functions by name: the real functions, or a stand-in where a test needs none.
pub trait Invoke: Send + Sync + 'static {
    /// Invokes a function by its logical id and returns its answer.
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Bytes, InvokeError>>;

    /// Queues an invocation of a function by its logical id.
    fn invoke_async(&self, function: &str, payload: Bytes) -> Result<(), InvokeError>;
}

/// Sends the records that asynchronous invocations leave.
pub(crate) trait SendRecord: Send + Sync {
    /// Sends a record to the destination with this ARN.
    fn send<'a>(&'a self, arn: &'a str, record: Value) -> BoxFuture<'a, ()>;
}

/// No functions at all, for AWS endpoints that are served without a stack.
#[derive(Debug, Clone, Copy)]
pub struct NoFunctions;

impl Invoke for NoFunctions {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        _payload: Bytes,
    ) -> BoxFuture<'a, Result<Bytes, InvokeError>> {
        ready(Err(InvokeError::Unknown(function.to_owned()))).boxed()
    }

    fn invoke_async(&self, function: &str, _payload: Bytes) -> Result<(), InvokeError> {
        Err(InvokeError::Unknown(function.to_owned()))
    }
}

impl Invoke for Functions {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Bytes, InvokeError>> {
        Functions::invoke(self, function, payload).boxed()
    }

    fn invoke_async(&self, function: &str, payload: Bytes) -> Result<(), InvokeError> {
        Functions::invoke_async(self, function, payload)
    }
}
