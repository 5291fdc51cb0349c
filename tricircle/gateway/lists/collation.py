# SPDX-License-Identifier: Apache-2.0
"""Text as MariaDB and MySQL sort it in the tables that Nova and Cinder make (utf8mb3_general_ci).

Each character of the Basic Multilingual Plane has one weight: its base letter's capital, as far as
Unicode had both when the collation was made. All other characters weigh the same. The shorter of
two texts counts as if blanks followed.
"""

import unicodedata

_UNICODE = unicodedata.ucd_3_2_0
# Unlike the rule; the second line's capitals are younger than the collation.
_SPECIAL = {"ß": "S", "ϲ": "Σ", "Й": "Й", "й": "Й", "ϵ": "ϵ"} | {
    letter: letter for letter in "ƞϙҋӆӊӎԁԃԅԇԉԋԍԏ"
}
_BLOCKS = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x1E, 0x1F, 0x21, 0x24, 0xFF}
_BEYOND = 0xFFFD
# As long as any text that Nova and Cinder sort by.
_LENGTH = 255


class _Weights(dict[int, int]):
    """{character: its weight}, for ``str.translate``."""

    def __missing__(self, code: int) -> int:
        self[code] = _BEYOND if code > 0xFFFF else ord(_weight(chr(code)))
        return self[code]


def _weight(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if ord(letter) >> 8 not in _BLOCKS or not _is_known(letter):
        return letter
    parts = _UNICODE.decomposition(letter).split()
    base = _UNICODE.normalize("NFD", letter)[0] if len(parts) > 1 else letter
    if not _UNICODE.category(base).startswith("L"):
        base = letter
    capital = base.upper()
    return capital if len(capital) == 1 and _is_known(capital) else base


def _is_known(letter: str) -> bool:
    return _UNICODE.category(letter) != "Cn"


_weights = _Weights()


def key(text: str) -> str:
    """What to compare instead of ``text``; equal for texts that the databases hold for equal."""
    return text.translate(_weights).rstrip(" ").ljust(_LENGTH)
