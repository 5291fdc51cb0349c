# SPDX-License-Identifier: Apache-2.0
"""Does the region that users see pass what a pod passes? Runs an official suite against both.

Every test that passes on the pod and not on the region is a difference. ``differences.toml`` has a
reason for each; one without a reason fails the run. What is found is written to ``docs/``.
"""

from __future__ import annotations

import csv
import dataclasses
import re
import shutil
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from lab import tempest
from lab.settings import PROJECT_ROOT, REGION, Lab
from lab.tempest import OUTCOMES, Result

REASONS = Path(__file__).with_name("differences.toml")
INDEX = "docs/compatibility.md"
EXTENSIONS = "[extensions of the Networking API](compatibility-extensions.md)"
# Scenarios that log into servers, or reach them from outside. The lab's are none to log into.
_LOGGING_IN = (
    *("instances_with_cinder_volumes", "minimum_basic", "network_advanced_server_ops"),
    *("network_basic_ops", "network_v6", "security_groups_basic_ops", "shelve_instance"),
    *("snapshot_pattern", "stamp_pattern", "volume_backup_restore", "volume_migrate_attached"),
    r"volume_boot_pattern\.\w+\.test_volume_boot_pattern",
)
SETUP = re.compile(r"^\w+ \((?P<cls>[\w.]+)\)$")

