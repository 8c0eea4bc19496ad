//! The tables of this area: one file each, with its key shape, item conversion and queries.

mod groups;
mod kept;
mod memberships;
mod purge;
mod rule_head;
mod rules;
mod sheets;
mod snapshots;
mod workbooks;

pub use groups::{Group, Groups};
pub use kept::Kept;
pub use memberships::{GROUPS_PER_USER, MEMBERS_PER_GROUP, Member};
pub use purge::{Leftover, Purge, PurgeLeftovers};
pub use rule_head::{RULES_FOR_ALL, RULES_PER_WORKBOOK, RuleHead, Scope};
pub use rules::Rules;
pub use sheets::SHEETS_PER_WORKBOOK;
pub use snapshots::{Snapshot, Snapshots};
pub use workbooks::{Workbook, Workbooks};
