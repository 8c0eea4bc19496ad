//! The id of a resource as a caller names it: in a path, a query string, a body or a WebSocket
//! message.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use uuid::Uuid;

use crate::input::{FromField, RawValue};

/// A UUID in lower case. The caller may write it in any case (RFC 9562 section 4).
///
/// Any version parses, so that an id that leads nowhere is answered 404 and not as a mistyped one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceId(String);

/// A text that is no UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID")]
pub struct NotAnId;

impl ResourceId {
    /// In lower case, with hyphens.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        // The crate also reads forms without hyphens, in braces and as URNs; those have other
        // lengths.
        let id = Uuid::try_parse(text).ok().filter(|_| text.len() == 36).ok_or(NotAnId)?;
        Ok(Self(id.to_string()))
    }
}

impl FromField for ResourceId {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text()?.parse().map_err(|error: NotAnId| error.to_string())
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Deref for ResourceId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_in_any_case_and_is_in_lower_case_then() {
        let id = "019ab9a0-0000-7000-8000-00000000c0de";
        for text in [id, &id.to_uppercase(), "019AB9a0-0000-7000-8000-00000000c0dE"] {
            assert_eq!(text.parse::<ResourceId>().as_deref(), Ok(id), "{text}");
        }
        for other in [
            "",
            "me",
            "019ab9a00000700080000000 0000c0de",
            "019ab9a0000070008000000000000000",
            "{019ab9a0-0000-7000-8000-00000000c0de}",
        ] {
            assert_eq!(other.parse::<ResourceId>(), Err(NotAnId), "{other}");
        }
    }
}
