//! The tables of this area: one file each, with its key shape, item conversion and queries. Nothing
//! else here uses the DynamoDB SDK.

mod erasures;
mod invites;
mod mail_tokens;
mod outbox_emails;
mod tickets;

pub use erasures::{Confirmation, Erasure, Erasures};
pub use invites::{Invite, Invites};
pub use mail_tokens::{MailToken, MailTokens};
pub use outbox_emails::{OutboxEmail, OutboxEmails};
pub use tickets::{Ticket, Tickets};
