"""What the checks by the SDKs of models' vendors share: the requests that our providers send, and whether an SDK's types take them."""

import copy
import json
import subprocess

from pydantic import TypeAdapter
from stack import ROOT
from stand_in import EXAMPLE


def bodies(example):
    """The bodies that an example prints, one a line."""
    printed = subprocess.run([*EXAMPLE, example], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [json.loads(line) for line in printed.splitlines()]


def check_types(params, body):
    """That a type of an SDK takes a body with nothing left out."""
    # The iterators of its values need the adapter as long as they live.
    adapter = TypeAdapter(params)
    # The adapter leaves out a member that no type knows.
    assert plain(adapter.validate_python(copy.deepcopy(body))) == body, body


def plain(value):
    """A value without pydantic's iterators, which check their items only when they are read."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return value if value is None or isinstance(value, (str, int, float, bool)) else [plain(item) for item in value]
