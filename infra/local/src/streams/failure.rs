//! The report to a failure destination about records that are given up.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>

use dynoxide::streams::shard_id;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::batch::{Batch, Change};
use crate::template::function_arn;
use crate::template::model::StreamSource;

/// Why records are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    RetryAttemptsExhausted,
    RecordAgeExceeded,
}

/// The report, made at `now`. The records themselves are not in it.
pub(super) fn report(
    condition: Condition,
    batch: &Batch,
    by_error: bool,
    function: &str,
    source: &StreamSource,
    now: Timestamp,
) -> Value {
    let (first, last) = (batch.changes.first(), batch.changes.last());
    let number = |change: Option<&Change>| change.map(|change| change.sequence_number.clone());
    let arrival = |change: Option<&Change>| {
        let time = Timestamp::from_second(change?.created).ok()?;
        Some(time.to_string())
    };
    let mut report = json!({
        "requestContext": {
            "requestId": Uuid::new_v4().to_string(),
            "functionArn": function_arn(function),
            "condition": format!("{condition:?}"),
            "approximateInvokeCount": batch.invocations,
        },
        "version": "1.0",
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        "DDBStreamBatchInfo": {
            "shardId": shard_id(&source.table),
            "startSequenceNumber": number(first),
            "endSequenceNumber": number(last),
            "approximateArrivalOfFirstRecord": arrival(first),
            "approximateArrivalOfLastRecord": arrival(last),
            "batchSize": batch.changes.len(),
            "streamArn": source.arn,
        },
    });
    if batch.invocations > 0 {
        report["responseContext"] = json!({
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": by_error.then_some("Unhandled"),
        });
    }
    report
}

#[cfg(test)]
mod tests {
    use super::super::batch::tests::batch;
    use super::super::tests::source;
    use super::*;

    #[test]
    fn a_report_has_the_form_of_lambda() {
        let given_up = Batch { invocations: 4, ..batch(&[1_573_689_847, 1_573_689_849]) };
        let now = Timestamp::from_millisecond(1_573_690_429_717).unwrap();
        let condition = Condition::RetryAttemptsExhausted;
        let mut actual = report(condition, &given_up, false, "Seal", &source(), now);
        assert_eq!(actual["requestContext"]["requestId"].take().as_str().unwrap().len(), 36);
        assert_eq!(
            actual,
            json!({
                "requestContext": {
                    "requestId": null,
                    "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:Seal",
                    "condition": "RetryAttemptsExhausted",
                    "approximateInvokeCount": 4,
                },
                "responseContext": {
                    "statusCode": 200, "executedVersion": "$LATEST", "functionError": null,
                },
                "version": "1.0",
                "timestamp": "2019-11-14T00:13:49.717Z",
                "DDBStreamBatchInfo": {
                    "shardId": "shardId-00000001-tally-local-Events",
                    "startSequenceNumber": "1573689847",
                    "endSequenceNumber": "1573689849",
                    "approximateArrivalOfFirstRecord": "2019-11-14T00:04:07Z",
                    "approximateArrivalOfLastRecord": "2019-11-14T00:04:09Z",
                    "batchSize": 2,
                    "streamArn": source().arn,
                },
            })
        );
        let never_invoked =
            report(Condition::RecordAgeExceeded, &batch(&[1]), false, "Seal", &source(), now);
        assert_eq!(never_invoked["requestContext"]["condition"], "RecordAgeExceeded");
        assert!(never_invoked.get("responseContext").is_none());
        let by_error = report(condition, &given_up, true, "Seal", &source(), now);
        assert_eq!(by_error["responseContext"]["functionError"], "Unhandled");
    }
}
