"""schemathesis over every operation of docs/api/openapi.json, as an administrator of a local stack."""

import os
import subprocess

from stack import ROOT

CLIENTS = ROOT / ".ci" / "clients"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection"
)


def install(packages=CLIENTS):
    """Installs the tools of the documents' checks, or Node.js and the packages of another directory. Returns the directory of Node.js."""
    return subprocess.run([CLIENTS / "install", packages], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def fuzz(url, cases):
    """Sends up to so many generated cases to each operation, beside examples and boundaries. Anything that it finds fails.
    fuzz_hooks.py adds a check to the built-in ones. A limit of time would decide by chance which cases are sent."""
    command = [
        CLIENTS / "venv" / "bin" / "schemathesis", "--config-file", CLIENTS / "schemathesis.toml", "run",
        ROOT / "docs" / "api" / "openapi.json", "--url", url, "--phases", "examples,coverage,fuzzing",
        "--checks", f"{CHECKS},refused_for_its_meaning", "--max-examples", str(cases), "--seed", "1", "--workers", "1",
        "--request-timeout", "60", "--continue-on-failure", "--suppress-health-check", "all",
    ]  # fmt: skip
    environment = {**os.environ, "TALLY_URL": url, "SCHEMATHESIS_HOOKS": "fuzz_hooks", "PYTHONPATH": str(CLIENTS)}
    (CLIENTS / "generated").mkdir(exist_ok=True)
    subprocess.run(command, cwd=CLIENTS / "generated", env=environment, check=True)
