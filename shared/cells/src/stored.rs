//! The stored form of cells: deflated pieces that can be read alone.
//!
//! A piece has a run of cells, row by row. Each is small enough for an item of DynamoDB. Reading
//! is bounded too: a piece can't inflate to more than it may hold, nor have other cells than the
//! caller expects.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::address::Area;
use crate::formula::Groups;
use crate::matrix::Scalar;
use crate::part::{Part, RawCell, ValueType};

/// Most bytes of a piece.
pub const MAX_PIECE: usize = 350 << 10;

/// Most bytes of a piece before it is deflated. One cell has at most some 300 KB.
const MAX_INFLATED: usize = 2 << 20;

/// First byte of a piece. Another form gets another number.
const VERSION: u8 = 1;

/// Cells of one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Index of the first cell in the part or the range.
    pub first: usize,
    /// How many cells it has.
    pub count: usize,
    /// The deflated bytes.
    pub bytes: Vec<u8>,
}

/// Bytes are no piece of the cells that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored cells are damaged")]
pub struct Damaged;

impl Part {
    /// The pieces of the part. Number formats are the part's own: they are stored beside it.
    pub fn pieces(&self) -> Vec<Piece> {
        pieces(self.cells.len(), |index, bytes| write_cell(bytes, &self.cells[index]))
    }

    /// The cells of some rows, as a part, from pieces that together have them.
    pub fn from_pieces(
        whole: Area,
        rows: Area,
        formats: Vec<Arc<str>>,
        has_formulas: bool,
        pieces: &[Piece],
    ) -> Result<Self, Damaged> {
        let mut cells = vec![None; usize::try_from(rows.cells()).map_err(|_| Damaged)?];
        let mut texts = Texts::default();
        for piece in pieces {
            let mut bytes = inflate(&piece.bytes)?;
            for index in piece.first..piece.first.checked_add(piece.count).ok_or(Damaged)? {
                let cell = bytes.cell(formats.len(), &mut texts)?;
                let place = whole.cell(index).and_then(|cell| rows.index(cell));
                if let Some(place) = place.and_then(|place| cells.get_mut(place)) {
                    *place = Some(cell);
                }
            }
            bytes.end()?;
        }
        let cells = cells.into_iter().collect::<Option<Vec<_>>>().ok_or(Damaged)?;
        Ok(Self { area: rows, formats, cells, has_formulas })
    }
}

impl Groups {
    /// The pieces of the groups' numbers. The sources of the groups are stored beside them.
    pub fn pieces(&self) -> Vec<Piece> {
        pieces(self.ids.len(), |index, bytes| {
            // Neighbours are alike: zero says "as before".
            let before = index.checked_sub(1).map_or(0, |before| self.ids[before]);
            let change = i64::from(self.ids[index]) - i64::from(before);
            write_number(bytes, zigzag(change));
        })
    }

    /// The numbers of a piece, with the number of the cell before it.
    pub fn read_ids(piece: &Piece, before: u32) -> Result<Vec<u32>, Damaged> {
        let mut bytes = inflate(&piece.bytes)?;
        let mut last = before;
        let mut ids = Vec::new();
        for _ in 0..piece.count {
            let change = unzigzag(bytes.number()?);
            let id = i64::from(last).checked_add(change).ok_or(Damaged)?;
            last = u32::try_from(id).map_err(|_| Damaged)?;
            ids.push(last);
        }
        bytes.end()?;
        Ok(ids)
    }
}

/// Cuts a run of cells into pieces.
fn pieces(count: usize, write: impl Fn(usize, &mut Vec<u8>)) -> Vec<Piece> {
    let mut all = Vec::new();
    let mut first = 0;
    while first < count {
        let mut bytes = vec![VERSION];
        let mut ends = Vec::new();
        for index in first..count {
            write(index, &mut bytes);
            if bytes.len() > MAX_INFLATED && !ends.is_empty() {
                break;
            }
            ends.push(bytes.len());
        }
        // A piece that does not deflate well gets fewer cells.
        let mut taken = ends.len();
        let deflated = loop {
            let deflated = deflate(&bytes[..ends[taken - 1]]);
            if deflated.len() <= MAX_PIECE || taken == 1 {
                break deflated;
            }
            taken = (taken * MAX_PIECE / deflated.len()).clamp(1, taken - 1);
        };
        all.push(Piece { first, count: taken, bytes: deflated });
        first += taken;
    }
    all
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(4));
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn inflate(bytes: &[u8]) -> Result<Bytes, Damaged> {
    let limit = u64::try_from(2 * MAX_INFLATED).map_err(|_| Damaged)?;
    let mut inflated = Vec::new();
    let read = DeflateDecoder::new(bytes).take(limit).read_to_end(&mut inflated);
    let is_whole = read.is_ok_and(|length| length < 2 * MAX_INFLATED);
    if !is_whole || inflated.first() != Some(&VERSION) {
        return Err(Damaged);
    }
    Ok(Bytes { inflated, at: 1 })
}

