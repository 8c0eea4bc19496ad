//! Records on their way to a function, and the batches in which they go.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use dynoxide::actions::get_records::Record;

use crate::lambda::PAYLOAD_LIMIT_BYTES;
use crate::template::REGION;
use crate::template::model::StreamSource;

/// The event around the records.
const OPENING: &str = "{\"Records\":[";
const CLOSING: &str = "]}";

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    /// Its number in the stream.
    pub number: i64,
    /// `SequenceNumber`, by which a function reports it.
    pub sequence_number: String,
    /// Second in which it was written, since 1970.
    pub created: i64,
    /// Hash of its partition key. The records of one key are delivered in order.
    pub partition: u64,
    /// The record as Lambda's event has it.
    pub json: String,
}

impl Change {
    /// The record as the source's function gets it, or `None` if no filter lets it through.
    pub(super) fn new(
        number: i64,
        record: &Record,
        source: &StreamSource,
        partition_key: &str,
    ) -> serde_json::Result<Option<Self>> {
        let mut event = serde_json::to_value(record)?;
        event["awsRegion"] = REGION.into();
        event["eventSourceARN"] = source.arn.as_str().into();
        if !source.filters.is_empty() && !source.filters.iter().any(|filter| filter.matches(&event))
        {
            return Ok(None);
        }
        let mut hasher = DefaultHasher::new();
        event["dynamodb"]["Keys"][partition_key].to_string().hash(&mut hasher);
        Ok(Some(Self {
            number,
            sequence_number: record.dynamodb.sequence_number.clone(),
            created: Duration::try_from_secs_f64(record.dynamodb.approximate_creation_date_time)
                .ok()
                .and_then(|time| i64::try_from(time.as_secs()).ok())
                .unwrap_or_default(),
            partition: hasher.finish(),
            json: event.to_string(),
        }))
    }
}

/// The records of one invocation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Batch {
    pub changes: Vec<Change>,
    /// Failed attempts. Those after which the batch was split do not count.
    pub failures: u32,
    /// All invocations with these records.
    pub invocations: u32,
}

impl Batch {
    /// The event for the function.
    pub(super) fn event(&self) -> Bytes {
        let records: Vec<&str> = self.changes.iter().map(|change| change.json.as_str()).collect();
        format!("{OPENING}{}{CLOSING}", records.join(",")).into()
    }

    /// Numbers of the records.
    pub(super) fn numbers(&self) -> Vec<i64> {
        self.changes.iter().map(|change| change.number).collect()
    }

    /// Takes away the records before `index`, in a batch of their own.
    pub(super) fn split_before(&mut self, index: usize) -> Batch {
        let rest = self.changes.split_off(index);
        Batch { changes: std::mem::replace(&mut self.changes, rest), ..*self }
    }

    /// Takes away the records at the front that were written before this second.
    pub(super) fn split_before_time(&mut self, second: i64) -> Batch {
        let old = self.changes.iter().take_while(|change| change.created < second).count();
        self.split_before(old)
    }
}

/// Divides records among `count` lanes by their partition keys.
pub(super) fn lanes(changes: Vec<Change>, count: usize) -> Vec<Vec<Change>> {
    let mut lanes = vec![Vec::new(); count];
    for change in changes {
        let lane = change.partition % u64::try_from(count).unwrap_or(1);
        lanes[usize::try_from(lane).unwrap_or_default()].push(change);
    }
    lanes
}

