# SPDX-License-Identifier: Apache-2.0
"""Where changes that need every service stopped begin."""

revision = "tricircle_contract"
down_revision = "tricircle_start"
branch_labels = ("contract",)


def upgrade() -> None:
    """Nothing yet."""