/// Bits of the first byte of a cell. The lowest three are the kind of its value.
const FORMULA: u8 = 0b0000_1000;
const FORMAT: u8 = 0b0001_0000;
const ERROR: u8 = 0b0010_0000;
const RICH: u8 = 0b0100_0000;

fn write_cell(bytes: &mut Vec<u8>, cell: &RawCell) {
    let kind = match cell.value {
        Scalar::Null => 0,
        Scalar::Boolean(false) => 1,
        Scalar::Boolean(true) => 2,
        Scalar::Number(_) => 3,
        Scalar::Text(_) => 4,
    };
    let value_type = match cell.value_type {
        ValueType::Plain => 0,
        ValueType::Error => ERROR,
        ValueType::Rich => RICH,
    };
    let formula = if cell.formula.is_some() { FORMULA } else { 0 };
    let format = if cell.format > 0 { FORMAT } else { 0 };
    bytes.push(kind | value_type | formula | format);
    match &cell.value {
        Scalar::Number(number) => bytes.extend(number.to_bits().to_be_bytes()),
        Scalar::Text(text) => write_text(bytes, text),
        Scalar::Null | Scalar::Boolean(_) => {}
    }
    if let Some(formula) = &cell.formula {
        write_text(bytes, formula);
    }
    if cell.format > 0 {
        write_number(bytes, cell.format.into());
    }
}

fn write_text(bytes: &mut Vec<u8>, text: &str) {
    write_number(bytes, u64::try_from(text.len()).unwrap_or_default());
    bytes.extend(text.as_bytes());
}

/// Seven bits a byte, the lowest ones first.
fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or_default());
}

/// Small numbers of both signs as small ones without.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Texts that cells share. Cells of a column often have the same, and deflated they cost nothing.
#[derive(Default)]
struct Texts(HashSet<Arc<str>>);

impl Texts {
    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.0.insert(text.clone());
        text
    }
}

/// Inflated bytes under a cursor.
struct Bytes {
    inflated: Vec<u8>,
    at: usize,
}

impl Bytes {
    fn cell(&mut self, formats: usize, texts: &mut Texts) -> Result<RawCell, Damaged> {
        let [first] = self.take()?;
        let value = match first & 0b111 {
            0 => Scalar::Null,
            1 => Scalar::Boolean(false),
            2 => Scalar::Boolean(true),
            3 => Scalar::Number(f64::from_bits(u64::from_be_bytes(self.take()?))),
            4 => Scalar::Text(texts.share(self.text()?)),
            _ => return Err(Damaged),
        };
        let value_type = match (first & ERROR, first & RICH) {
            (0, 0) => ValueType::Plain,
            (_, 0) => ValueType::Error,
            (0, _) => ValueType::Rich,
            _ => return Err(Damaged),
        };
        let formula = if first & FORMULA > 0 { Some(texts.share(self.text()?)) } else { None };
        let format = if first & FORMAT > 0 { self.number()? } else { 0 };
        let format = u16::try_from(format).map_err(|_| Damaged)?;
        if format > 0 && usize::from(format) >= formats {
            return Err(Damaged);
        }
        Ok(RawCell { value, formula, format, value_type })
    }

    fn text(&mut self) -> Result<&str, Damaged> {
        let length = usize::try_from(self.number()?).map_err(|_| Damaged)?;
        let end = self.at.checked_add(length).ok_or(Damaged)?;
        let bytes = self.inflated.get(self.at..end).ok_or(Damaged)?;
        self.at = end;
        std::str::from_utf8(bytes).map_err(|_| Damaged)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take()?;
            let bits = u64::from(byte & 0x7f);
            number |= bits
                .checked_shl(shift)
                .filter(|shifted| shifted >> shift == bits)
                .ok_or(Damaged)?;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let bytes =
            self.inflated.get(self.at..).and_then(|rest| rest.first_chunk()).ok_or(Damaged)?;
        self.at += N;
        Ok(*bytes)
    }

