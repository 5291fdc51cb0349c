# SPDX-License-Identifier: Apache-2.0
"""No text of a user or a pod begins a line of the log."""

import subprocess
import sys
from pathlib import Path

FORGED = "2026-01-01 00:00:00.000 1 INFO forged"
PROGRAM = f"""
import sys
from oslo_log import log
from tricircle import conf
conf.setup(["--log-file", sys.argv[1]], prog="test")
LOG = log.getLogger("tricircle.test")
LOG.warning("Server %s is gone", "a\\n{FORGED} one\\r\\x1b[31m\\u2028")
try:
    raise ValueError("b\\n{FORGED} two\\r\\x1b[31m")
except ValueError:
    LOG.exception("%s failed", "c\\x85\\x00")
"""


def test_lines_of_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM, str(path)], check=True)
    text = path.read_bytes().decode()
    lines = text.split("\n")
    assert "forged one" in text
    assert "forged two" in text
    assert not [line for line in lines if line.startswith(FORGED)]
    assert "Server a\\n2026" in text
    assert "one\\r\\x1b[31m\\u2028 is gone" in text
    assert [line for line in lines if " WARNING tricircle.test " in line and "Server a" in line]
    assert all(" ERROR tricircle.test " in line for line in lines[1:] if line)
    assert all(line.isprintable() for line in lines)
