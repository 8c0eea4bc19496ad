"""Files of many kinds, and how the preparation of each has to end."""

import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass, field

import pikepdf

# Pages that a part of a PDF has, at most.
PART_PAGES = 20
MB = 1024 * 1024


@dataclass
class Sample:
    """A file. `expected` has members of the file once it is prepared. A rejected file has one of the reasons."""

    name: str
    media_type: str
    content: bytes
    expected: dict = field(default_factory=dict)
    reasons: tuple = ()


def ready(name, media_type, content, **expected):
    return Sample(name, media_type, content, {"status": "ready", **expected})


def rejected(name, media_type, content, *reasons):
    return Sample(name, media_type, content, {"status": "rejected"}, reasons)


def pdf(pages, **options):
    """A PDF with a line of text on each page."""
    document = pikepdf.new()
    font = document.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica))
    for number in range(1, pages + 1):
        page = document.add_blank_page(page_size=(595, 842))
        page.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        page.Contents = document.make_stream(f"BT /F1 12 Tf 72 720 Td (Page {number} of {pages}) Tj ET".encode())
    return saved(document, **options)


def saved(document, **options):
    content = io.BytesIO()
    document.save(content, **options)
    return content.getvalue()


def zeros(size):
    """So many MB of zeros, deflated. Each MB becomes the same bytes, so nothing as large is compressed here."""
    deflate = zlib.compressobj(9)
    start = deflate.compress(bytes(MB)) + deflate.flush(zlib.Z_FULL_FLUSH)
    repeated = deflate.compress(bytes(MB)) + deflate.flush(zlib.Z_FULL_FLUSH)
    # A last block without content, and Adler-32 of the zeros.
    checksum = struct.pack(">I", (size * MB % 65521) << 16 | 1)
    return start + repeated * (size - 1) + b"\x03\x00" + checksum


def inflating_pdf():
    """A PDF whose page inflates to 10 GB."""
    document = pikepdf.new()
    page = document.add_blank_page()
    content = zlib.compress(zeros(10 * 1024), 9)
    page.Contents = pikepdf.Stream(document, content)
    page.Contents.write(content, filter=pikepdf.Array([pikepdf.Name.FlateDecode] * 2))
    # qpdf would inflate it to compress it better.
    return saved(document, compress_streams=False, stream_decode_level=pikepdf.StreamDecodeLevel.none)


def archive(entries):
    """A zip of these entries, each a name and its bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, entry in entries.items():
            zipped.writestr(name, entry)
    return content.getvalue()


def overlapping():
    """A zip whose second entry lies within its first one."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as zipped:
        zipped.writestr("second.txt", "second")
        second = zipped.getinfo("second.txt")
        end = zipped.start_dir
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as zipped:
        zipped.writestr("first.txt", inner.getvalue()[:end])
        second.header_offset = content.getvalue().index(b"PK\x03\x04", 1)
        zipped.filelist.append(second)
        zipped.NameToInfo[second.filename] = second
    return content.getvalue()


# Offsets of the flags and of the size, in the header before an entry and in the directory.
FLAGS, SIZE = (6, 8), (22, 24)


def changed(content, offsets, value):
    """A zip of one entry whose headers have another value at these offsets."""
    content = bytearray(content)
    directory = content.index(b"PK\x01\x02")
    for place in (offsets[0], directory + offsets[1]):
        content[place : place + len(value)] = value
    return bytes(content)


def linked():
    """A zip with a symbolic link."""
    link = zipfile.ZipInfo("link")
    link.create_system = 3
    link.external_attr = 0o120_777 << 16
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as zipped:
        zipped.writestr(link, "/etc/passwd")
    return content.getvalue()


def samples():
    """The files, one of each kind."""
    text = "".join(f"line {number}: größer\n" for number in range(1, 3_001)).encode()
    table = "company,profit\n" + "".join(f"Company {number},{number}.00\n" for number in range(2_000))
    project = {
        "src/main.rs": "fn main() {}\n",
        "notes.txt": text,
        "logo.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "inner.zip": archive({"a.txt": "a"}),
        "node_modules/a/index.js": "1\n",
    }
    skipped = [
        {"path": "logo.png", "reason": "binary"},
        {"path": "inner.zip", "reason": "nested_archive"},
        {"path": "node_modules", "reason": "folder"},
    ]
    lines = b"aaaaaaa\n" * 125_000
    bomb = archive({"a.txt": lines * 50})
    zip_type, pdf_type = "application/zip", "application/pdf"
    return [
        ready("notes.txt", "text/plain", text, parts=2),
        ready("profits.csv", "text/csv", table.encode(), parts=1),
        ready("profits.json", "application/json", json.dumps({"profit": "1.00"}).encode(), parts=1),
        ready("plain.pdf", pdf_type, pdf(3), pages=3, parts=1),
        ready("long.pdf", pdf_type, pdf(45), pages=45, parts=-(-45 // PART_PAGES)),
        ready("project.zip", zip_type, archive(project), skipped=skipped),
        rejected("latin.txt", "text/plain", "größer".encode("latin-1"), "not_text"),
        rejected("blank.txt", "text/plain", b" \n\n", "empty"),
        rejected("text.pdf", pdf_type, text, "type_mismatch"),
        rejected("pdf.zip", zip_type, pdf(1), "type_mismatch"),
        rejected("pdf.txt", "text/plain", pdf(1), "type_mismatch", "not_text"),
        rejected("broken.pdf", pdf_type, b"%PDF-1.7\n" + text, "unreadable"),
        rejected("secret.pdf", pdf_type, pdf(1, encryption=pikepdf.Encryption(user="user", owner="owner")), "encrypted"),
        rejected("inflating.pdf", pdf_type, inflating_pdf(), "too_large", "unreadable"),
        rejected("many.pdf", pdf_type, pdf(1_001), "too_large"),
        rejected("empty.zip", zip_type, archive({}), "empty"),
        rejected("secret.zip", zip_type, changed(archive({"a.txt": "a"}), FLAGS, b"\x01"), "encrypted"),
        rejected("outside.zip", zip_type, archive({"../a.txt": "a"}), "unsafe_archive"),
        rejected("link.zip", zip_type, linked(), "unsafe_archive"),
        rejected("overlapping.zip", zip_type, overlapping(), "unsafe_archive"),
        rejected("bomb.zip", zip_type, bomb, "too_large"),
        rejected("lying-bomb.zip", zip_type, changed(bomb, SIZE, struct.pack("<I", 100)), "too_large", "unreadable"),
        rejected("many-bombs.zip", zip_type, archive({f"{number}.txt": lines for number in range(21)}), "too_large"),
        rejected("many.zip", zip_type, archive({f"{number}.txt": "a" for number in range(2_001)}), "too_large"),
    ]
