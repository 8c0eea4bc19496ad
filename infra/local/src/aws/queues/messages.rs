//! The messages of one queue. Times are given, so that tests need not wait.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::directory::{create_private_directory, unusable};
use super::super::error::AwsError;
use super::super::json_file;
use super::refusal::Refusal;
use crate::template::model::Queue;

/// The messages of a queue, oldest first, each under its key `<time sent>-<id>`.
///
/// In the state directory, each message is a file. A change is in the file before it is here.
pub(super) struct Messages {
    queue: Queue,
    kept: BTreeMap<String, Message>,
    directory: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) sent_at_ms: i64,
    pub(super) first_received_at_ms: Option<i64>,
    /// How often the message was received.
    pub(super) receives: u32,
    visible_at_ms: i64,
    /// Part of the receipt handle of the last receive. Handles of earlier ones delete nothing.
    receipt: Option<String>,
}

/// A received message, and the handle that deletes it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) message: Message,
    pub(super) handle: String,
}

/// Numbers of messages.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) visible: usize,
    /// Received, and hidden since.
    pub(super) in_flight: usize,
    /// Hidden since they were sent.
    pub(super) delayed: usize,
}

impl Messages {
    /// Reads the messages in the files of `directory`, which is created if missing. Blocks.
    pub(super) fn open(queue: Queue, directory: Option<PathBuf>) -> Result<Self, AwsError> {
        let kept = directory.as_deref().map_or_else(|| Ok(BTreeMap::new()), read)?;
        Ok(Self { queue, kept, directory })
    }

    /// Adds a message and returns its id. Without a `delay`, it has the queue's. Old messages go
    /// here too, because a queue may have no receiver.
    pub(super) fn send(
        &mut self,
        body: String,
        delay: Option<Duration>,
        now_ms: i64,
    ) -> Result<String, Refusal> {
        if body.len() > self.queue.maximum_bytes {
            return Err(Refusal::parameter(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {} \
                 bytes.",
                self.queue.maximum_bytes
            )));
        }
        self.drop_old(now_ms)?;
        let id = Uuid::new_v4().to_string();
        let message = Message {
            id: id.clone(),
            body,
            sent_at_ms: now_ms,
            visible_at_ms: later(now_ms, delay.unwrap_or(self.queue.delay)),
            ..Message::default()
        };
        self.keep(format!("{now_ms:013}-{id}"), message)?;
        Ok(id)
    }

    /// Takes up to `limit` visible messages, and hides them for `timeout`.
    pub(super) fn receive(
        &mut self,
        limit: usize,
        timeout: Option<Duration>,
        now_ms: i64,
    ) -> Result<Vec<Received>, Refusal> {
        self.drop_old(now_ms)?;
        let hidden_until_ms = later(now_ms, timeout.unwrap_or(self.queue.visibility_timeout));
        let visible = self.kept.iter().filter(|(_, message)| message.visible_at_ms <= now_ms);
        let visible: Vec<_> =
            visible.take(limit).map(|(key, message)| (key.clone(), message.clone())).collect();
        let mut received = Vec::new();
        for (key, mut message) in visible {
            let receipt = Uuid::new_v4().simple().to_string();
            let handle = [self.queue.name.as_str(), &key, &receipt].join("/");
            message.receipt = Some(receipt);
            message.receives += 1;
            message.first_received_at_ms.get_or_insert(now_ms);
            message.visible_at_ms = hidden_until_ms;
            self.keep(key, message.clone())?;
            received.push(Received { message, handle: URL_SAFE_NO_PAD.encode(handle) });
        }
        Ok(received)
    }

    /// Deletes a message. As on AWS, the handle of an earlier receive deletes nothing, and so does
    /// that of a deleted message.
    pub(super) fn delete(&mut self, handle: &str) -> Result<(), Refusal> {
        match self.find(handle)? {
            Some(key) => self.remove(&key),
            None => Ok(()),
        }
    }

    /// Hides a message in flight for `timeout` from now on. Zero makes it visible.
    pub(super) fn hide(
        &mut self,
        handle: &str,
        timeout: Duration,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        self.drop_old(now_ms)?;
        let key = self.find(handle)?;
        let Some((key, message)) = key.and_then(|key| self.kept.get_key_value(&key)) else {
            return Err(Refusal::parameter(format!(
                "Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not \
                 exist or is not available for visibility timeout change."
            )));
        };
        if message.visible_at_ms <= now_ms {
            return Err(Refusal::not_in_flight());
        }
        let message = Message { visible_at_ms: later(now_ms, timeout), ..message.clone() };
        let key = key.clone();
        self.keep(key, message)
    }

    /// Deletes all messages.
    pub(super) fn purge(&mut self) -> Result<(), Refusal> {
        while let Some((key, _)) = self.kept.first_key_value() {
            let key = key.clone();
            self.remove(&key)?;
        }
        Ok(())
    }

    pub(super) fn counts(&mut self, now_ms: i64) -> Result<Counts, Refusal> {
        self.drop_old(now_ms)?;
        let mut counts = Counts::default();
        for message in self.kept.values() {
            match message.receipt {
                _ if message.visible_at_ms <= now_ms => counts.visible += 1,
                Some(_) => counts.in_flight += 1,
                None => counts.delayed += 1,
            }
        }
        Ok(counts)
    }

    /// When the next hidden message becomes visible.
    pub(super) fn next_visible_ms(&self) -> Option<i64> {
        self.kept.values().map(|message| message.visible_at_ms).min()
    }

    /// The key of the message that the receipt handle deletes, if there is one.
    fn find(&self, handle: &str) -> Result<Option<String>, Refusal> {
        let decoded = URL_SAFE_NO_PAD.decode(handle).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let parts: Option<Vec<&str>> = decoded.as_ref().map(|text| text.split('/').collect());
        match parts.as_deref() {
            Some([queue, key, receipt]) if *queue == self.queue.name => {
                let message = self.kept.get(*key);
                let is_last = message.is_some_and(|kept| kept.receipt.as_deref() == Some(*receipt));
                Ok(is_last.then(|| (*key).to_owned()))
            }
            _ => Err(Refusal::receipt(handle)),
        }
    }

    /// Drops the messages that are older than the queue's retention.
    fn drop_old(&mut self, now_ms: i64) -> Result<(), Refusal> {
        while let Some((key, message)) = self.kept.first_key_value()
            && later(message.sent_at_ms, self.queue.retention) <= now_ms
        {
            let key = key.clone();
            self.remove(&key)?;
        }
        Ok(())
    }

    fn keep(&mut self, key: String, message: Message) -> Result<(), Refusal> {
        if let Some(path) = self.file(&key) {
            json_file::write(&path, &message)
                .map_err(|error| Refusal::internal(&unusable(&path)(error)))?;
        }
        self.kept.insert(key, message);
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<(), Refusal> {
        if let Some(path) = self.file(key) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Refusal::internal(&unusable(&path)(error)));
                }
                _ => {}
            }
        }
        self.kept.remove(key);
        Ok(())
    }

    fn file(&self, key: &str) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(format!("{key}.json")))
    }
}

