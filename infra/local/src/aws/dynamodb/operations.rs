//! The operations: each turns a request's JSON into the database's call of the same name, and the
//! result back into JSON.

use dynoxide::{Database, DynoxideError};
use hyper::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::answer::{Answer, answer};
use super::served;

/// Carries out one request and returns the JSON of its answer.
pub(super) fn run(
    database: &Database,
    operation: &str,
    body: &[u8],
) -> Result<String, DynoxideError> {
    let answer = match operation {
        "BatchExecuteStatement" => call(body, |request| database.batch_execute_statement(request)),
        "BatchGetItem" => call(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => call(body, |request| database.batch_write_item(request)),
        "CreateTable" => call(body, |request| database.create_table(request)),
        "DeleteItem" => call(body, |request| database.delete_item(request)),
        "DeleteTable" => call(body, |request| database.delete_table(request)),
        "DescribeStream" => call(body, |request| database.describe_stream(request)),
        "DescribeTable" => call(body, |request| database.describe_table(request)),
        "DescribeTimeToLive" => call(body, |request| database.describe_time_to_live(request)),
        "ExecuteStatement" => call(body, |request| database.execute_statement(request)),
        "ExecuteTransaction" => call(body, |request| database.execute_transaction(request)),
        "GetItem" => call(body, |request| database.get_item(request)),
        "GetRecords" => call(body, |request| served::get_records(database, request)),
        "GetShardIterator" => call(body, |request| database.get_shard_iterator(request)),
        "ListStreams" => call(body, |request| {
            database.list_streams(served::list_streams_request(database, request)?)
        }),
        "ListTables" => call(body, |request| database.list_tables(request)),
        "PutItem" => call(body, |request| database.put_item(request)),
        "Query" => call(body, |request| database.query(request)),
        "Scan" => call(body, |request| database.scan(request)),
        "TransactGetItems" => call(body, |request| database.transact_get_items(request)),
        "TransactWriteItems" => call(body, |request| database.transact_write_items(request)),
        "UpdateItem" => call(body, |request| database.update_item(request)),
        "UpdateTable" => call(body, |request| database.update_table(request)),
        "UpdateTimeToLive" => call(body, |request| database.update_time_to_live(request)),
        _ => Err(DynoxideError::ValidationException(format!(
            "the local DynamoDB does not know the operation {operation}"
        ))),
    };
    served::corrected(operation, answer?)
}

/// The answer to a request that the database refuses.
pub(super) fn failed(error: &DynoxideError) -> Answer {
    let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::BAD_REQUEST);
    answer(status, error.to_json())
}

fn call<Request, Response>(
    body: &[u8],
    run: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<String, DynoxideError>
where
    Request: DeserializeOwned,
    Response: Serialize,
{
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    serde_json::to_string(&run(request)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// Finds the error that DynamoDB gives for an unreadable request. The library marks it by a prefix
/// of the message, `VALIDATION:…`. The library's own server would evaluate the prefix, but it can't
/// be given a guard.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let message = error.to_string();
    let message =
        message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _position)| message);
    match message.split_once(':') {
        Some((mark, message)) if mark.starts_with("VALIDATION") => {
            DynoxideError::ValidationException(message.into())
        }
        Some((mark, message)) if mark.starts_with("SERIALIZATION") => {
            DynoxideError::SerializationException(message.into())
        }
        _ if error.is_data() => DynoxideError::ValidationException(message.into()),
        _ => DynoxideError::SerializationException(message.into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn check(operation: &str, body: &str, kind: &str, message: &str) {
        let database = Database::memory().unwrap();
        let error: Value = serde_json::from_str(
            &run(&database, operation, body.as_bytes()).unwrap_err().to_json(),
        )
        .unwrap();
        assert!(error["__type"].as_str().unwrap().ends_with(kind), "{operation} {body}: {error}");
        let text = error["message"].as_str().or(error["Message"].as_str()).unwrap();
        assert!(
            text.contains(message) && !text.contains(" at line "),
            "{operation} {body}: {error}"
        );
    }

    #[test]
    fn a_request_that_can_not_be_carried_out_is_answered_as_dynamodb_does() {
        check("GetItem", "{", "SerializationException", "EOF");
        check("GetItem", "{}", "ValidationException", "");
        check(
            "DescribeTable",
            "{}",
            "ValidationException",
            "The parameter 'TableName' is required",
        );
        check(
            "DescribeTable",
            r#"{"TableName":"missing"}"#,
            "ResourceNotFoundException",
            "missing",
        );
        check(
            "RestoreTableToPointInTime",
            "{}",
            "ValidationException",
            "RestoreTableToPointInTime",
        );
    }
}
