# SPDX-License-Identifier: Apache-2.0
"""What a check found."""

import dataclasses
import enum
from collections.abc import Sequence


class Grade(enum.Enum):
    GOOD = "good"
    DOUBTFUL = "should be looked at"
    BAD = "will not work"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """``text`` says what is wrong and what to do; "" when nothing is."""

    grade: Grade
    text: str = ""


GOOD = Finding(Grade.GOOD)


def of(problems: Sequence[str], grade: Grade = Grade.BAD) -> Finding:
    """Good without problems, else this grade with all of them."""
    return Finding(grade, " ".join(problems)) if problems else GOOD
