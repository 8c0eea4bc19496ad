//! Corrects the answers of the embedded database where DynamoDB gives others: ARNs, and the records
//! of streams.

use dynoxide::actions::get_records::{GetRecordsRequest, GetRecordsResponse, Record};
use dynoxide::actions::list_streams::ListStreamsRequest;
use dynoxide::{Database, DynoxideError};
use serde_json::{Value, json};

use crate::template::{REGION, STREAM_LABEL};

/// The request for a page of streams as the database wants it. A client names the end of the last
/// page by the ARN that it was given.
pub(super) fn list_streams_request(
    database: &Database,
    mut request: ListStreamsRequest,
) -> Result<ListStreamsRequest, DynoxideError> {
    let table = request.exclusive_start_stream_arn.as_deref().and_then(|arn| arn.split('/').nth(1));
    if let Some(table) = table
        && let Some(metadata) = database.get_table_metadata(table)?
    {
        let label = metadata.stream_label.unwrap_or_default();
        request.exclusive_start_stream_arn = Some(dynoxide::streams::stream_arn(table, &label));
    }
    Ok(request)
}

/// Reads records of a stream, without those of updates that changed nothing. DynamoDB has no such
/// records. Here they can be told only where the stream has both images.
pub(super) fn get_records(
    database: &Database,
    request: GetRecordsRequest,
) -> Result<GetRecordsResponse, DynoxideError> {
    let mut response = database.get_records(request)?;
    response.records.retain(|record| !is_unchanged(record));
    Ok(response)
}

fn is_unchanged(record: &Record) -> bool {
    let images = &record.dynamodb;
    record.event_name == "MODIFY"
        && images.new_image.is_some()
        && images.new_image == images.old_image
}

/// The answer to an operation as DynamoDB would give it.
pub(super) fn corrected(operation: &str, answer: String) -> Result<String, DynoxideError> {
    let correct: fn(&mut Value) = match operation {
        "CreateTable" | "DeleteTable" | "DescribeStream" | "DescribeTable" | "ListStreams"
        | "UpdateTable" => correct_names,
        "GetRecords" => correct_records,
        _ => return Ok(answer),
    };
    let mut value = serde_json::from_str(&answer)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
    correct(&mut value);
    Ok(value.to_string())
}

