//! Which class, activity and severity each action has.

use platform::audit::Event;
use serde_json::Value;

use super::class::{
    Class::{self, AccountChange, Api, Authentication, Datastore, UserAccess},
    OTHER,
    Severity::{self, Critical, High, Informational, Low, Medium},
};

/// An action in the terms of OCSF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// Class of the event.
    pub class: Class,
    /// Number of the activity in its class.
    pub activity: u32,
    /// Name of the activity, as the class has it. It is our own for [`OTHER`].
    pub name: &'a str,
    /// Severity of a success.
    pub severity: Severity,
}

impl<'a> Mapping<'a> {
    /// The mapping of an event. One whose action the table does not have is an API activity with
    /// the name of the action, so that no export lacks an event.
    pub fn of(event: &'a Event) -> Self {
        let own = (Api, OTHER, event.action.as_str(), Informational);
        let (class, activity, name, severity) = known(event).unwrap_or(own);
        Self { class, activity, name, severity }
    }

    /// Whether the table has the event's action.
    #[cfg(test)]
    pub fn knows(event: &Event) -> bool {
        known(event).is_some()
    }
}

type Row = (Class, u32, &'static str, Severity);

/// The row of the event's action.
fn known(event: &Event) -> Option<Row> {
    Some(match event.action.as_str() {
        "auth.register" => (AccountChange, 1, "Create", Informational),
        "auth.password_changed" => (AccountChange, 3, "Password Change", Informational),
        "auth.password_reset" => (AccountChange, 4, "Password Reset", Low),
        "auth.password_forgot" => (AccountChange, OTHER, "Password Reset Request", Informational),
        "auth.token_mailed" => (AccountChange, OTHER, "Token Mail", Informational),
        "auth.email_changed" => (AccountChange, OTHER, "Email Change", Low),
        "auth.email_verified" => (AccountChange, OTHER, "Email Verification", Informational),
        "auth.email_resend" => (AccountChange, OTHER, "Verification Request", Informational),
        "account.updated" => (AccountChange, OTHER, "Update", Informational),
        "account.linked" => (AccountChange, OTHER, "Identity Provider Link", Low),
        "account.unlinked" => (AccountChange, OTHER, "Identity Provider Unlink", Medium),
        "account.deleted" => (AccountChange, 6, "Delete", Low),
        "account.erase_requested" => (AccountChange, OTHER, "Erasure Request", Medium),
        "account.erase_confirmed" => (AccountChange, OTHER, "Erasure Confirmation", High),
        "account.erased" => (AccountChange, OTHER, "Erasure", Medium),

        "auth.login" => (Authentication, 1, "Logon", Informational),
        // An attempt that a lock refused. A change of an account that was not a success would mean
        // that the lock had failed.
        "auth.locked" => (Authentication, 1, "Logon", Medium),
        "auth.logout" | "auth.session_ended" | "auth.token_revoked" => {
            (Authentication, 2, "Logoff", Informational)
        }
        // The tickets that OCSF numbers are those of Kerberos.
        "auth.refresh" => (Authentication, OTHER, "Token Refresh", Informational),
        "auth.refresh_reuse" => (Authentication, OTHER, "Refresh Token Reuse", High),
        "auth.ws_ticket" => (Authentication, OTHER, "WebSocket Ticket", Informational),

        "user.updated" => user_update(event),
        "admin.bootstrapped" | "group.member_added" => (UserAccess, 1, "Assign Privileges", Medium),
        "apikey.created" => (UserAccess, 1, "Assign Privileges", Low),
        "apikey.deleted" => (UserAccess, 2, "Revoke Privileges", Informational),

        "group.member_removed" => (UserAccess, 2, "Revoke Privileges", Low),
        "group.deleted" | "agent.deleted" | "prompt.label_removed" => (Api, 4, "Delete", Low),
        "access.changed" => (Api, 3, "Update", Medium),
        "workbook.updated" | "task.updated" => (Api, 3, "Update", Informational),
        "task.completed" => (Api, OTHER, "Complete", Informational),
        "workbook.deleted" | "graph.reset" => (Datastore, 7, "Delete", Low),

        "user.invited" | "group.created" => (Api, 1, "Create", Low),
        "invite.revoked" => (Api, 4, "Delete", Informational),
        "budget.set" | "key.rotated" | "group.updated" | "columns.reviewed" | "agent.updated"
        | "prompt.updated" | "prompt.label_moved" => (Api, 3, "Update", Low),
        "auth.token_introspected"
        | "users.read"
        | "usage.read"
        | "group.read"
        | "access.simulated"
        | "access.explained" => (Api, 2, "Read", Informational),
        "ws.connect" => (Api, OTHER, "Connect", Informational),
        "chat.requested"
        | "workbook.created"
        | "task.created"
        | "prompt.version_created"
        | "file.created"
        | "job.requested" => (Api, 1, "Create", Informational),
        "chat.message" | "job.item" => (Api, OTHER, "Reply", Informational),
        "chat.cancelled" | "job.cancelled" => (Api, OTHER, "Cancel", Informational),
        "job.retried" => (Api, OTHER, "Retry", Informational),
        "job.ended" => (Api, OTHER, "End", Informational),
        "tool.called" => (Api, OTHER, "Tool Call", Informational),
        "tool.confirmed" => (Api, OTHER, "Confirm", Low),
        "tool.rejected" => (Api, OTHER, "Reject", Informational),
        "access.denied" => (Api, OTHER, "Access Denied", Medium),
        "rate.limited" => (Api, OTHER, "Rate Limit", Low),

        "profits.read" | "charts.subscribe" | "audit.read" => {
            (Datastore, 4, "Query", Informational)
        }
        "profits.exported" | "audit.exported" => (Datastore, 4, "Query", Low),
        "profits.imported" => (Datastore, 5, "Write", Low),
        "range.uploaded" | "file.completed" => (Datastore, 5, "Write", Informational),
        "file.rejected" => (Api, OTHER, "Reject", Low),
        "range.exported" | "batch.exported" => (Datastore, 1, "Read", Low),
        "range.deleted"
        | "conversation.deleted"
        | "task.deleted"
        | "file.deleted"
        | "job.deleted" => (Datastore, 7, "Delete", Informational),
        "range.read"
        | "range.previewed"
        | "conversation.exported"
        | "file.read"
        | "job.exported"
        | "batch.read" => (Datastore, 1, "Read", Informational),
        "audit.text_read" => (Datastore, 10, "Decrypt", Low),
        "audit.tampered" => (Datastore, OTHER, "Tampering", Critical),
        _ => return None,
    })
}

/// An administrator's change of an account. Roles are privileges here, because OCSF has no activity
/// for them before 1.9. New rights go before lost ones, because an event has one activity. The
/// details have all of them.
fn user_update(event: &Event) -> Row {
    let flag = |name: &str| event.detail.get(name).and_then(Value::as_bool);
    let (before, after) = (list(event, "roles_before"), list(event, "roles"));
    if !minus(&after, &before).is_empty() {
        return (UserAccess, 1, "Assign Privileges", Medium);
    }
    if !minus(&before, &after).is_empty() {
        return (UserAccess, 2, "Revoke Privileges", Low);
    }
    match flag("is_active") {
        Some(true) => (AccountChange, 2, "Enable", Low),
        Some(false) => (AccountChange, 5, "Disable", Low),
        None => (AccountChange, OTHER, "Update", Informational),
    }
}

/// The rights that a user was given or has lost, as far as the event names them.
pub fn privileges(event: &Event) -> Vec<&str> {
    match event.action.as_str() {
        "user.updated" => {
            let (before, after) = (list(event, "roles_before"), list(event, "roles"));
            let added = minus(&after, &before);
            if added.is_empty() { minus(&before, &after) } else { added }
        }
        "admin.bootstrapped" => vec!["admin"],
        "group.member_added" | "group.member_removed" => {
            event.detail.get("group_id").and_then(Value::as_str).into_iter().collect()
        }
        _ => list(event, "scopes"),
    }
}

/// The items that the others lack.
fn minus<'a>(items: &[&'a str], others: &[&str]) -> Vec<&'a str> {
    items.iter().copied().filter(|item| !others.contains(item)).collect()
}

/// A detail that is a list of texts.
fn list<'a>(event: &'a Event, name: &str) -> Vec<&'a str> {
    let items = event.detail.get(name).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests;
