//! A request with its caller, and the ways in which a method fails.

use platform::Problem;
use platform::clock::Timestamp;
use platform::context::Context;
use platform::identity::{Authority, Principal};
use serde_json::Value;

use crate::protocol::{Era, Fault, RpcRequest};

/// A request, and what a method needs to know of it.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The request.
    pub message: &'a RpcRequest,
    /// How it is to be answered.
    pub era: Era,
    /// The client's name for itself.
    pub client: String,
    /// Who calls.
    pub caller: &'a Principal,
    /// The rights of the caller at this moment.
    pub authority: &'a Authority,
    /// From where.
    pub context: &'a Context,
    /// When.
    pub now: Timestamp,
}

/// Why a method gives no result.
#[derive(Debug)]
pub enum Refusal {
    /// A failure that the protocol has an error for.
    Fault(Fault),
    /// A failure of the server, which is answered outside of the protocol.
    Problem(Problem),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// A parameter that must be a text.
pub fn text<'r>(message: &'r RpcRequest, name: &str) -> Result<&'r str, Fault> {
    let value = message.params.get(name).and_then(Value::as_str);
    value.ok_or_else(|| Fault::invalid_params(format!("`params.{name}` must be a string.")))
}
