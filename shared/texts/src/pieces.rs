//! The pieces of an encrypted text. A DynamoDB item holds 400 KB, so a longer text takes several.

use std::collections::HashMap;

/// Bytes of one piece at most.
const PIECE_BYTES: usize = 350_000;

/// The pieces of the texts of one event, by their sort keys.
pub type Pieces = HashMap<String, Vec<u8>>;

/// The pieces of an encrypted text, each with its sort key: `prompt#0`, `prompt#1`….
pub fn cut<'a>(name: &'a str, sealed: &'a [u8]) -> impl Iterator<Item = (String, &'a [u8])> {
    (0..).zip(sealed.chunks(PIECE_BYTES)).map(move |(number, piece)| (key(name, number), piece))
}

/// The sort keys of an encrypted text of this many bytes.
pub fn keys(name: &str, bytes: u64) -> impl Iterator<Item = String> {
    (0..count(bytes)).map(move |number| key(name, number))
}

/// An encrypted text of this many bytes from its pieces. `None` if one of them is missing. The
/// pieces may have been altered.
pub fn join(name: &str, bytes: u64, pieces: &Pieces) -> Option<Vec<u8>> {
    let mut sealed = Vec::new();
    for key in keys(name, bytes) {
        sealed.extend_from_slice(pieces.get(&key)?);
    }
    Some(sealed)
}

/// The number of pieces of an encrypted text of this many bytes.
fn count(bytes: u64) -> u64 {
    bytes.div_ceil(PIECE_BYTES as u64)
}

fn key(name: &str, number: u64) -> String {
    format!("{name}#{number}")
}

#[cfg(test)]
mod tests {
    use super::{PIECE_BYTES, Pieces, cut, join, keys};

    #[test]
    fn a_text_of_any_length_is_joined_as_it_was_cut() {
        for (bytes, count) in [
            (0, 0),
            (1, 1),
            (PIECE_BYTES - 1, 1),
            (PIECE_BYTES, 1),
            (PIECE_BYTES + 1, 2),
            (2 * PIECE_BYTES, 2),
            (11 * PIECE_BYTES + 1, 12),
        ] {
            let sealed: Vec<_> = (0_u8..251).cycle().take(bytes).collect();
            let mut pieces: Pieces =
                cut("reply", &sealed).map(|(key, piece)| (key, piece.to_vec())).collect();
            assert_eq!(pieces.len(), count, "{bytes}");
            assert!(pieces.values().all(|piece| (1..=PIECE_BYTES).contains(&piece.len())));
            assert!(
                keys("reply", bytes as u64).eq((0..count).map(|number| format!("reply#{number}")))
            );
            let joined = |pieces: &Pieces| join("reply", bytes as u64, pieces);
            assert_eq!(joined(&pieces).as_ref(), Some(&sealed), "{bytes}");
            // Pieces of other texts, and pieces too many, change nothing.
            pieces.insert("prompt#0".into(), vec![1]);
            pieces.insert(format!("reply#{count}"), vec![1]);
            assert_eq!(joined(&pieces).as_ref(), Some(&sealed), "{bytes}");
            for number in 0..count {
                let mut fewer = pieces.clone();
                fewer.remove(&format!("reply#{number}"));
                assert_eq!(joined(&fewer), None, "{bytes} without {number}");
            }
        }
    }

    #[test]
    fn an_altered_length_costs_no_memory() {
        let pieces = Pieces::from([("reply#0".into(), vec![1])]);
        assert_eq!(join("reply", u64::MAX, &pieces), None);
    }
}
