# SPDX-License-Identifier: Apache-2.0
"""``tricircle-status upgrade check``: whether an installation is as this release needs it.

It ends with 0 when all is well, 1 when something should be looked at, 2 when something will not
work. Give it the configuration of both Tricircle and central Neutron.
"""

import sys
from collections.abc import Sequence

from oslo_log import log as logging
from oslo_upgradecheck import upgradecheck

from tricircle import conf
from tricircle.checks import databases, keystone, neutron, pods
from tricircle.checks.finding import Finding, Grade
from tricircle.conf import CONF

_CODES = {
    Grade.GOOD: upgradecheck.Code.SUCCESS,
    Grade.DOUBTFUL: upgradecheck.Code.WARNING,
    Grade.BAD: upgradecheck.Code.FAILURE,
}
_CHECKS = (
    ("Tricircle's database", databases.own),
    ("Central Neutron's database", databases.neutrons),
    ("Character sets", databases.character_sets),
    ("Roles of the service user", keystone.roles),
    ("Keystone's catalogue", keystone.catalogue),
    ("Plugins of central Neutron", neutron.plugins),
    ("Message buses of pods", neutron.buses),
    ("Health of pods", pods.health),
    ("Limits of pods", pods.limits),
)


def _result(check: object) -> upgradecheck.Result:
    try:
        found: Finding = check()  # type: ignore[operator]
    except Exception as error:
        text = str(error).partition("\n")[0]
        found = Finding(Grade.BAD, f"It could not be looked at: {text}")
    return upgradecheck.Result(_CODES[found.grade], found.text)


class Checks(upgradecheck.UpgradeCommands):  # type: ignore[misc]
    """What is checked, by name."""

    _upgrade_checks = tuple(
        (name, lambda _, check=check: _result(check)) for name, check in _CHECKS
    )


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    conf.register()
    logging.register_options(CONF)
    code: int = upgradecheck.main(CONF, "tricircle", Checks(), arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