/// Gives ARNs the region, and streams the label, that the template gives them.
fn correct_names(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, member) in map {
                if name == "StreamLabel" || name == "LatestStreamLabel" {
                    *member = STREAM_LABEL.into();
                } else if let Some(arn) = member.as_str().filter(|_| name.ends_with("Arn")) {
                    *member = corrected_arn(arn).into();
                } else {
                    correct_names(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(correct_names),
        _ => {}
    }
}

fn corrected_arn(arn: &str) -> String {
    let region = format!(":{}:", dynoxide::streams::LOCAL_REGION);
    let arn = arn.replacen(&region, &format!(":{REGION}:"), 1);
    match arn.split_once("/stream/") {
        Some((table, _label)) => format!("{table}/stream/{STREAM_LABEL}"),
        None => arn,
    }
}

/// Gives records their region, and the identity of a deletion by time to live the members that SDKs
/// read. In the events of Lambda they are in lower case.
fn correct_records(answer: &mut Value) {
    for record in answer["Records"].as_array_mut().into_iter().flatten() {
        record["awsRegion"] = REGION.into();
        if let Some(identity) = record.get_mut("userIdentity") {
            let principal = identity["principalId"].take();
            *identity = json!({"PrincipalId": principal, "Type": identity["type"]});
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::operations;
    use super::*;

    const TABLE: &str = "tally-local-Events";
    const TABLE_ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/tally-local-Events";
    const STREAM_ARN: &str =
        "arn:aws:dynamodb:us-east-1:000000000000:table/tally-local-Events/stream/local";

    fn call(database: &Database, operation: &str, request: &Value) -> Value {
        let answer = operations::run(database, operation, request.to_string().as_bytes()).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    fn database(view: &str) -> Database {
        let database = Database::memory().unwrap();
        for table in [TABLE, "tally-local-Others"] {
            let create = json!({
                "TableName": table,
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
                "StreamSpecification": {"StreamEnabled": true, "StreamViewType": view},
            });
            call(&database, "CreateTable", &create);
        }
        let ttl = json!({"AttributeName": "expires_at", "Enabled": true});
        let request = json!({"TableName": TABLE, "TimeToLiveSpecification": ttl});
        call(&database, "UpdateTimeToLive", &request);
        database
    }

    fn put(database: &Database, item: &Value) {
        call(database, "PutItem", &json!({"TableName": TABLE, "Item": item}));
    }

    fn records(database: &Database) -> Vec<Value> {
        let stream = call(database, "DescribeStream", &json!({"StreamArn": STREAM_ARN}));
        let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
        assert!(shard.as_str().unwrap().len() >= 28, "an SDK refuses {shard}");
        let iterator = json!({
            "StreamArn": STREAM_ARN, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON",
        });
        let iterator = call(database, "GetShardIterator", &iterator)["ShardIterator"].take();
        let page = call(database, "GetRecords", &json!({"ShardIterator": iterator}));
        page["Records"].as_array().unwrap().clone()
    }

    #[test]
    fn a_stream_has_the_arn_that_the_template_gives_it() {
        let database = database("NEW_IMAGE");
        let table = &call(&database, "DescribeTable", &json!({"TableName": TABLE}))["Table"];
        assert_eq!(table["LatestStreamArn"], STREAM_ARN);
        assert_eq!(table["LatestStreamLabel"], STREAM_LABEL);
        assert_eq!(table["TableArn"], TABLE_ARN);
        let stream = call(&database, "DescribeStream", &json!({"StreamArn": STREAM_ARN}));
        assert_eq!(stream["StreamDescription"]["StreamArn"], STREAM_ARN);
        assert_eq!(stream["StreamDescription"]["StreamLabel"], STREAM_LABEL);

        let mut listed = Vec::new();
        let mut request = json!({"Limit": 1});
        loop {
            let page = call(&database, "ListStreams", &request);
            let streams = page["Streams"].as_array().unwrap();
            listed.extend(streams.iter().map(|stream| stream["StreamArn"].clone()));
            match page.get("LastEvaluatedStreamArn") {
                Some(last) => request["ExclusiveStartStreamArn"] = last.clone(),
                None => break,
            }
        }
        assert_eq!(listed, [STREAM_ARN, STREAM_ARN.replace("Events", "Others").as_str()]);
    }

    #[test]
    fn an_update_that_changes_nothing_leaves_no_record() {
        let database = database("NEW_AND_OLD_IMAGES");
        let item = json!({"id": {"S": "1"}, "tags": {"SS": ["b", "a"]}, "n": {"N": "1.0"}});
        put(&database, &item);
        put(&database, &json!({"id": {"S": "1"}, "tags": {"SS": ["a", "b"]}, "n": {"N": "1"}}));
        put(&database, &json!({"id": {"S": "1"}, "tags": {"SS": ["a", "c"]}, "n": {"N": "1"}}));
        let names: Vec<_> =
            records(&database).into_iter().map(|mut r| r["eventName"].take()).collect();
        assert_eq!(names, ["INSERT", "MODIFY"]);
    }

    #[test]
    fn a_deletion_by_time_to_live_has_the_identity_that_sdks_read() {
        let database = database("KEYS_ONLY");
        put(&database, &json!({"id": {"S": "1"}, "expires_at": {"N": "1"}}));
        assert_eq!(database.sweep_ttl().unwrap(), 1);
        let records = records(&database);
        assert!(records[0].get("userIdentity").is_none(), "{records:?}");
        assert_eq!(
            records[1]["userIdentity"],
            json!({"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"})
        );
        assert_eq!(
            (&records[1]["eventName"], &records[1]["awsRegion"]),
            (&json!("REMOVE"), &json!(REGION))
        );
    }
}
