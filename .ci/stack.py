"""A local stack for a check: started, and ended with it."""

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def stack(*options):
    """The URL of a stack with its state in memory."""
    command = ["cargo", "run", "--locked", "--quiet", "--", "--memory", "--port", "0", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        found = next((found for line in process.stdout if (found := re.match(r"\s*HTTP\s+(http://\S+)", line))), None)
        if found is None:
            sys.exit("the stack did not start")
        yield found[1]
    finally:
        # cargo has become the stack.
        process.terminate()
        process.wait(timeout=30)
