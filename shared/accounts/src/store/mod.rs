//! The tables of this area: one file each, with its key shape, item conversion and queries. Nothing else here uses the DynamoDB SDK.

mod errands;
mod invites;
mod mail_tokens;
mod tickets;

pub use errands::{Errand, Errands};
pub use invites::{Invite, Invites};
pub use mail_tokens::{MailToken, MailTokens};
pub use tickets::{Ticket, Tickets};
