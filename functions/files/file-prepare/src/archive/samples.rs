//! Zips made by hand, so that each of their fields may lie.

use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// An entry, as its headers have it.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    /// The bytes as they stand in the archive.
    pub data: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    pub crc: u32,
    pub size: u32,
    pub mode: u32,
    /// Where the header stands, if it is not one of its own.
    pub header: Option<u32>,
}

/// An entry that is not compressed.
pub fn stored(name: &str, content: &[u8]) -> Entry {
    let mut crc = Crc::new();
    crc.update(content);
    Entry {
        name: name.as_bytes().to_vec(),
        data: content.to_vec(),
        method: STORED,
        flags: 0,
        crc: crc.sum(),
        size: u32::try_from(content.len()).unwrap(),
        mode: 0o100_644,
        header: None,
    }
}

/// An entry that is deflated.
pub fn deflated(name: &str, content: &[u8]) -> Entry {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    let data = encoder.finish().unwrap();
    Entry { data, method: DEFLATED, ..stored(name, content) }
}

/// A zip of these entries.
pub fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::<u8>::new();
    let mut places = Vec::new();
    for entry in entries {
        places.push(entry.header.unwrap_or_else(|| u32::try_from(bytes.len()).unwrap()));
        if entry.header.is_none() {
            bytes.extend(b"PK\x03\x04\x14\0");
            bytes.extend(common(entry));
            bytes.extend([0; 2]);
            bytes.extend(&entry.name);
            bytes.extend(&entry.data);
        }
    }
    let start = bytes.len();
    for (entry, place) in entries.iter().zip(&places) {
        // Made by a Unix system.
        bytes.extend(b"PK\x01\x02\x14\x03\x14\0");
        bytes.extend(common(entry));
        bytes.extend([0; 8]);
        bytes.extend((entry.mode << 16).to_le_bytes());
        bytes.extend(place.to_le_bytes());
        bytes.extend(&entry.name);
    }
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    let size = u32::try_from(bytes.len() - start).unwrap();
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count, count].concat());
    bytes.extend(size.to_le_bytes());
    bytes.extend(u32::try_from(start).unwrap().to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// The fields from the flags to the length of the name, which both headers of an entry have.
fn common(entry: &Entry) -> Vec<u8> {
    let size = u32::try_from(entry.data.len()).unwrap();
    let name = u16::try_from(entry.name.len()).unwrap();
    [
        entry.flags.to_le_bytes().as_slice(),
        &entry.method.to_le_bytes(),
        &[0; 4],
        &entry.crc.to_le_bytes(),
        &size.to_le_bytes(),
        &entry.size.to_le_bytes(),
        &name.to_le_bytes(),
    ]
    .concat()
}
