//! SES: it sends no mail. Each mail becomes a file that a person can open, and tests can wait for
//! it.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the wall clock is the functions'"
)]

use std::fs::OpenOptions;
use std::future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;
use uuid::Uuid;

use super::answer::{Answer, answer, error};
use super::calls::{CallLog, Service};
use super::directory::{create_private_directory, unusable};
use super::error::AwsError;

/// The mail that functions have sent since the stack started.
#[derive(Debug, Clone)]
pub struct Outbox {
    directory: PathBuf,
    mails: watch::Sender<Vec<Mail>>,
    // The last field, because dropping it deletes the files.
    _temporary: Option<Arc<TempDir>>,
}

/// One mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Sender.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Subject.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// Path of the mail's file (RFC 5322, with headers in UTF-8 after RFC 6532).
    pub file: PathBuf,
}

impl Outbox {
    /// Opens an outbox that keeps mail in `directory`, or without one in a temporary directory.
    /// Blocks.
    pub(super) fn open(directory: Option<&Path>) -> Result<Self, AwsError> {
        let temporary = match directory {
            Some(directory) => create_private_directory(directory).map(|()| None),
            None => tempfile::Builder::new().prefix("tally-outbox-").tempdir().map(Some),
        };
        let place = directory.map_or_else(std::env::temp_dir, Path::to_owned);
        let temporary = temporary.map_err(unusable(&place))?;
        let directory = temporary.as_ref().map_or(place, |temporary| temporary.path().to_owned());
        let temporary = temporary.map(Arc::new);
        Ok(Self { directory, mails: watch::Sender::default(), _temporary: temporary })
    }

    /// The mail so far, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.borrow().clone()
    }

    /// Waits until the mail with this number, counted from 0, is there, and returns it.
    pub async fn mail(&self, number: usize) -> Mail {
        match self.mails.subscribe().wait_for(|mails| mails.len() > number).await {
            Ok(mails) => mails[number].clone(),
            // This outbox keeps its sender, so the channel does not close.
            Err(_) => future::pending().await,
        }
    }

    /// Answers `POST /v2/email/outbound-emails`.
    pub(super) fn answer(&self, method: &Method, body: &Bytes, calls: &CallLog) -> Answer {
        if method != Method::POST {
            return error(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowedException",
                "SendEmail is a POST",
            );
        }
        let request: SendEmail = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(reason) => {
                return refused(&format!(
                    "the local SES takes simple mails of plain text alone: {reason}"
                ));
            }
        };
        calls.record(Service::Mail, "SendEmail", request.destination.to_addresses.clone());
        let Simple { subject, body: Body { text } } = request.content.simple;
        let to = request.destination.to_addresses;
        if to.is_empty()
            || [&request.from, &subject.data]
                .into_iter()
                .chain(&to)
                .any(|line| line.is_empty() || line.contains(['\r', '\n']))
        {
            return refused("Missing final '@domain', or a line break in a header");
        }
        let id = Uuid::new_v4().to_string();
        let now = Timestamp::now();
        let file =
            self.directory.join(format!("{}-{}.eml", now.strftime("%Y%m%dT%H%M%S%3f"), &id[..8]));
        let mail = Mail { from: request.from, to, subject: subject.data, text: text.data, file };
        match mail.keep(&id, now) {
            Ok(()) => {
                self.mails.send_modify(|mails| mails.push(mail));
                answer(StatusCode::OK, json!({ "MessageId": id }).to_string())
            }
            Err(reason) => error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalServiceErrorException",
                &format!("{}: {reason}", mail.file.display()),
            ),
        }
    }
}

impl Mail {
    /// Writes the file so that only its owner can read it: a mail may contain a token that lets its
    /// reader in.
    fn keep(&self, id: &str, now: Timestamp) -> io::Result<()> {
        let date =
            rfc2822::DateTimePrinter::new().timestamp_to_string(&now).map_err(io::Error::other)?;
        let Self { from, to, subject, text, .. } = self;
        let message = format!(
            "Date: {date}\r\nFrom: {from}\r\nTo: {}\r\nSubject: {subject}\r\nMessage-ID: \
             <{id}@tally.local>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: \
             8bit\r\n\r\n{}\r\n",
            to.join(", "),
            text.lines().collect::<Vec<_>>().join("\r\n"),
        );
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.create_new(true).write(true).open(&self.file)?.write_all(message.as_bytes())
    }
}

fn refused(message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, "BadRequestException", message)
}

/// The supported fields of SES v2's `SendEmail`. A mail with other fields is refused, so that none
/// is lost.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendEmail {
    #[serde(rename = "FromEmailAddress")]
    from: String,
    destination: Destination,
    content: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Destination {
    to_addresses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Content {
    simple: Simple,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Simple {
    subject: Text,
    body: Body,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Body {
    text: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Text {
    data: String,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;

    use super::*;

    fn request() -> Value {
        json!({
            "FromEmailAddress": "Tally <no-reply@example.com>",
            "Destination": { "ToAddresses": ["anna@example.com"] },
            "Content": {
                "Simple": {
                    "Subject": { "Data": "Hello" },
                    "Body": { "Text": { "Data": "Dear Anna,\nhello.\n", "Charset": "UTF-8" } },
                },
            },
        })
    }

    fn send(outbox: &Outbox, request: &Value) -> StatusCode {
        outbox.answer(&Method::POST, &request.to_string().into(), &CallLog::default()).status()
    }

    #[tokio::test]
    async fn a_mail_becomes_a_file_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(Some(&directory.path().join("outbox"))).unwrap();
        assert_eq!(send(&outbox, &request()), StatusCode::OK);
        let mail = outbox.mail(0).await;
        assert_eq!(
            (mail.to.as_slice(), mail.subject.as_str()),
            (["anna@example.com".to_owned()].as_slice(), "Hello")
        );
        let message = fs::read_to_string(&mail.file).unwrap();
        let (headers, text) = message.split_once("\r\n\r\n").unwrap();
        for header in
            ["From: Tally <no-reply@example.com>", "To: anna@example.com", "Subject: Hello"]
        {
            assert!(headers.lines().any(|line| line == header), "{headers}");
        }
        assert_eq!(text, "Dear Anna,\r\nhello.\r\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&mail.file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn what_the_stand_in_does_not_keep_is_refused() {
        let outbox = Outbox::open(None).unwrap();
        for (pointer, value) in [
            ("/Destination/ToAddresses", json!([])),
            ("/Destination/ToAddresses/0", json!("anna@example.com\nBcc: eve@example.com")),
            ("/Content/Simple/Subject/Data", json!("Hello\r\nBcc: eve@example.com")),
            ("/Content/Simple/Body", json!({ "Html": { "Data": "<p>" } })),
            ("/Content", json!({ "Raw": { "Data": "" } })),
        ] {
            let mut request = request();
            *request.pointer_mut(pointer).unwrap() = value;
            assert_eq!(send(&outbox, &request), StatusCode::BAD_REQUEST, "{request}");
        }
        assert_eq!(outbox.mails(), []);
    }

    #[test]
    fn a_mail_that_cannot_be_kept_is_not_said_to_be_sent() {
        let outbox = Outbox::open(None).unwrap();
        fs::remove_dir_all(&outbox.directory).unwrap();
        assert_eq!(send(&outbox, &request()), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(outbox.mails(), []);
    }
}
