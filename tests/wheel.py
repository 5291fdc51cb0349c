# SPDX-License-Identifier: Apache-2.0
"""The wheel that is released."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def built(folder: Path) -> Path:
    """Build it into a folder."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
    (made,) = folder.glob("*.whl")
    return made
