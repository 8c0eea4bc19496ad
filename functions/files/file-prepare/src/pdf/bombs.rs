//! Streams that inflate without bound. A reader of a part inflates its streams, so no part may have
//! such a stream.

use std::io::Read;

use flate2::read::ZlibDecoder;
use lopdf::{DecompressError, Document, Error, Object, Stream};
use tally_files::domain::Reason;

/// Bytes to which a stream may inflate. A page in color, scanned at 600 dots an inch, has 104 MB.
const MOST_OF_STREAM: u64 = 256 << 20;

/// Bytes to which all streams together may inflate.
const MOST_OF_ALL: u64 = 4 << 30;

/// Bytes to which a stream may inflate in memory.
const MOST_IN_MEMORY: usize = 64 << 20;

/// Refuses a document of which a stream inflates too far.
pub fn refuse(document: &Document) -> Result<(), Reason> {
    let mut left = MOST_OF_ALL;
    for stream in document.objects.values().filter_map(|object| object.as_stream().ok()) {
        let filters = filters(document, stream);
        let deflated = filters.iter().take_while(|filter| is_flate(filter)).count();
        if deflated > Stream::MAX_FILTERS {
            return Err(Reason::TooLarge);
        }
        // Each filter reads what the one before it has made, so each of them is measured.
        for layers in 1..=deflated {
            let size = inflated(&stream.content, layers)?;
            left = left.checked_sub(size).ok_or(Reason::TooLarge)?;
        }
        if filters.iter().any(|filter| grows_otherwise(filter)) {
            refuse_in_memory(stream)?;
        }
    }
    Ok(())
}

/// The names of a stream's filters. They may be objects of their own.
fn filters<'a>(document: &'a Document, stream: &'a Stream) -> Vec<&'a [u8]> {
    match stream.dict.get_deref(b"Filter", document) {
        Ok(Object::Name(name)) => vec![name.as_slice()],
        Ok(Object::Array(names)) => {
            let names = names.iter().map(|name| document.dereference(name));
            names.map_while(|name| name.ok()?.1.as_name().ok()).collect()
        }
        _ => Vec::new(),
    }
}

fn is_flate(filter: &[u8]) -> bool {
    matches!(filter, b"FlateDecode" | b"Fl")
}

/// Whether a filter makes much of few bytes, other than by deflate and as a picture.
fn grows_otherwise(filter: &[u8]) -> bool {
    matches!(filter, b"LZWDecode" | b"LZW" | b"RunLengthDecode" | b"RL" | b"BrotliDecode")
}

/// The bytes to which so many layers of deflate inflate. A stream may be damaged: it counts as far
/// as it can be read.
fn inflated(bytes: &[u8], layers: usize) -> Result<u64, Reason> {
    let mut reader: Box<dyn Read + '_> = Box::new(bytes);
    for _ in 0..layers {
        reader = Box::new(ZlibDecoder::new(reader));
    }
    let mut buffer = vec![0; 64 << 10];
    let mut size = 0;
    while let Ok(read) = reader.read(&mut buffer)
        && read > 0
    {
        size += read as u64;
        if size > MOST_OF_STREAM {
            return Err(Reason::TooLarge);
        }
    }
    Ok(size)
}

/// Refuses a stream with other filters. One that cannot be inflated is no bomb.
fn refuse_in_memory(stream: &Stream) -> Result<(), Reason> {
    match stream.decompressed_content_with_limit(MOST_IN_MEMORY) {
        Err(Error::Decompress(DecompressError::MemoryLimitExceeded { .. })) => {
            Err(Reason::TooLarge)
        }
        _ => Ok(()),
    }
}
