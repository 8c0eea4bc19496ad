"""The tests' stand-ins for the APIs of models, for a check: started, and ended with it."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

from stack import ROOT

# There is no `--package`: with it, cargo would compile for the features that this package alone needs.
EXAMPLE = ["cargo", "run", "--locked", "--quiet", "--example"]


@contextmanager
def stand_in(example="messages_api"):
    """The words that a stand-in prints: its URL, and the key or the credentials that it takes."""
    # In a process group of its own, so that cargo and the stand-in end together.
    process = subprocess.Popen([*EXAMPLE, example], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        line = process.stdout.readline().split()
        if not line:
            sys.exit("the stand-in did not start")
        yield line
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)
