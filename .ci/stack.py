"""A local stack for a check: started, and ended with it."""

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def stack(*options):
    """The HTTP and the WebSocket URL of a stack with its state in memory. It builds the functions where that is still to be done."""
    command = ["cargo", "run", "--locked", "--quiet", "--", "--memory", "--port", "0", *options]
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
