//! The classes of OCSF that our events have, and their severities.

/// The activity that a class does not name. The event names it then.
pub const OTHER: u32 = 99;

/// A class of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A change of an account.
    AccountChange,
    /// A session from its start to its end.
    Authentication,
    /// A change of what a user may do.
    UserAccess,
    /// Any other call.
    Api,
    /// A read or a change of business data, of conversations or of the audit log.
    Datastore,
}

impl Class {
    /// Its number.
    pub fn uid(self) -> u32 {
        match self {
            Self::AccountChange => 3001,
            Self::Authentication => 3002,
            Self::UserAccess => 3005,
            Self::Api => 6003,
            Self::Datastore => 6005,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountChange => "Account Change",
            Self::Authentication => "Authentication",
            Self::UserAccess => "User Access Management",
            Self::Api => "API Activity",
            Self::Datastore => "Datastore Activity",
        }
    }

    /// The number and the name of its category.
    pub fn category(self) -> (u32, &'static str) {
        match self {
            Self::AccountChange | Self::Authentication | Self::UserAccess => {
                (3, "Identity & Access Management")
            }
            Self::Api | Self::Datastore => (6, "Application Activity"),
        }
    }
}

/// The severity of an event. The values are OCSF's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing to do.
    Informational = 1,
    /// An attempt that failed, or a change worth a look.
    Low,
    /// What an administrator should look at.
    Medium,
    /// A sign of an attack.
    High,
    /// The log itself was changed.
    Critical,
}

impl Severity {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        }
    }
}
