//! The announcement of a file.

use platform::input::{Fields, Input};
use utoipa::ToSchema;

use super::media_type::MediaType;
use super::name::FileName;
use super::sha256::Sha256;

/// The file to upload.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct NewFile {
    /// Its name, for people: 1 to 255 characters, without control characters, `/` and `\`.
    #[schema(value_type = String, min_length = 1, max_length = 255,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f/\\]*$", example = "Contract.pdf")]
    pub name: FileName,
    /// Number of its bytes: at least one, and at most 32 MiB. A deployment may have a lower bound.
    #[schema(minimum = 1, example = 48_213)]
    pub size: u64,
    /// SHA-256 of the bytes: 64 hexadecimal digits in lower case.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$",
        example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub sha256: Sha256,
    /// `text/…`, `application/json`, `application/pdf` or `application/zip`, in lower case and
    /// without parameters.
    #[schema(value_type = String, max_length = 132,
        pattern = "^(text/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}|application/(json|pdf|zip))$",
        example = "application/pdf")]
    pub media_type: MediaType,
}

impl Input for NewFile {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name");
        let size = fields.required::<u64>("size");
        let sha256 = fields.required("sha256");
        let media_type = fields.required("media_type");
        if size == Some(0) {
            fields.refuse("size", "must be at least 1");
            return None;
        }
        Some(Self { name: name?, size: size?, sha256: sha256?, media_type: media_type? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn faults(body: &Value) -> Vec<String> {
        let fields = Fields::json(body.as_object().unwrap().clone());
        fields.read::<NewFile>().map_or_else(
            |problem| problem.errors.into_iter().filter_map(|error| error.pointer).collect(),
            |_| Vec::new(),
        )
    }

    #[test]
    fn every_fault_of_an_announcement_is_named() {
        let right = json!({
            "name": "a.csv", "size": 1, "sha256": "0".repeat(64), "media_type": "text/csv",
        });
        assert_eq!(faults(&right), Vec::<String>::new());
        for (name, wrong) in [
            ("name", json!("a/b")),
            ("size", json!(0)),
            ("size", json!(-1)),
            ("size", json!(1.5)),
            ("sha256", json!("0")),
            ("media_type", json!("image/png")),
            ("more", json!(1)),
        ] {
            let mut body = right.clone();
            body[name] = wrong;
            assert_eq!(faults(&body), [format!("/{name}")], "{body}");
        }
        assert_eq!(faults(&json!({})), ["/name", "/size", "/sha256", "/media_type"]);
    }
}
