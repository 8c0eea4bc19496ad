"""Announces and uploads files with httpx, rightly and wrongly."""

import base64
import hashlib
import time
from dataclasses import dataclass

import httpx

# The longest time of a preparation, with its way there and back.
DEADLINE = 75


@dataclass
class Upload:
    """A file that was announced, and the signed upload of it."""

    id: str
    url: str
    headers: dict

    def send(self, content, **changes):
        """Sends this content, with other headers in the place of some. None leaves one away."""
        names = {name.replace("_", "-"): value for name, value in changes.items()}
        headers = {name: value for name, value in {**self.headers, **names}.items() if value is not None}
        return httpx.put(self.url, content=content, headers=headers, timeout=60)


class Client:
    """A user of the API."""

    def __init__(self, url, username="demo", password="SecureDemo123!"):
        self.http = httpx.Client(base_url=url, timeout=60)
        user = {"username": username, "password": password}
        token = self.call("POST", "/auth/login", json=user)["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def call(self, method, path, status=200, **options):
        """The JSON of an answer, which must have this status."""
        answer = self.http.request(method, path, **options)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def announce(self, name, media_type, content):
        sha256 = hashlib.sha256(content)
        body = {"name": name, "size": len(content), "sha256": sha256.hexdigest(), "media_type": media_type}
        announced = self.call("POST", "/files", 201, json=body)
        file, upload = announced["file"], announced["upload"]
        assert (file["status"], upload["method"]) == ("pending", "PUT"), announced
        headers = {name.lower(): value for name, value in upload["headers"].items()}
        assert headers["x-amz-checksum-sha256"] == base64.b64encode(sha256.digest()).decode(), headers
        return Upload(file["id"], upload["url"], headers)

    def prepared(self, file_id):
        """A file once it is ready or rejected."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            file = self.call("GET", f"/files/{file_id}")
            if file["status"] in ("ready", "rejected"):
                return file
            time.sleep(0.05)
        raise AssertionError(f"{file} is not prepared in {DEADLINE} s")

    def check_content(self, file_id, sample):
        """Downloads a file as a browser would."""
        signed = self.call("GET", f"/files/{file_id}/content")["url"]
        answer = httpx.get(signed, timeout=60)
        assert (answer.status_code, answer.content) == (200, sample.content), (sample.name, answer.status_code)
        assert answer.headers["content-type"] == sample.media_type, answer.headers
        disposition = answer.headers["content-disposition"]
        assert disposition.startswith("attachment") and sample.name in disposition, disposition
        return signed


def check_sample(client, sample):
    """Takes a file from its announcement to the end of its preparation."""
    upload = client.announce(sample.name, sample.media_type, sample.content)
    assert upload.send(sample.content).status_code == 200, sample.name
    client.call("POST", f"/files/{upload.id}/complete", 202)
    file = client.prepared(upload.id)
    found = {name: file.get(name) for name in sample.expected}
    assert found == sample.expected, (sample.name, file)
    assert file.get("reason") in (sample.reasons or (None,)), (sample.name, file)
    if sample.reasons:
        client.call("GET", f"/files/{upload.id}/content", 409)
    else:
        client.check_content(upload.id, sample)


def check_refusals(client):
    """An upload that differs in anything is refused and stores nothing. The right one is taken once."""
    content = b"a" * 10_000
    other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    upload = client.announce("a.txt", "text/plain", content)
    missing = lambda: client.call("POST", f"/files/{upload.id}/complete", 409)["code"] == "upload_missing"
    assert missing()
    refusals = [
        (403, content + b"a", {}),
        (403, content[1:], {}),
        (403, b"", {}),
        # A body in chunks has no length.
        (403, iter([content]), {}),
        (403, content, {"content_type": "text/html"}),
        (403, content, {"content_type": None}),
        (403, content, {"x_amz_checksum_sha256": other}),
        (403, content, {"x_amz_checksum_sha256": None}),
        (403, content, {"if_none_match": None}),
        (403, content, {"x_amz_meta_owner": "me"}),
        (403, content, {"host": "attacker.example"}),
        (400, content, {"authorization": client.http.headers["Authorization"]}),
        (400, b"b" * len(content), {}),
    ]
    for status, body, changes in refusals:
        answer = upload.send(body, **changes)
        assert answer.status_code == status, (changes, answer.status_code, answer.text)
        assert missing(), (changes, "was stored")
    for url in (upload.url.replace("incoming/", "files/"), upload.url.partition("?")[0]):
        answer = httpx.put(url, content=content, headers=upload.headers)
        assert answer.status_code == 403, answer.text
    assert missing()
    # Without a signature the bucket shows nothing.
    bucket = upload.url.partition("/incoming/")[0]
    assert {httpx.get(address).status_code for address in (bucket, f"{bucket}/incoming/{upload.id}")} == {403}

    assert upload.send(content).status_code == 200
    assert upload.send(content).status_code == 412
    client.call("POST", f"/files/{upload.id}/complete", 202)
    assert client.prepared(upload.id)["status"] == "ready"
    client.call("POST", "/files", 422, json={"name": "a/b", "size": 0, "sha256": "", "media_type": "image/png"})


def check_signers(s3, bucket):
    """boto3 signs as the Rust SDK does, and a URL ends."""
    content = b"signed by boto3"
    checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
    headers = {"content-type": "text/plain", "x-amz-checksum-sha256": checksum, "if-none-match": "*"}
    wanted = {"Bucket": bucket, "Key": "incoming/boto3", "ContentLength": len(content), "ContentType": "text/plain"}
    wanted |= {"ChecksumSHA256": checksum, "IfNoneMatch": "*"}
    upload = Upload("boto3", s3.generate_presigned_url("put_object", Params=wanted, ExpiresIn=60), headers)
    assert upload.send(content + b"!").status_code == upload.send(content, content_type=None).status_code == 403
    assert upload.send(content).status_code == 200
    where = {"Bucket": bucket, "Key": "incoming/boto3"}
    assert s3.get_object(**where)["Body"].read() == content
    brief = s3.generate_presigned_url("get_object", Params=where, ExpiresIn=1)
    deadline = time.monotonic() + 30
    while (answer := httpx.get(brief)).status_code == 200:
        assert time.monotonic() < deadline, "the URL does not end"
        time.sleep(0.1)
    assert answer.status_code == 403 and "Request has expired" in answer.text, answer.text
