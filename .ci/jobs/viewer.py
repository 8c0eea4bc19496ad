"""Microsoft's viewer of SARIF in a page of Chromium."""

import html
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

MODULES = Path(__file__).parent / "node_modules"
# Each gives the page a name: React, ReactDOM, Viewer.
SCRIPTS = [
    "react/umd/react.production.min.js",
    "react-dom/umd/react-dom.production.min.js",
    "@microsoft/sarif-web-component/dist/index.js",
]
# The viewer draws the rows that the window has room for.
WINDOW = "1400,4000"
MOST_RESULTS = 20

# The page unfolds each rule, and asks for the rest of its results. Then it replaces the viewer by the cells of all results, as JSON.
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Findings</title>
<div id="viewer"></div>
SCRIPTS
<script>
const viewer = document.getElementById("viewer");
ReactDOM.render(React.createElement(Viewer, { logs: LOGS }), viewer);
const shut = () =>
  viewer.querySelector("tr[aria-expanded=false]") ??
  [...viewer.querySelectorAll("tr")].find((row) => row.innerText.trim() === "Show All");
const timer = setInterval(() => {
  const next = shut();
  if (next) return next.click();
  clearInterval(timer);
  const rows = [...viewer.querySelectorAll("tr[aria-level='2']")];
  const cells = rows.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent));
  document.documentElement.textContent = JSON.stringify(cells);
}, 100);
</script>
"""


def check(browser, log):
    """That the viewer shows the file, the level, the message and the text of each result. Of a long log, these are the first ones."""
    run = log["runs"][0]
    log = {**log, "runs": [{**run, "results": run["results"][:MOST_RESULTS]}]}
    expected = sorted(map(parts, log["runs"][0]["results"]))
    # The other cells are empty, or tell of an earlier run.
    shown = sorted((place, details) for _, place, details, *_ in rows(browser, log))
    assert len(shown) == len(expected), (shown, expected)
    for (place, details), (level, uri, message, text) in zip(shown, expected, strict=True):
        assert place == level + uri and details.startswith(message) and details.endswith(text), (place, details, message, text)


def parts(result):
    """What the viewer has to show of a result."""
    place = result["locations"][0]["physicalLocation"]
    return result["level"], place["artifactLocation"]["uri"], result["message"]["text"], place["region"]["snippet"]["text"]


def rows(browser, log):
    """The texts of the cells in each row that the viewer makes of a log."""
    scripts = "".join(f'<script src="{(MODULES / script).as_uri()}"></script>' for script in SCRIPTS)
    logs = json.dumps([log]).replace("<", "\\u003c")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        page = Path(scratch) / "page.html"
        page.write_text(PAGE.replace("SCRIPTS", scripts).replace("LOGS", logs), "utf-8")
        options = ["--headless", "--no-first-run", f"--user-data-dir={scratch}/profile", f"--window-size={WINDOW}"]
        # The page gets 10 s, which pass as soon as it has nothing to do.
        options += ["--virtual-time-budget=10000", "--dump-dom"]
        # Its sandbox does not run as root. The page is the check's own.
        options += ["--no-sandbox"] if os.geteuid() == 0 else []
        shown = subprocess.run([browser, *options, page.as_uri()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=60)
    text = html.unescape(re.sub("<[^>]*>", "", shown.stdout.decode())).strip()
    assert text.startswith("[["), f"the viewer shows no results: {text[:200]}"
    return json.loads(text)