/// Divides records into batches of at most `size`, whose events are payloads that Lambda takes.
pub(super) fn batches(changes: Vec<Change>, size: usize) -> VecDeque<Batch> {
    let mut batches: VecDeque<Batch> = VecDeque::new();
    let mut bytes = 0;
    for change in changes {
        let with_comma = change.json.len() + 1;
        match batches.back_mut() {
            Some(batch)
                if batch.changes.len() < size && bytes + with_comma <= PAYLOAD_LIMIT_BYTES =>
            {
                bytes += with_comma;
                batch.changes.push(change);
            }
            _ => {
                bytes = OPENING.len() + CLOSING.len() + with_comma;
                batches.push_back(Batch { changes: vec![change], ..Batch::default() });
            }
        }
    }
    batches
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Records with these numbers, written in the seconds of their numbers.
    pub(in crate::streams) fn changes(numbers: &[i64]) -> Vec<Change> {
        let change = |&number: &i64| Change {
            number,
            sequence_number: number.to_string(),
            created: number,
            partition: number.unsigned_abs() % 3,
            json: format!("{{\"n\":{number}}}"),
        };
        numbers.iter().map(change).collect()
    }

    pub(in crate::streams) fn batch(numbers: &[i64]) -> Batch {
        Batch { changes: changes(numbers), ..Batch::default() }
    }

    fn sizes(batches: &VecDeque<Batch>) -> Vec<usize> {
        batches.iter().map(|batch| batch.changes.len()).collect()
    }

    #[test]
    fn an_event_has_the_records_in_order() {
        assert_eq!(batch(&[1, 2]).event(), r#"{"Records":[{"n":1},{"n":2}]}"#);
    }

    #[test]
    fn a_batch_ends_at_its_size_and_before_the_payload_is_too_large() {
        for (records, size, expected) in [
            (0, 3, vec![]),
            (1, 3, vec![1]),
            (3, 3, vec![3]),
            (7, 3, vec![3, 3, 1]),
            (2, 1, vec![1, 1]),
        ] {
            let numbers: Vec<i64> = (0..records).collect();
            assert_eq!(sizes(&batches(changes(&numbers), size)), expected);
        }
        let large = |bytes: usize| Change { json: "x".repeat(bytes), ..changes(&[1]).remove(0) };
        let third = PAYLOAD_LIMIT_BYTES / 3;
        // Three would fit but for the event around them.
        let split = batches(vec![large(third), large(third), large(third)], 100);
        assert_eq!(sizes(&split), [2, 1]);
        assert!(split.iter().all(|batch| batch.event().len() <= PAYLOAD_LIMIT_BYTES));
        // A record that is too large by itself is not lost: its invocation fails.
        let split = batches(vec![large(PAYLOAD_LIMIT_BYTES), large(1)], 100);
        assert_eq!(sizes(&split), [1, 1]);
        let exact = PAYLOAD_LIMIT_BYTES - OPENING.len() - CLOSING.len() - 2;
        assert_eq!(sizes(&batches(vec![large(exact - 10), large(9)], 100)), [2]);
    }

    #[test]
    fn the_records_of_a_partition_stay_in_one_lane_in_order() {
        let numbers = |lanes: Vec<Vec<Change>>| -> Vec<Vec<i64>> {
            let lane = |lane: Vec<Change>| lane.into_iter().map(|change| change.number).collect();
            lanes.into_iter().map(lane).collect()
        };
        let records = changes(&[1, 2, 3, 4, 5, 6]);
        assert_eq!(numbers(lanes(records.clone(), 1)), [[1, 2, 3, 4, 5, 6]]);
        assert_eq!(numbers(lanes(records.clone(), 3)), [[3, 6], [1, 4], [2, 5]]);
        assert_eq!(numbers(lanes(records, 2)), [vec![2, 3, 5, 6], vec![1, 4]]);
    }

    #[test]
    fn a_batch_is_split_before_a_record_or_a_time() {
        for (at, front, rest) in [(0, vec![], vec![5, 6]), (1, vec![5], vec![6])] {
            let mut split = Batch { failures: 2, invocations: 3, ..batch(&[5, 6]) };
            let taken = split.split_before(at);
            assert_eq!((taken.numbers(), split.numbers()), (front, rest));
            assert_eq!((taken.failures, taken.invocations), (2, 3));
        }
        let mut split = batch(&[5, 9, 6]);
        assert_eq!(split.split_before_time(7).numbers(), [5]);
        assert_eq!(split.numbers(), [9, 6]);
    }
}
