//! The compression of bundles.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use transparency::bundle::BUNDLE_LIMIT;

/// The gzip form. It has no time and no name, so it depends on the content alone.
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writes to memory do not fail.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

/// The content of a bundle, if these are its bytes.
pub fn decompress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut decoder = GzDecoder::new(bytes).take(BUNDLE_LIMIT as u64 + 1);
    decoder.read_to_end(&mut content).ok()?;
    (content.len() <= BUNDLE_LIMIT).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_has_one_compressed_form_and_is_read_again() {
        for bytes in [&b""[..], b"a", &vec![0; 100_000]] {
            let compressed = compress(bytes);
            assert_eq!(compressed, compress(bytes));
            assert_eq!(decompress(&compressed).as_deref(), Some(bytes));
            assert_eq!(decompress(&compressed[..compressed.len() - 1]), None);
        }
        assert_eq!(decompress(b"not gzip"), None);
        // A small file cannot fill the memory.
        assert_eq!(
            decompress(&compress(&vec![0; BUNDLE_LIMIT])).map(|content| content.len()),
            Some(BUNDLE_LIMIT)
        );
        assert_eq!(decompress(&compress(&vec![0; BUNDLE_LIMIT + 1])), None);
    }
}
