# SPDX-License-Identifier: Apache-2.0
"""What runs the program ``tricircle-gateway`` in a process that was forked for it.

Nothing of the tests is imported here: it would be imported by each such process.
"""

import os
import sys
from pathlib import Path

from tricircle.cmd import gateway


def run(arguments: list[str], environment: dict[str, str], log: Path) -> None:
    """The program with these arguments and no other environment; what it says goes to ``log``."""
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.exit(gateway.main(arguments))
