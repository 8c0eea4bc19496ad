//! JSON in deflated pieces, each small enough for an item.

use std::io::{Read as _, Write as _};

use cells::stored::{Damaged, MAX_PIECE};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most bytes before they are deflated.
const MAX_INFLATED: u64 = 64 << 20;

/// The pieces of a value. One that [`unpack`] would not take is refused.
pub fn pack(value: &impl Serialize) -> Result<Vec<Vec<u8>>, Damaged> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(4));
    // A serde error may quote the value, so it goes no further.
    serde_json::to_writer(&mut encoder, value).map_err(|_| Damaged)?;
    encoder.flush().map_err(|_| Damaged)?;
    if encoder.total_in() > MAX_INFLATED {
        return Err(Damaged);
    }
    let bytes = encoder.finish().map_err(|_| Damaged)?;
    Ok(bytes.chunks(MAX_PIECE).map(<[u8]>::to_vec).collect())
}

/// The value of pieces.
pub fn unpack<T: DeserializeOwned>(pieces: &[Vec<u8>]) -> Result<T, Damaged> {
    let bytes = pieces.concat();
    let mut inflated = Vec::new();
    let mut decoder = DeflateDecoder::new(bytes.as_slice()).take(MAX_INFLATED);
    decoder.read_to_end(&mut inflated).map_err(|_| Damaged)?;
    serde_json::from_slice(&inflated).map_err(|_| Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_from_small_pieces() {
        // A generator makes bytes that do not deflate.
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 20
        };
        let value: Vec<u64> = std::iter::repeat_with(&mut next).take(200_000).collect();
        let pieces = pack(&value).unwrap();
        assert!(pieces.len() > 2);
        assert!(pieces.iter().all(|piece| piece.len() <= MAX_PIECE));
        assert_eq!(unpack::<Vec<u64>>(&pieces), Ok(value));
        assert_eq!(unpack::<Vec<u64>>(&pieces[1..]), Err(Damaged));
        assert_eq!(unpack::<String>(&pieces), Err(Damaged));
        assert_eq!(unpack::<Vec<u64>>(&[]), Err(Damaged));
    }
}