fn read(directory: &Path) -> Result<BTreeMap<String, Message>, AwsError> {
    create_private_directory(directory).map_err(unusable(directory))?;
    let mut kept = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(unusable(directory))? {
        let path = entry.map_err(unusable(directory))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let key = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            kept.insert(key, json_file::read(&path, "a message")?);
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".tmp")) {
            // A killed stack has left this temporary file of `json_file`.
            fs::remove_file(&path).map_err(unusable(&path))?;
        }
    }
    Ok(kept)
}

fn later(ms: i64, by: Duration) -> i64 {
    ms.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn open(directory: Option<&Path>) -> Messages {
        let queue = Queue {
            id: "Failures".into(),
            name: "tally-local-Failures".into(),
            arn: "arn:aws:sqs:us-east-1:000000000000:tally-local-Failures".into(),
            delay: Duration::ZERO,
            maximum_bytes: 1_024,
            retention: Duration::from_mins(1),
            receive_wait: Duration::ZERO,
            visibility_timeout: Duration::from_secs(30),
        };
        Messages::open(queue, directory.map(Path::to_owned)).unwrap()
    }

    fn send(messages: &mut Messages, body: &str, now_ms: i64) {
        messages.send(body.to_owned(), None, now_ms).unwrap();
    }

    /// Receives one message.
    fn receive(messages: &mut Messages, now_ms: i64) -> Option<Received> {
        messages.receive(1, None, now_ms).unwrap().pop()
    }

    fn bodies(messages: &mut Messages, now_ms: i64) -> Vec<String> {
        let received = messages.receive(10, Some(Duration::ZERO), now_ms).unwrap();
        received.into_iter().map(|received| received.message.body).collect()
    }

    #[test]
    fn a_received_message_is_hidden_until_its_timeout_is_over() {
        let mut messages = open(None);
        send(&mut messages, "a", NOW);
        for (at_ms, receives) in [
            (0, Some(1)),
            (0, None),
            (29_999, None),
            (30_000, Some(2)),
            (59_999, None),
            // By now, it is older than the queue keeps it.
            (60_000, None),
        ] {
            let received = receive(&mut messages, NOW + at_ms);
            assert_eq!(received.map(|received| received.message.receives), receives, "{at_ms}");
        }
    }

    #[test]
    fn no_two_receivers_get_the_same_message_and_older_ones_come_first() {
        let mut messages = open(None);
        for (body, at_ms) in [("b", 1), ("c", 2), ("a", 0)] {
            send(&mut messages, body, NOW + at_ms);
        }
        let mut next = |limit| {
            let received = messages.receive(limit, None, NOW + 2).unwrap();
            received.into_iter().map(|received| received.message.body).collect::<String>()
        };
        assert_eq!([next(2), next(2), next(2)], ["ab", "c", ""]);
    }

    #[test]
    fn only_the_last_handle_deletes_even_when_its_time_is_over() {
        let mut messages = open(None);
        send(&mut messages, "a", NOW);
        let first = receive(&mut messages, NOW).unwrap();
        let second = receive(&mut messages, NOW + 30_000).unwrap();
        messages.delete(&first.handle).unwrap();
        assert_eq!(messages.counts(NOW + 30_000).unwrap().in_flight, 1);
        messages.delete(&second.handle).unwrap();
        messages.delete(&second.handle).unwrap();
        assert_eq!(messages.counts(NOW + 30_000).unwrap(), Counts::default());
        let foreign = URL_SAFE_NO_PAD.encode("tally-local-Other/key/receipt");
        for handle in ["", "nonsense", "%%%", &foreign] {
            assert!(messages.delete(handle).is_err(), "{handle}");
        }
    }

    #[test]
    fn a_delayed_message_is_visible_when_its_delay_is_over() {
        let mut messages = open(None);
        messages.send("a".into(), Some(Duration::from_secs(5)), NOW).unwrap();
        let counts = messages.counts(NOW).unwrap();
        assert_eq!(counts, Counts { delayed: 1, ..Counts::default() });
        assert_eq!(messages.next_visible_ms(), Some(NOW + 5_000));
        assert_eq!(bodies(&mut messages, NOW + 4_999), Vec::<String>::new());
        assert_eq!(bodies(&mut messages, NOW + 5_000), ["a"]);
    }

    #[test]
    fn the_timeout_of_a_message_in_flight_can_be_changed() {
        let mut messages = open(None);
        send(&mut messages, "a", NOW);
        let Received { handle, .. } = receive(&mut messages, NOW).unwrap();
        messages.hide(&handle, Duration::from_secs(50), NOW + 20_000).unwrap();
        assert_eq!(messages.next_visible_ms(), Some(NOW + 70_000));
        messages.hide(&handle, Duration::ZERO, NOW + 20_000).unwrap();
        assert_eq!(messages.counts(NOW + 20_000).unwrap().visible, 1);
        let refusal = messages.hide(&handle, Duration::ZERO, NOW + 20_000).unwrap_err();
        assert!(refusal.message.contains("not in flight"), "{refusal:?}");
        messages.delete(&handle).unwrap();
        let refusal = messages.hide(&handle, Duration::ZERO, NOW + 20_000).unwrap_err();
        assert!(refusal.message.contains("Message does not exist"), "{refusal:?}");
    }

    #[test]
    fn a_message_over_the_queues_size_is_refused() {
        let mut messages = open(None);
        send(&mut messages, &"x".repeat(1_024), NOW);
        messages.send("x".repeat(1_025), None, NOW).unwrap_err();
        assert_eq!(messages.counts(NOW).unwrap().visible, 1);
    }

    #[test]
    fn a_queue_without_receivers_drops_old_messages_when_new_ones_come() {
        let mut messages = open(None);
        for (at_ms, kept) in [(0, 1), (59_999, 2), (60_000, 2), (119_999, 2), (240_000, 1)] {
            send(&mut messages, "a", NOW + at_ms);
            assert_eq!(messages.kept.len(), kept, "{at_ms}");
        }
    }

    #[test]
    fn messages_are_found_again_as_they_were_and_what_a_kill_leaves_is_removed() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("queue");
        let mut messages = open(Some(&directory));
        for body in ["a", "b", "c"] {
            send(&mut messages, body, NOW);
        }
        let first = receive(&mut messages, NOW).unwrap();
        let second = receive(&mut messages, NOW).unwrap();
        messages.delete(&first.handle).unwrap();
        fs::write(directory.join(".tmpHalf"), "{").unwrap();
        let foreign = directory.join("README");
        fs::write(&foreign, "not ours").unwrap();

        let mut again = open(Some(&directory));
        assert_eq!(again.kept, messages.kept);
        let counts = again.counts(NOW).unwrap();
        assert_eq!(counts, Counts { visible: 1, in_flight: 1, delayed: 0 });
        again.delete(&second.handle).unwrap();
        fs::remove_file(foreign).unwrap();
        let files: Vec<_> = fs::read_dir(&directory).unwrap().map(Result::unwrap).collect();
        let [file] = files.as_slice() else { panic!("{files:?}") };
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

        again.purge().unwrap();
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_holds_no_message_is_left_alone_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("1800000000000-a.json");
        fs::write(&file, "{").unwrap();
        let refusal = read(directory.path()).unwrap_err().to_string();
        assert!(refusal.contains("a.json does not hold a message"), "{refusal}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "{");
    }

    #[test]
    fn a_message_that_cannot_be_stored_is_not_said_to_be_sent() {
        let directory = tempfile::tempdir().unwrap();
        let mut messages = open(Some(directory.path()));
        fs::remove_dir_all(directory.path()).unwrap();
        messages.send("a".into(), None, NOW).unwrap_err();
        assert_eq!(messages.counts(NOW).unwrap(), Counts::default());
    }
}
