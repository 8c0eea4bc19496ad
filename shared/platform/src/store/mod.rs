//! The tables: one file each, with its key shape, item conversion and queries. Nothing else imports the DynamoDB SDK.

mod admins;
mod api_keys;
mod audit;
mod audit_search;
mod connections;
mod conversations;
mod database;
mod errands;
mod idempotency;
mod limits;
mod mail_tokens;
mod messages;
mod profits;
mod sessions;
mod span;
mod subscriptions;
mod tickets;
mod upkeep;
mod users;

pub use api_keys::{ApiKey, ApiKeys};
pub use audit::AuditLog;
pub use audit_search::{Found, Search};
pub use connections::{Connection, Connections};
pub use conversations::{Conversation, Conversations};
pub use database::{CommitError, Database, Item, StoreError, Write};
pub use errands::{Errand, Errands};
pub use idempotency::{Record, Remembered};
pub use limits::LimitCounters;
pub use mail_tokens::{MailToken, MailTokens};
pub use messages::{Listener, Message, Messages, Origin};
pub use profits::{Profit, ProfitFilter, Profits};
pub use sessions::{Session, Sessions};
pub use span::{Order, Span};
pub use subscriptions::{Subscription, Subscriptions};
pub use tickets::{Ticket, Tickets};
pub use users::{Account, Room, User, Users};
