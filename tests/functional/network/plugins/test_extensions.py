# SPDX-License-Identifier: Apache-2.0
"""The table of extensions is that of the code. ``WRITE_TABLES=1`` has it written."""

import os

from tests.functional.network import extension_table as table
from tests.functional.network.stage import Stage


def test_the_table_is_true_and_has_a_reason_for_all_that_is_lacking(stage: Stage) -> None:
    pod, ours = table.of_a_pod(), table.of_the_region()
    lacking = pod.keys() - ours
    reasons = {alias for aliases in table.REASONS.values() for alias in aliases}
    assert (sorted(lacking - reasons), sorted(reasons - lacking)) == ([], [])
    text = table.document(pod, ours)
    if os.environ.get("WRITE_TABLES"):
        table.DOCUMENT.write_text(text)
    assert table.DOCUMENT.read_text() == text, f"run {table.COMMAND}"
