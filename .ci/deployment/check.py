"""Takes the tour of the local stack, and of the template deployed on the emulator."""

import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from emulator import BUCKET, emulator
from providers import providers_are_apart
from stack import ROOT, stack
from template import translate
from tour import Admin, not_ready, replies_are_the_same, take_tour

# Replies and checkpoints that take no time; the rest is what production has by default.
PARAMETERS = {"LoremWordMilliseconds": "5", "AuditSealSeconds": "1"}


def binaries_directory():
    """Where cargo puts development builds."""
    metadata = subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return Path(json.loads(metadata.stdout)["target_directory"]) / "debug"


def tour_of_the_local_stack():
    settings = {**PARAMETERS, "Registration": "invite"}
    options = [option for name, value in settings.items() for option in ("--set", f"{name}={value}")]
    with stack(*options) as (http, websocket):
        take_tour(http, websocket, Admin("admin", "SecureAdmin123!"))


def tour_of_a_deployment():
    binaries = binaries_directory()
    used = {}

    def code(binary):
        used[binary] = binaries / binary
        return {"Bucket": BUCKET, "Key": binary}

    with tempfile.TemporaryDirectory(prefix="tally-deployment-") as scratch, emulator(Path(scratch)) as aws:
        template, api, routes = translate(ROOT / "template.yaml", code, aws.url_of("{api}") + "/live")
        architecture = {"x86_64": "x86_64"}.get(platform.machine(), "arm64")
        resources = aws.deploy(template, used.values(), {**PARAMETERS, "Architecture": architecture})
        aws.route(resources[api], {key: resources[function] for key, function in routes.items()})
        print(f"the emulator has {len(resources)} resources of the template and {len(routes)} routes of its HTTP API")
        aws.invoke(resources["SeedFunction"], {})
        # As docs/operations.md has it for a deployment that nobody can register with.
        invite = aws.invoke(resources["BootstrapAdminFunction"], {"email": "ops@example.com"})["invite"]
        http, websocket = aws.url_of(resources[api]), aws.url_of(resources["WebSocketApi"]).replace("http", "ws", 1) + "/live"
        try:
            ops = Admin("ops", "Correct-Horse-9", "ops@example.com", invite)
            take_tour(http, websocket, ops)
            # A parameter's new value reaches the workers, too: replies are the same with this one.
            aws.update({"LoremSeed": "7"})
            replies_are_the_same(http, ops)
            # That all of this was allowed says something only where the emulator would refuse it.
            aws.take_policies(resources["ReadyFunctionRole"])
            not_ready(http)
            providers_are_apart(aws)
        except BaseException:
            print(*aws.warnings(), sep="\n", file=sys.stderr)
            print(aws.log.read_text()[-5000:], file=sys.stderr)
            raise


for title, tour in {"the local stack": tour_of_the_local_stack, "the deployment": tour_of_a_deployment}.items():
    started = time.monotonic()
    tour()
    print(f"the tour of {title} is as expected ({time.monotonic() - started:.0f} s)", flush=True)
