# SPDX-License-Identifier: Apache-2.0
"""``tricircle-manage``: what an operator does to the Tricircle database by hand."""

import sys
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from oslo_db import exception as db_exc

from tricircle import conf
from tricircle.conf import CONF
from tricircle.db import migrations, pod_accounts
from tricircle.pods.access import sealing


def _db_sync() -> None:
    migrations.sync()
    print(f"The Tricircle database is at revision {migrations.version()}.")


def _db_version() -> None:
    print(migrations.version() or "empty")


def _access_key() -> None:
    print(sealing.new_key())


def _access_reseal() -> None:
    number = pod_accounts.reseal(sealing.reseal)
    print(f"{number} secrets of pods are sealed with the first of [federation] seal_keys.")


COMMANDS = {
    "access": {
        "key": (_access_key, "Print a new key for [federation] seal_keys."),
        "reseal": (_access_reseal, "Seal all that is kept of pods' secrets with the first key."),
    },
    "db": {
        "sync": (_db_sync, "Make the tables, or bring them up to this release."),
        "version": (_db_version, "Print the revision the tables are at."),
    },
}


def _add_parsers(subparsers: Any) -> None:
    subparsers.required = True
    for subject, actions in COMMANDS.items():
        parser = subparsers.add_parser(subject)
        nested = parser.add_subparsers(dest="action", required=True)
        for name, (function, text) in actions.items():
            nested.add_parser(name, help=text, description=text).set_defaults(function=function)


COMMAND = cfg.SubCommandOpt("command", title="Commands", handler=_add_parsers)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 1 (and one line of text) when it did not."""
    CONF.register_cli_opt(COMMAND)
    conf.setup(sys.argv[1:] if argv is None else argv, prog="tricircle-manage")
    # A change of a large table may take its time.
    CONF.set_override("answer_deadline", 0, group="tricircle_database")
    try:
        CONF.command.function()
    except sealing.SealError as error:
        print(f"tricircle-manage: {error}", file=sys.stderr)
        return 1
    except db_exc.DBError as error:
        reason = str(error.inner_exception or error).splitlines()[0]
        print(f"tricircle-manage: the Tricircle database: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
