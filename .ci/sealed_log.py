"""A copy of the bucket with the sealed log, and what verifiers of others say about it. They know the forms of C2SP, and nothing of this
project."""

from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import combinations
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import aics_tlog
from cryptography.exceptions import InvalidSignature
from tlog_scales import tiles, tlog
from tlog_scales.backend import HttpBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey

# What a verifier raises for a bad log. All else is an error of the check itself.
REFUSALS = (
    AssertionError,
    InvalidSignature,
    aics_tlog.TileMissingError,
    aics_tlog.TileUnavailableError,
    aics_tlog.TileVerificationError,
    tlog.ConsistencyProofInvalid,
    tlog.InclusionProofInvalid,
)


class Keys(NamedTuple):
    """The key of the log, and the same key as a cosigner, which states the time of each checkpoint."""

    log: str
    time: str


@dataclass
class Stored:
    """An object as S3 has it."""

    body: bytes
    encoding: str | None = None


class Log(dict):
    """The objects of the bucket, by their keys."""

    @classmethod
    def of(cls, client, bucket):
        """Copies a bucket. The newest checkpoint comes first: the log may go on meanwhile."""

        def read(key):
            found = client.get_object(Bucket=bucket, Key=key)
            return Stored(found["Body"].read(), found.get("ContentEncoding"))

        log = cls(checkpoint=read("checkpoint"))
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in page["Contents"]:
                if item["Key"] not in log:
                    log[item["Key"]] = read(item["Key"])
        return log

    def kept_checkpoints(self):
        """Notes of different sizes, in the order of their sizes."""
        notes = {}
        for key, stored in self.items():
            if key.startswith("checkpoints/"):
                notes[int(key.split("/")[1].split("-")[0])] = stored.body
        return [notes[size] for size in sorted(notes) if size > 0]

    def write(self, directory):
        """Writes the objects as files, as `aws s3 sync` does."""
        for key, stored in self.items():
            path = Path(directory, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stored.body)

    @contextmanager
    def served(self):
        """Serves the objects over HTTP, with S3's headers. The URL."""
        log = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                stored = log.get(self.path.lstrip("/"))
                body = stored.body if stored else b""
                self.send_response(200 if stored else 404)
                if stored and stored.encoding:
                    self.send_header("Content-Encoding", stored.encoding)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/"
            finally:
                server.shutdown()


def aics(url, keys, notes, indices):
    """aics-tlog: both signatures of each checkpoint, each tile and bundle, the inclusion of these entries, and the consistency of every two
    of these checkpoints. The entries by their indices."""
    log_key, time_key = map(aics_tlog.parse_vkey, keys)

    def opened(note):
        note = aics_tlog.parse_note(note)
        found = aics_tlog.verify_checkpoint(note, log_key, [time_key], quorum=1, expected_origin=log_key.name)
        assert found.ok, found.error
        return found.size, found.root

    source = aics_tlog.HttpTileReader(url, proxies={})
    size, root = opened(source.read_checkpoint())
    aics_tlog.audit_tiles(source, size, root)
    reader = aics_tlog.VerifiedTileReader(source, size, root)
    entries = {}
    for index in indices:
        entry = entries[index] = reader.entry(index)
        proof = aics_tlog.inclusion_proof_from_tiles(reader, index, size)
        assert aics_tlog.verify_leaf_inclusion(entry, index, size, proof, root), f"entry {index} is not included"
    for (old, old_root), (new, new_root) in combinations(map(opened, notes), 2):
        proof = aics_tlog.consistency_proof_from_tiles(reader, old, new, size)
        assert aics_tlog.verify_consistency(old, new, old_root, new_root, proof), f"{old} and {new} are not consistent"
    return entries


def scales(url, keys, notes, indices):
    """tlog-scales: the same, but it reads only the tiles that it needs for a proof."""
    vkeys = [Vkey.from_string(key) for key in keys]

    def opened(checkpoint):
        assert checkpoint.origin == vkeys[0].name, checkpoint.origin
        for vkey in vkeys:
            assert any(vkey.match(signature) for signature in checkpoint.signatures), f"no signature by {vkey}"
            checkpoint.verify(vkey)
        return checkpoint

    reader = TilesReader(HttpBackend(url))
    newest = opened(reader.get_checkpoint())
    assert reader.calculate_root_hash() == newest.root_hash, "the tiles have another root"
    entries = {}
    for index in indices:
        entry = entries[index] = reader.get_entry(index)
        reader.get_inclusion_proof(index, newest.size).check(tiles.leaf_hash(entry), newest.root_hash)
    checkpoints = [opened(tlog.Checkpoint.from_text(note.decode())) for note in notes]
    for old, new in combinations(checkpoints, 2):
        reader.get_consistency_proof(old.size, new.size).check(old.root_hash, new.root_hash)
    return entries


VERIFIERS = (aics, scales)
