# SPDX-License-Identifier: Apache-2.0
"""What the fake pods judge by is what the installed Nova and Cinder say of themselves."""

from tests import installed


def test_who_may_do_what_from_which_microversion_on() -> None:
    """Written anew by ``python -m tests.installed``."""
    assert installed.RIGHTS.read_text() == installed.written()
