//! The message about a file whose state has changed.

use platform::socket::ServerMessage;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::File;

/// Bytes of a file that a frame has room for. A frame has less than 32 KB.
const ROOM: usize = 30_000;

/// The preparation of a file has ended. Every open connection of its owner gets this message,
/// without a subscription. A client that misses it reads the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileUpdated {
    /// The file as it is now. If `skipped` is too long for the message, it is left out, and
    /// `GET /files/{id}` has it.
    pub file: File,
}

impl FileUpdated {
    /// The message about a file.
    pub fn new(file: File) -> Self {
        let bytes = serde_json::to_string(&file).map_or(usize::MAX, |json| json.len());
        let skipped = file.skipped.filter(|_| bytes <= ROOM);
        Self { file: File { skipped, ..file } }
    }
}

impl ServerMessage for FileUpdated {
    const TYPE: &'static str = "file.updated";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FileStatus, Skipped, SkippedBecause};

    #[test]
    fn a_frame_leaves_out_what_it_has_no_room_for() {
        for (length, has_skipped) in [(0, true), (100, true), (140, true), (200, false)] {
            let entry = Skipped { path: "x".repeat(length), reason: SkippedBecause::Folder };
            let file = File {
                id: "019a0000-0000-7000-8000-000000000000".into(),
                name: "€".repeat(255),
                size: 1,
                sha256: "0".repeat(64),
                media_type: "application/zip".into(),
                status: FileStatus::Ready,
                reason: None,
                pages: None,
                parts: Some(1),
                skipped: Some(vec![entry; 150]),
                created_at: "2026-01-31T09:30:00.000Z".into(),
                expires_at: "2026-01-31T09:30:00.000Z".into(),
            };
            let message = FileUpdated::new(file);
            assert_eq!(message.file.skipped.is_some(), has_skipped, "{length}");
            assert!(serde_json::to_string(&message).unwrap().len() < 31_000);
        }
    }
}
