# SPDX-License-Identifier: Apache-2.0
"""Where our branch begins."""

revision = "tricircle_start"
down_revision = None


def upgrade() -> None:
    """Nothing: the branches for expanding and contracting grow from here."""
