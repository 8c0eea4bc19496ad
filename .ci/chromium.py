"""Chromium, for the checks with a browser."""

import os
import shutil
import subprocess


def chromium():
    """The path of Chromium, which root installs from Debian's packages. None where it is absent and cannot be installed."""
    if not shutil.which("chromium") and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        packages = ["chromium", "fonts-liberation"]
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            subprocess.run(["apt-get", "--quiet", *command], check=False, **quiet)
    return shutil.which("chromium")