# What the documents say: a row of numbers, and a test that differs.
ROW = re.compile(r"^\| .+ \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
DIFFERENCE = re.compile(r"^- `.+` \([a-z ]+\)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Suite:
    title: str
    regex: str
    document: str
    command: str


SUITES = {
    "compute": Suite(
        "OpenStack's own tests of the Compute API",
        r"^tempest\.api\.compute",
        "docs/compatibility-compute.md",
        "make tempest-compute",
    ),
    "scenario": Suite(
        "OpenStack's own scenario tests that log into no server",
        rf"^tempest\.scenario\.(?!test_({'|'.join(_LOGGING_IN)})\b)",
        "docs/compatibility-scenario.md",
        "make tempest-scenario",
    ),
    "volume": Suite(
        "OpenStack's own tests of the Block Storage API",
        r"^tempest\.api\.volume",
        "docs/compatibility-volume.md",
        "make tempest-volume",
    ),
    "cinder": Suite(
        "Cinder's own tests of its API",
        r"^cinder_tempest_plugin\.api",
        "docs/compatibility-cinder.md",
        "make tempest-cinder",
    ),
    "network": Suite(
        "OpenStack's own tests of the Networking API",
        r"^tempest\.api\.network",
        "docs/compatibility-network.md",
        "make tempest-network",
    ),
    "neutron": Suite(
        "Neutron's own tests of its API",
        r"^neutron_tempest_plugin\.api",
        "docs/compatibility-neutron.md",
        "make tempest-neutron",
    ),
}


@dataclasses.dataclass(frozen=True)
class Reason:
    """Why tests whose name matches ``tests`` differ."""

    tests: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Difference:
    test: str
    outcome: str
    reason: str  # empty when none is known


def run(lab: Lab, name: str, concurrency: int = 2, *, keep: str = "") -> int:
    """Run a suite on the first pod and on the region, write the document.

    What differs on the region for no known reason is run once more, by itself: a machine that is
    busy lets tests run out of time. ``keep`` is "pod" or "both" when the results of the last run
    are to be taken, where there are any, rather than run again.
    Returns 0 when every difference has a reason, else 1.
    """
    suite, known = SUITES[name], reasons(name)
    pod = _results(lab, lab.pods[0].region, name, suite.regex, concurrency, keep=bool(keep))
    ours = _results(lab, REGION, name, suite.regex, concurrency, keep=keep == "both")
    if again := [one for one in differences(pod, ours, known) if not one.reason]:
        tempest.run(lab, REGION, just(one.test for one in again), concurrency=1)
        ours = merged(ours, read(lab.home / "tempest" / REGION / "results.csv"))
    differing = differences(pod, ours, known)
    text = document(suite, pod, ours, differing, pods=len(lab.pods), again=len(again))
    (PROJECT_ROOT / suite.document).write_text(text)
    (PROJECT_ROOT / INDEX).write_text(index(PROJECT_ROOT))
    unknown = [difference for difference in differing if not difference.reason]
    for difference in unknown:
        print(f"NO REASON KNOWN {difference.test}: {difference.outcome}")
    print(f"{len(differing)} differences, {len(unknown)} without a reason: {suite.document}")
    return 1 if unknown else 0


def just(tests: Iterable[str]) -> str:
    """A regular expression of these tests and no others."""
    names = "|".join(re.escape(test.partition("[")[0]) for test in tests)
    return f"^({names})(\\[|$)"


def _results(
    lab: Lab, region: str, name: str, regex: str, concurrency: int, *, keep: bool
) -> list[Result]:
    """A suite's results in a region, of a new run or of the last one."""
    folder = lab.home / "tempest" / region
    kept = folder / f"results-{name}.csv"
    if not keep or not kept.exists():
        tempest.run(lab, region, regex, concurrency=concurrency)
        shutil.copy(folder / "results.csv", kept)
    return read(kept)


def merged(first: list[Result], again: list[Result]) -> list[Result]:
    """The results of a run, with what was found when some tests were run again.

    A class that could be set up this time could not only for a while.
    """
    newer = {result.test for result in again}
    classes = {one.test.partition("[")[0].rpartition(".")[0] for one in again}
    kept = []
    for result in first:
        setup = SETUP.match(result.test)
        if result.test not in newer and not (setup and setup["cls"] in classes):
            kept.append(result)
    return kept + again


def read(path: Path) -> list[Result]:
    """The results that a run has left."""
    with open(path, newline="") as file:
        return [
            Result(row["test"], row["outcome"], float(row["seconds"]))
            for row in csv.DictReader(file)
        ]


def reasons(suite: str, path: Path = REASONS) -> list[Reason]:
    """The known reasons for a suite's differences."""
    with open(path, "rb") as file:
        return [Reason(**entry) for entry in tomllib.load(file).get(suite, ())]


def differences(pod: list[Result], ours: list[Result], known: list[Reason]) -> list[Difference]:
    """Tests that pass on the pod and not on the region, by name."""
    outcomes = {result.test: result.outcome for result in ours}
    classes = {
        match["cls"]: result.outcome for result in ours if (match := SETUP.match(result.test))
    }
    found = []
    for test in sorted({result.test for result in pod if result.outcome == "pass"}):
        # When a class cannot be set up, its tests are not told one by one.
        default = classes.get(test.partition("[")[0].rpartition(".")[0], "not run")
        outcome = outcomes.get(test, default)
        if outcome != "pass":
            reason = next((one.reason for one in known if re.search(one.tests, test)), "")
            found.append(Difference(test, outcome, reason))
    return found


def document(
    suite: Suite,
    pod: list[Result],
    ours: list[Result],
    differing: list[Difference],
    *,
    pods: int = 2,
    again: int = 0,
) -> str:
    """The document that tells the numbers and the differences, in Markdown.

    ``pods`` is how many the region has, ``again`` how many tests were run on the region once more.
    """
    lines = [
        f"# {suite.title}",
        "",
        f"Written by `{suite.command}`, which runs `{suite.regex}` straight on a pod and on the",
        "region that users see. Tests of one class that cannot be set up count as one.",
        *([f"Run once more on the region: {again}."] if again else []),
        "",
        "| | pass | fail | skip |",
        "|---|---|---|---|",
        _row("a pod", pod),
        _row(f"`{REGION}` over {pods} pods", ours),
        "",
    ]
    if not differing:
        return "\n".join([*lines, "Everything that passes on the pod passes on the region.", ""])
    lines += [f"{len(differing)} tests pass on the pod and not on the region:", ""]
    grouped: dict[str, list[Difference]] = defaultdict(list)
    for difference in differing:
        grouped[difference.reason or "No reason is known."].append(difference)
    for reason, members in grouped.items():
        lines += [f"## {reason}", ""]
        lines += [f"- `{member.test}` ({member.outcome})" for member in members]
        lines += [""]
    return "\n".join(lines)


def index(root: Path) -> str:
    """The document that has a line for each suite that was run, in Markdown."""
    lines = [
        "# Does what works on one cloud work here?",
        "",
        "OpenStack's official test suites, unchanged, run straight on a pod and on the region that",
        "users see. Each document lists the tests that pass on the pod and not on the region, with",
        "the reason. Written by the commands that run them.",
        "",
        f"What is behind some of it: {EXTENSIONS}.",
        "",
        f"| | a pod: pass, fail, skip | `{REGION}` | differences | |",
        "|---|---|---|---|---|",
    ]
    for suite in SUITES.values():
        path = root / suite.document
        if not path.exists():
            continue
        text = path.read_text()
        pod, ours = (", ".join(found) for found in ROW.findall(text))
        differing = len(DIFFERENCE.findall(text))
        title = f"[{suite.title}]({path.name})"
        lines.append(f"| {title} | {pod} | {ours} | {differing} | `{suite.command}` |")
    return "\n".join([*lines, ""])


def _row(name: str, results: list[Result]) -> str:
    counts = Counter(result.outcome for result in results)
    return f"| {name} | " + " | ".join(str(counts[one]) for one in OUTCOMES.values()) + " |"
