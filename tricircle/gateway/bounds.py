# SPDX-License-Identifier: Apache-2.0
"""The limits of what anybody may send, in one place.

Only the size of a body is an option, ``[gateway] max_request_body_size``.
"""

import re

# Bytes of a request line or a header: what nginx, HAProxy and Apache let through is below this.
LONGEST_LINE = 32 * 1024
# How deep JSON may be nested; what is read must be written again, and compared.
DEPTH = 100
# The largest number; a database's own are larger.
MOST = 10**18 - 1

_WHOLE = re.compile(r"[0-9]{1,18}")


def whole(text: str, most: int = MOST) -> int | None:
    """The number that a path, a query or a header has as text: 0 up to ``most``.

    None for what is none.
    """
    if _WHOLE.fullmatch(text) is None:
        return None
    number = int(text)
    return number if number <= most else None