    fn end(&self) -> Result<(), Damaged> {
        if self.at == self.inflated.len() { Ok(()) } else { Err(Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::address::Address;
    use crate::formula::UNRESOLVED;

    fn area(text: &str) -> Area {
        text.parse::<Address>().unwrap().area
    }

    fn part(body: serde_json::Value) -> Part {
        Part::new(&serde_json::from_value(body).unwrap()).unwrap()
    }

    fn read(part: &Part, rows: Area, pieces: &[Piece]) -> Result<Part, Damaged> {
        Part::from_pieces(part.area, rows, part.formats.clone(), part.has_formulas, pieces)
    }

    /// Text that does not deflate.
    fn noise(seed: u64, length: usize) -> String {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from_u32(0x4e00 + u32::try_from(state % 0x5000).unwrap()).unwrap()
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn cells_come_back_as_they_were() {
        let part = part(json!({
            "address": "B2:D4",
            "values": [[1.5, "é", true], ["", -0.1, "#N/A"], [false, "x", 1e300]],
            "formulas": [["=1.5", "é", true], ["=IF(1,\"\")", -0.1, "=NA()"], [false, "x", 1e300]],
            "number_formats": [["0%", "@", "General"], ["", "0%", ""], ["", "", "d/m/yy"]],
            "value_types": [["", "", ""], ["", "", "Error"], ["", "RichValue", ""]],
        }));
        let pieces = part.pieces();
        assert_eq!(pieces.len(), 1);
        assert_eq!(read(&part, part.area, &pieces), Ok(part.clone()));
        let row = read(&part, area("B3:D3"), &pieces).unwrap();
        assert_eq!(row.cells, &part.cells[3..6]);
    }

    #[test]
    fn a_piece_is_small_and_can_be_read_alone() {
        let rows: Vec<_> = (0..40).map(|row| json!([noise(row, 10_000), row])).collect();
        let part = part(json!({"address": "A1:B40", "values": rows}));
        let pieces = part.pieces();
        assert!(pieces.len() > 2);
        let mut next = 0;
        for piece in &pieces {
            assert!(piece.bytes.len() <= MAX_PIECE);
            assert_eq!(piece.first, next);
            next += piece.count;
        }
        assert_eq!(next, part.cells.len());
        assert_eq!(read(&part, part.area, &pieces), Ok(part.clone()));
        // The rows that the second piece has whole.
        let end = pieces[1].first + pieces[1].count;
        let (first, last) = (pieces[1].first.div_ceil(2), end / 2);
        let rows = area(&format!("A{}:B{last}", first + 1));
        let some = read(&part, rows, &pieces[1..2]).unwrap();
        assert_eq!(some.cells, &part.cells[first * 2..last * 2]);
        assert_eq!(read(&part, part.area, &pieces[1..]), Err(Damaged));
    }

    #[test]
    fn the_largest_cell_fits() {
        let text = noise(1, 32_767);
        let formula = format!("=\"{}\"", noise(2, 8_000));
        let part = part(json!({"address": "A1", "values": text, "formulas": formula}));
        let pieces = part.pieces();
        assert!(pieces[0].bytes.len() <= MAX_PIECE);
        assert_eq!(read(&part, part.area, &pieces), Ok(part));
    }

    #[test]
    fn cells_with_the_same_text_share_it() {
        let part = part(json!({"address": "A1:A2", "values": [["same"], ["same"]]}));
        let cells = read(&part, part.area, &part.pieces()).unwrap().cells;
        let [Scalar::Text(one), Scalar::Text(other)] = [&cells[0].value, &cells[1].value] else {
            panic!("{cells:?}");
        };
        assert!(Arc::ptr_eq(one, other));
    }

    #[test]
    fn groups_come_back_as_they_were() {
        let ids = vec![0, 0, 1, 1, UNRESOLVED, 0, 50_000, 1];
        let groups = Groups { ids: ids.clone(), sources: Vec::new() };
        let pieces = groups.pieces();
        assert_eq!(Groups::read_ids(&pieces[0], 0), Ok(ids));
        assert_eq!(Groups::read_ids(&pieces[0], UNRESOLVED), Err(Damaged));
    }

    #[test]
    fn damaged_bytes_and_bombs_are_refused() {
        let part = part(json!({"address": "A1:A3", "values": [["some text"], [5], [true]]}));
        let piece = part.pieces().remove(0);
        let attempt = |piece: Piece| read(&part, part.area, &[piece]);
        assert!(attempt(piece.clone()).is_ok());
        for count in [0, 2, 4, usize::MAX] {
            assert_eq!(attempt(Piece { count, ..piece.clone() }), Err(Damaged), "{count}");
        }
        assert_eq!(attempt(Piece { first: 1, ..piece.clone() }), Err(Damaged));
        for end in 0..piece.bytes.len() {
            let bytes = piece.bytes[..end].to_vec();
            let found = attempt(Piece { bytes, ..piece.clone() });
            // All cells may stand before the last byte.
            assert!(found == Err(Damaged) || found.as_ref() == Ok(&part), "{end}");
        }
        // Reading changed bytes ends, and does not panic.
        for at in 0..piece.bytes.len() {
            for bit in 0..8 {
                let mut bytes = piece.bytes.clone();
                bytes[at] ^= 1 << bit;
                let _ = attempt(Piece { bytes, ..piece.clone() });
            }
        }
        for content in [vec![], vec![2], vec![VERSION, 5], vec![VERSION, 4, 0xff, 0xff, 0xff]] {
            let bytes = deflate(&content);
            assert_eq!(attempt(Piece { bytes, count: 1, first: 0 }), Err(Damaged));
        }
        let bomb = deflate(&vec![VERSION; 64 << 20]);
        assert!(bomb.len() < MAX_PIECE);
        assert_eq!(attempt(Piece { bytes: bomb, ..piece.clone() }), Err(Damaged));
    }
}
