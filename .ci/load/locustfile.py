"""What 50 people and programs do with prompts, files and jobs, 100 requests a second together: nine in ten read."""

import hashlib
import random
import time
import uuid
from collections import deque

import requests
from locust import HttpUser, events, task

ADMIN = {"username": "admin", "password": "SecureAdmin123!"}
P95_MILLISECONDS = 50
# Of each person, a second.
RATE = 2
PROMPTS = [f"load.prompt-{number}" for number in range(20)]
VERSIONS = 3
# Bytes of a small table.
TABLE = "month,profit\n".encode() + b"".join(f"{month},{month * 1_000}.50\n".encode() for month in range(1, 101))

# Users with jobs, of whom each may have five jobs that have not ended. About five people share each user.
OWNERS = 10
OPEN_JOBS = 5
ROWS = 20
CODE = "def add(a, b):\n    # No overflow here.\n    return a + b\n"
# The longest time of a preparation.
PATIENCE = 60

# Of the whole run: the headers of the administrator, the files that are ready, and the owners of jobs.
headers = {}
ready = []
owners = []


class Owner:
    """A user with jobs that have ended, which are read, and with others that come and go."""

    def __init__(self, call, number):
        user = {"username": f"load_{number}", "password": "Load-of-2026!"}
        # The account is new in each run, because the stack is.
        call("POST", "/auth/register", {**user, "email": f"load-{number}@example.com"}, {})
        self.headers = {"Authorization": f"Bearer {call('POST', '/auth/login', user, {})['access_token']}"}
        own = lambda method, path, body=None: call(method, path, body, self.headers)
        book = own("POST", "/workbooks", {"name": "Invoices"})["id"]
        values = [["Invoice", "Text"], *([f"I-{row}", f"Paper, {row} boxes"] for row in range(ROWS))]
        address = f"A1:B{len(values)}"
        head = {
            "sheet": {"name": "2026", "visibility": "visible"}, "address": address, "parts": 1, "headers": 1,
            "separators": {"decimal": ".", "group": ","}, "date_system": 1900, "spills": [], "pivots": [],
        }  # fmt: skip
        self.range = own("POST", f"/workbooks/{book}/ranges", head)["id"]
        own("PUT", f"/ranges/{self.range}/parts/1", {"address": address, "values": values, "formulas": values})
        own("POST", f"/ranges/{self.range}/complete")
        self.analyses = [own("POST", "/analyses", self.analysis())["id"] for _ in range(2)]
        self.batches = [own("POST", "/batches", self.batch())["id"]]
        for job in self.analyses + self.batches:
            ended = until(lambda job=job: own("GET", f"/jobs/{job}"), lambda job: job.get("ended_at"))
            assert ended["status"] == "succeeded", ended
        # Jobs that have been started meanwhile: those that may still run, without those that someone asks about just now; and those that
        # have ended. `unended` counts the former and those that are asked about.
        self.running, self.ended, self.unended = deque(), deque(), 0

    def analysis(self):
        return {"type": "code", "inputs": [{"name": "add.py", "text": CODE}], "title": "A small one"}

    def batch(self):
        operation = {"type": "classify", "labels": ["paid", "open", "late"]}
        return {"range_id": self.range, "operation": operation, "input_columns": ["A", "B"], "rows_per_call": 10}


def until(ask, is_it):
    """The answer, once it is as it has to be."""
    end = time.monotonic() + PATIENCE
    while not is_it(answer := ask()):
        assert time.monotonic() < end, answer
        time.sleep(0.2)
    return answer


def content(text):
    variables = [{"name": "month", "type": "date"}, {"name": "notes", "type": "string", "required": False}]
    user = "Notes: {{notes}}\n{{input}}"
    return {"kind": "task", "system": f"You review the books of {{{{month}}}}. {text}", "user": user, "variables": variables}


