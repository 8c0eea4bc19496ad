//! SES, version 2: hands mail over.

use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use platform::aws::{Service, describe, sdk_config};
use platform::config::Config;
use platform::domain::Email;
use platform::{ConfigError, Problem};

use crate::texts::Mail;

/// A client of SES, and the sender of its mail.
#[derive(Clone)]
pub struct Ses {
    client: aws_sdk_sesv2::Client,
    from: String,
}

impl Ses {
    /// Nothing is sent yet.
    pub fn new(config: &Config, from: &Email) -> Result<Self, ConfigError> {
        Ok(Self {
            client: aws_sdk_sesv2::Client::new(&sdk_config(config, Service::Mail)?),
            from: format!("Tally <{from}>"),
        })
    }

    /// Hands one mail over, as plain text.
    pub async fn send(&self, to: Email, mail: Mail) -> Result<(), Problem> {
        let text = |text: &str| {
            Content::builder().data(text).charset("UTF-8").build().map_err(|error| failed(&error))
        };
        let body = Body::builder().text(text(&mail.text)?).build();
        let message = Message::builder().subject(text(mail.subject)?).body(body).build();
        let request = self.client.send_email().from_email_address(&self.from);
        let request =
            request.destination(Destination::builder().to_addresses(to.to_string()).build());
        request
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await
            .map_err(|error| failed(&error))?;
        Ok(())
    }
}

/// Logs the cause.
fn failed(error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = describe(error), "failed to send a mail");
    Problem::unavailable()
}
