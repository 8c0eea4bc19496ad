//! The form of bytes, by the signatures with which formats begin.

/// Where the signature of a tar stands.
const TAR: usize = 257;

/// Bytes before the signature of a PDF, at most. Readers look for it in the first 1,024 bytes.
const BEFORE_PDF: usize = 1_024;

/// A format whose bytes are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A PDF.
    Pdf,
    /// A zip.
    Zip,
    /// An archive or compressed file of another format.
    Archive,
    /// A program, a picture, or another file that is no text.
    Binary,
}

/// Signatures. Some are letters that a text may begin with too, so they count only for bytes that
/// are no text.
const SIGNATURES: &[(&[u8], Form)] = &[
    (b"%PDF-", Form::Pdf),
    (b"PK\x03\x04", Form::Zip),
    (b"PK\x05\x06", Form::Zip),
    (b"PK\x07\x08", Form::Zip),
    (b"\x1F\x8B", Form::Archive),
    (b"BZh", Form::Archive),
    (b"\xFD7zXZ\0", Form::Archive),
    (b"7z\xBC\xAF\x27\x1C", Form::Archive),
    (b"Rar!\x1A\x07", Form::Archive),
    (b"\x28\xB5\x2F\xFD", Form::Archive),
    (b"\x04\x22\x4D\x18", Form::Archive),
    (b"MSCF", Form::Archive),
    (b"\x89PNG", Form::Binary),
    (b"\xFF\xD8\xFF", Form::Binary),
    (b"GIF8", Form::Binary),
    (b"RIFF", Form::Binary),
    (b"\xD0\xCF\x11\xE0", Form::Binary),
    (b"\x7FELF", Form::Binary),
    (b"MZ", Form::Binary),
    (b"\xCF\xFA\xED\xFE", Form::Binary),
    (b"\xCA\xFE\xBA\xBE", Form::Binary),
    (b"\0asm", Form::Binary),
    (b"SQLite format 3\0", Form::Binary),
];

/// The form of bytes that are no text, if it is a known one.
pub fn form(bytes: &[u8]) -> Option<Form> {
    let known = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature));
    let is_tar = || bytes.get(TAR..).is_some_and(|bytes| bytes.starts_with(b"ustar"));
    known.map(|(_, form)| *form).or_else(|| is_tar().then_some(Form::Archive))
}

/// Whether bytes may be a PDF. Some programs write other bytes before it.
pub fn may_be_pdf(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(BEFORE_PDF)];
    start.windows(5).any(|window| window == b"%PDF-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_known_by_its_signature() {
        let mut tar = vec![b'a'; 512];
        tar[TAR..TAR + 5].copy_from_slice(b"ustar");
        let cases: [(&[u8], Option<Form>); 9] = [
            (b"%PDF-1.7\n", Some(Form::Pdf)),
            (b"PK\x03\x04\x14\0", Some(Form::Zip)),
            (b"PK\x05\x06\0\0", Some(Form::Zip)),
            (b"\x1F\x8B\x08", Some(Form::Archive)),
            (&tar, Some(Form::Archive)),
            (b"\x89PNG\r\n", Some(Form::Binary)),
            (b"PK is a name", None),
            (b"P", None),
            (b"", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(form(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_pdf_may_begin_late() {
        let late = |before: usize| [vec![b'\n'; before], b"%PDF-1.7".to_vec()].concat();
        assert!(may_be_pdf(&late(0)));
        assert!(may_be_pdf(&late(BEFORE_PDF - 5)));
        assert!(!may_be_pdf(&late(BEFORE_PDF)));
        assert!(!may_be_pdf(b"%PD"));
    }
}