def announcement(data):
    return {"name": "table.csv", "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "media_type": "text/csv"}


# Before the test, so that the whole time of the run is for requests.
@events.init.add_listener
def prepare(environment, **_):
    """Prompts with versions and labels, files that are ready, and owners of jobs."""

    def call(method, path, body=None, of=headers):
        answer = requests.request(method, environment.host + path, json=body, headers=of, timeout=PATIENCE)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

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
        requests.request(upload["method"], upload["url"], data=data, headers=upload["headers"], timeout=PATIENCE).raise_for_status()
        call("POST", f"/files/{announced['file']['id']}/complete")
        ready.append(announced["file"]["id"])
    for file in ready:
        until(lambda file=file: call("GET", f"/files/{file}")["status"], lambda status: status != "processing")
        assert call("GET", f"/files/{file}")["status"] == "ready"
    owners.extend(Owner(call, number) for number in range(OWNERS))


@events.quitting.add_listener
def judge(environment, **_):
    total = environment.stats.total
    p95 = total.get_response_time_percentile(0.95)
    print(f"{total.num_requests} requests, {total.total_rps:.0f} a second, {total.num_failures} failed, p95 {p95} ms")
    if total.num_requests == 0 or total.num_failures or p95 >= P95_MILLISECONDS:
        environment.process_exit_code = 1


class Person(HttpUser):
    def on_start(self):
        self.uploaded = None
        self.owner = random.choice(owners)
        # All begin together. Without this, all would send their requests together too.
        time.sleep(random.uniform(0, 1 / RATE))
        self.due = time.monotonic()

    def wait_time(self):
        """The time until the next task. Locust's constant_throughput would count from the creation of a person, and so all would send
        their requests together from the second one on."""
        now = time.monotonic()
        self.due = max(now, self.due + 1 / RATE)
        return self.due - now

    def call(self, method, path, name, headers=headers, **options):
        return self.client.request(method, path, name=f"{method} {name}", headers=headers, **options)

    def own(self, method, path, name, **options):
        """A call of the owner of jobs."""
        return self.call(method, path, name, self.owner.headers, **options)

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

    @task(15)
    def list_jobs(self):
        self.own("GET", "/jobs?" + random.choice(["", "kind=analysis", "kind=batch&status=succeeded"]), "/jobs")

    @task(15)
    def read_job(self):
        self.own("GET", f"/jobs/{random.choice(self.owner.analyses + self.owner.batches)}", "/jobs/{id}")

    @task(15)
    def follow_job(self):
        """Asks whether a job has ended. None of the others asks about it meanwhile, so none of them deletes it."""
        if not self.owner.running:
            return self.read_job()
        job = self.owner.running.popleft()
        self.note(job, self.own("GET", f"/jobs/{job}", "/jobs/{id}").json())

    @task(15)
    def list_items(self):
        job = random.choice(self.owner.analyses + self.owner.batches)
        self.own("GET", f"/jobs/{job}/items", "/jobs/{id}/items")

    @task(15)
    def list_findings(self):
        forms = ["application/json"] * 3 + ["text/csv", "application/sarif+json"]
        headers = {**self.owner.headers, "Accept": random.choice(forms)}
        self.call("GET", f"/jobs/{random.choice(self.owner.analyses)}/findings", "/jobs/{id}/findings", headers)

    @task(3)
    def compare(self):
        job, earlier = self.owner.analyses
        self.own("GET", f"/jobs/{job}/compare?with={earlier}", "/jobs/{id}/compare")

    @task(15)
    def read_results(self):
        self.own("GET", f"/batches/{random.choice(self.owner.batches)}/results", "/batches/{id}/results")

    @task(3)
    def save_version(self):
        body = content(f"{uuid.uuid4()} " * 20)
        self.call("POST", f"/prompts/{random.choice(PROMPTS)}/versions", "/prompts/{name}/versions", json=body)

    @task(2)
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

    @task(4)
    def start_analysis(self):
        self.begin("/analyses", self.owner.analysis())

    @task(4)
    def start_batch(self):
        self.begin("/batches", self.owner.batch())

    @task(2)
    def cancel(self):
        """Stops the newest job, perhaps too late."""
        if not self.owner.running:
            return self.read_job()
        job = self.owner.running.pop()
        self.note(job, self.own("POST", f"/jobs/{job}/cancel", "/jobs/{id}/cancel").json())

    @task(5)
    def delete(self):
        if not self.owner.ended:
            return self.follow_job()
        self.own("DELETE", f"/jobs/{self.owner.ended.popleft()}", "/jobs/{id}")

    def begin(self, path, body):
        if self.owner.unended == OPEN_JOBS:
            return self.follow_job()
        self.owner.unended += 1
        key = {"Idempotency-Key": str(uuid.uuid4())}
        started = self.call("POST", path, path, {**self.owner.headers, **key}, json=body)
        self.owner.running.append(started.json()["id"])

    def note(self, job, state):
        """What an answer tells of a job that was started."""
        if state.get("ended_at"):
            self.owner.unended -= 1
            self.owner.ended.append(job)
        else:
            self.owner.running.append(job)
