"""What 50 people and programs do with prompts and files, 100 requests a second together: nine in ten read."""

import hashlib
import random
import time
import uuid

import requests
from locust import HttpUser, constant_throughput, events, task

ADMIN = {"username": "admin", "password": "SecureAdmin123!"}
P95_MILLISECONDS = 50
# Of each person, a second.
RATE = 2
PROMPTS = [f"load.prompt-{number}" for number in range(20)]
VERSIONS = 3
# Bytes of a small table.
TABLE = "month,profit\n".encode() + b"".join(f"{month},{month * 1_000}.50\n".encode() for month in range(1, 101))

# Of the whole run: the headers of the administrator, and the files that are ready.
headers = {}
ready = []


def content(text):
    variables = [{"name": "month", "type": "date"}, {"name": "notes", "type": "string", "required": False}]
    user = "Notes: {{notes}}\n{{input}}"
    return {"kind": "task", "system": f"You review the books of {{{{month}}}}. {text}", "user": user, "variables": variables}


def announcement(data):
    return {"name": "table.csv", "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "media_type": "text/csv"}


@events.test_start.add_listener
def prepare(environment, **_):
    """Prompts with versions and labels, and files that are ready."""

    def call(method, path, body=None):
        answer = requests.request(method, environment.host + path, json=body, headers=headers, timeout=60)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    headers["Authorization"] = f"Bearer {call('POST', '/auth/login', ADMIN)['access_token']}"
    for name in PROMPTS:
        for version in range(VERSIONS):
            call("POST", f"/prompts/{name}/versions", content(f"This is text {version}. " * 40))
        for label in ("production", "staging"):
            call("PUT", f"/prompts/{name}/labels/{label}", {"version": VERSIONS})
    for number in range(5):
        data = TABLE + f"{number}\n".encode()
        announced = call("POST", "/files", announcement(data))
        upload = announced["upload"]
        requests.request(upload["method"], upload["url"], data=data, headers=upload["headers"], timeout=60).raise_for_status()
        call("POST", f"/files/{announced['file']['id']}/complete")
        ready.append(announced["file"]["id"])
    end = time.monotonic() + 60
    while (states := {call("GET", f"/files/{each}")["status"] for each in ready}) != {"ready"}:
        assert states <= {"processing", "ready"} and time.monotonic() < end, states
        time.sleep(0.2)


@events.quitting.add_listener
def judge(environment, **_):
    total = environment.stats.total
    p95 = total.get_response_time_percentile(0.95)
    print(f"{total.num_requests} requests, {total.total_rps:.0f} a second, {total.num_failures} failed, p95 {p95} ms")
    if total.num_requests == 0 or total.num_failures or p95 >= P95_MILLISECONDS:
        environment.process_exit_code = 1


class Person(HttpUser):
    wait_time = constant_throughput(RATE)

    def on_start(self):
        self.uploaded = None
        # All begin together. Without this, all would send their requests together too.
        time.sleep(random.uniform(0, 1 / RATE))

    def call(self, method, path, name, **options):
        return self.client.request(method, path, name=f"{method} {name}", headers=headers, **options)

    @task(15)
    def list_prompts(self):
        self.call("GET", "/prompts?prefix=load.", "/prompts")

    @task(20)
    def read_prompt(self):
        self.call("GET", f"/prompts/{random.choice(PROMPTS)}", "/prompts/{name}")

    @task(20)
    def read_version(self):
        which = random.choice(["production", "staging", "1", "2", "3"])
        self.call("GET", f"/prompts/{random.choice(PROMPTS)}/versions/{which}", "/prompts/{name}/versions/{version}")

    @task(10)
    def render(self):
        values = {"month": "2026-01-01", "notes": "{{month}} " * 100}
        body = {"label": "staging", "variables": values, "text": "How did Alpha do?"}
        self.call("POST", f"/prompts/{random.choice(PROMPTS)}/render", "/prompts/{name}/render", json=body)

    @task(10)
    def list_files(self):
        self.call("GET", "/files?status=ready", "/files")

    @task(10)
    def read_file(self):
        self.call("GET", f"/files/{random.choice(ready)}", "/files/{id}")

    @task(5)
    def read_content(self):
        self.call("GET", f"/files/{random.choice(ready)}/content", "/files/{id}/content")

    @task(4)
    def save_version(self):
        body = content(f"{uuid.uuid4()} " * 20)
        self.call("POST", f"/prompts/{random.choice(PROMPTS)}/versions", "/prompts/{name}/versions", json=body)

    @task(3)
    def move_label(self):
        body = {"version": random.randint(1, VERSIONS)}
        self.call("PUT", f"/prompts/{random.choice(PROMPTS)}/labels/staging", "/prompts/{name}/labels/{label}", json=body)

    @task(1)
    def upload(self):
        """Three calls, and the upload itself, which goes to S3. The quota stays free: the file before goes."""
        data = TABLE + uuid.uuid4().bytes.hex().encode()
        announced = self.call("POST", "/files", "/files", json=announcement(data)).json()
        upload, file = announced["upload"], announced["file"]["id"]
        self.client.request(upload["method"], upload["url"], name="PUT (S3)", data=data, headers=upload["headers"])
        self.call("POST", f"/files/{file}/complete", "/files/{id}/complete")
        if self.uploaded:
            self.call("DELETE", f"/files/{self.uploaded}", "/files/{id}")
        self.uploaded = file
