"""Sends requests to a local stack for a minute, and holds the times of the answers and the memory of the functions against limits."""

import os
import subprocess
import sys
import time
from pathlib import Path

from stack import ROOT, stack

# The directory may be a link.
RELEASE = (ROOT / "target/release").resolve()

USERS, SECONDS = 50, 60
MEBIBYTES = 64
# The function that may have more, because it holds a whole file.
LARGE = {"file-prepare"}
# Functions whose peak has to be found: those that answer the requests, and the worker of jobs.
MEASURED = {"prompts", "files", "analyses", "batches", "jobs", "job-run"}
SETS = {
    "RateLimits": "login_lock=100000/1m,*=100000/1m",
    # The model answers at once, so that jobs end soon.
    "LoremWordMilliseconds": "0",
}


def peaks():
    """The most memory that each process of a function has had so far, in MiB: the function's name, and its peak."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            program = Path(os.readlink(directory / "exe"))
            status = dict(line.split(":", 1) for line in (directory / "status").read_text().splitlines())
        except OSError:
            # It has ended meanwhile, or belongs to the kernel.
            continue
        if program.parent == RELEASE and program.name != "tally" and "VmHWM" in status:
            yield program.name, int(status["VmHWM"].split()[0]) / 1024


def main():
    largest = {}
    sets = [option for name, value in SETS.items() for option in ("--set", f"{name}={value}")]
    with stack(*sets, release=True) as (url, _):
        # From here on statistics count: the processes of the functions have started by then.
        options = ["--headless", "--users", str(USERS), "--spawn-rate", str(USERS), "--reset-stats", "--run-time", f"{SECONDS}s"]
        locust = [sys.executable, "-m", "locust", "--locustfile", ROOT / ".ci/load/locustfile.py", "--host", url, *options, "--only-summary"]
        process = subprocess.Popen(locust)
        while process.poll() is None:
            for name, peak in peaks():
                largest[name] = max(peak, largest.get(name, 0))
            time.sleep(1)
        assert process.returncode == 0, "requests failed or took too long"
    print("MiB at most: " + ", ".join(f"{name} {peak:.0f}" for name, peak in sorted(largest.items())))
    assert MEASURED <= largest.keys(), largest
    too_large = {name: peak for name, peak in largest.items() if peak > MEBIBYTES and name not in LARGE}
    assert not too_large, f"more than {MEBIBYTES} MiB: {too_large}"


if __name__ == "__main__":
    main()
