//! The tables of this area: one file each, with its key shape, item conversion and queries. Nothing
//! else here uses the DynamoDB SDK.

mod text_pieces;
mod wrapped_keys;

pub use text_pieces::TextPieces;
pub use wrapped_keys::{StoredKey, WrappedKeys};
