"""A local stack for a check: started, and ended with it."""

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def stack(*options, state=None, release=False):
    """The HTTP and the WebSocket URL of a stack with its state in this directory, or in memory. It builds the functions where that is
    still to be done, for release if that is asked for."""
    place = ["--state", state] if state else ["--memory"]
    profile = ["--release"] if release else []
    command = ["cargo", "run", "--locked", "--quiet", *profile, "--", *place, "--port", "0", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        urls = {}
        for line in process.stdout:
            if found := re.match(r"\s*(HTTP|WebSocket)\s+(\S+)", line):
                urls[found[1]] = found[2]
            if len(urls) == 2:
                break
        else:
            sys.exit("the stack did not start")
        yield urls["HTTP"], urls["WebSocket"]
    finally:
        # cargo has become the stack.
        process.terminate()
        process.wait(timeout=30)


def environment(state, function):
    """The variables with which a function runs on the stack that has its state in this directory."""
    command = [ROOT / "target/debug/tally", "--state", state, "env", function]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in printed.splitlines())
