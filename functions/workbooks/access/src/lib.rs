//! `POST|GET /groups` and below, `POST /access/changes`, `GET /access/rules`, `GET
//! /access/rules/{id}`, `GET /workbooks/{id}/access`: rules and groups, which decide who may see
//! which cells. No other function that a client reaches writes them.

mod change;
mod changes;
mod explain;
mod group_change;
mod group_list;
mod groups;
mod members;
mod new_rule;
mod rule;
mod rules;
mod work;

pub use changes::{AccessChange, AccessChanged, ChangeAccess};
pub use explain::{AccessExplained, AccessItem, ReadAccess};
pub use group_change::{DeleteGroup, GroupChange, UpdateGroup};
pub use group_list::{ListGroups, ReadGroup};
pub use groups::{CreateGroup, GroupView, NewGroup};
pub use members::{EndMembership, ListMembers, MemberView, SetMember};
pub use new_rule::{NewColumn, NewRule};
pub use rule::{RuleColumn, RuleView};
pub use rules::{ListRules, ReadRule};

/// The endpoints of this function.
pub type Endpoints = (
    CreateGroup,
    ListGroups,
    ReadGroup,
    UpdateGroup,
    DeleteGroup,
    ListMembers,
    SetMember,
    EndMembership,
    ChangeAccess,
    ListRules,
    ReadRule,
    ReadAccess,
);
