//! The members of a request.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads the members of a request into `T`, which denies unknown ones. The error names the member.
pub(super) fn read<T: DeserializeOwned>(request: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(request).map_err(|error| {
        let member = error.path().to_string();
        let reason = error.into_inner();
        if member == "." { reason.to_string() } else { format!("{member}: {reason}") }
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "PascalCase")]
    struct Request {
        limit: u8,
    }

    #[test]
    fn an_error_names_the_member() {
        assert_eq!(read(json!({"Limit": 1})), Ok(Request { limit: 1 }));
        for (request, expected) in [
            (json!({}), "missing field `Limit`"),
            (json!({"Limit": "1"}), "Limit: invalid type: string \"1\", expected u8"),
            (json!({"Limit": 1, "Color": 2}), "Color: unknown field `Color`"),
        ] {
            let error = read::<Request>(request).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
