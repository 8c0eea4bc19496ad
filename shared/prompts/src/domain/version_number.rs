//! The number of a version.

use platform::input::{FromField, RawValue};

/// The number of a version. 0 stands for the one that is built in, or for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionNumber(pub u32);

impl VersionNumber {
    /// The largest one.
    pub const LARGEST: u32 = 999_999_999;
}

impl FromField for VersionNumber {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let number = u32::try_from(u64::read(raw)?).ok();
        let number = number.filter(|number| *number <= Self::LARGEST);
        number.map(Self).ok_or_else(|| format!("must be 0 to {}", Self::LARGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_number_has_nine_digits_at_most() {
        for (value, expected) in [
            (json!(0), Some(0)),
            (json!(999_999_999), Some(999_999_999)),
            (json!(7.0), Some(7)),
            (json!(1_000_000_000), None),
            (json!(u64::MAX), None),
            (json!(-1), None),
            (json!("1"), None),
        ] {
            let found = VersionNumber::read(&RawValue::Json(&value)).ok();
            assert_eq!(found, expected.map(VersionNumber), "{value}");
        }
    }
}
