# SPDX-License-Identifier: Apache-2.0
"""``tricircle-manage``: what an operator does to the Tricircle database by hand."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from oslo_config import cfg
from oslo_db import exception as db_exc

from tricircle import conf
from tricircle.conf import CONF
from tricircle.db import adoptions, migrations, pod_accounts, pods
from tricircle.db.errors import Duplicate
from tricircle.pods.access import mappings, sealing, signing

# Seconds between looks whether xjob is done.
_PAUSE = 0.5


def _db_sync() -> None:
    migrations.sync()
    print(f"The Tricircle database is at revision {migrations.version()}.")


def _db_version() -> None:
    print(migrations.version() or "empty")


def _db_restored() -> None:
    print(f"{pods.were_restored()} pods are looked through for what the database has forgotten.")


def _access_key() -> None:
    print(sealing.new_key())


def _access_reseal() -> None:
    number = pod_accounts.reseal(sealing.reseal)
    print(f"{number} secrets of pods are sealed with the first of [federation] seal_keys.")


def _access_jwks() -> None:
    print(json.dumps(signing.public(), indent=2))


def _arguments_of_mapping(parser: Any) -> None:
    parser.add_argument("kind", choices=("k2k", "jwt"), help="How the pod is entered")
    parser.add_argument("--domain", default="tricircle", help="The domain of it all (tricircle)")
    parser.add_argument(
        "--levels", default="member,reader", help="Levels that users may have (member,reader)"
    )
    parser.add_argument(
        "--prefix",
        default="",
        choices=mappings.PREFIXES,
        help="Before the names of attributes: MELLON_ with mod_auth_mellon, none with mod_shib",
    )


def _access_mapping() -> None:
    given = CONF.command
    levels = [level for level in ("member", "reader") if level in given.levels.split(",")]
    if given.kind == "k2k":
        rules = mappings.of_names(levels, given.domain, given.prefix)
    else:
        rules = mappings.of_claims(levels, given.domain)
    print(json.dumps(rules, indent=2))


def _arguments_of_purge(parser: Any) -> None:
    parser.add_argument("project", help="ID of the project, or its name while it has one")
    parser.add_argument("--dry-run", action="store_true", help="Only tell what would be deleted")
    parser.add_argument(
        "--wait",
        type=float,
        default=300,
        metavar="SECONDS",
        help="Wait so long for servers, volumes and the like to be gone, each kind (300)",
    )


def _arguments_of_adoption(parser: Any) -> None:
    parser.add_argument("--pod", required=True, help="Region of the pod")
    parser.add_argument("--project", required=True, help="ID of the project")
    parser.add_argument("--dry-run", action="store_true", help="Only tell what would be done")
    parser.add_argument("--release", action="store_true", help="Give back what was taken over")
    parser.add_argument(
        "--wait",
        type=float,
        default=600,
        metavar="SECONDS",
        help="Wait so long for tricircle-xjob, which does it (600)",
    )


def _adopt() -> int:
    asked = CONF.command
    pod = pods.by_region(asked.pod)
    if pod is None:
        print(f"tricircle-manage: there is no pod {asked.pod}", file=sys.stderr)
        return 1
    action = adoptions.RELEASE if asked.release else adoptions.ADOPT
    try:
        row = adoptions.begin(pod.id, asked.project, action, asked.dry_run)
    except Duplicate as error:
        print(f"tricircle-manage: adoption {error} has not ended yet", file=sys.stderr)
        return 1
    until = time.monotonic() + asked.wait
    while row.state == adoptions.WAITING and time.monotonic() < until:
        time.sleep(_PAUSE)
        row = adoptions.get(row.id) or row
    for one in row.objects:
        why = f" ({one['reason']})" if one["reason"] else ""
        print(f"{one['action']:8} {one['resource_type']:16} {one['id']} {one['name']}{why}")
    if row.state != adoptions.DONE:
        why = row.reason or "tricircle-xjob has not got to it yet"
        print(f"tricircle-manage: adoption {row.id} is {row.state}: {why}", file=sys.stderr)
        return 1
    return 0


def _report() -> int:
    from tricircle.cmd import project  # openstacksdk takes its time

    return project.report()


def _purge() -> int:
    from tricircle.cmd import project

    return project.purge(CONF.command.project, CONF.command.dry_run, CONF.command.wait)


_NOTHING: Callable[[Any], None] = lambda parser: None  # noqa: E731
COMMANDS: dict[str, dict[str, tuple[Callable[[], int | None], str, Callable[[Any], None]]]] = {
    "access": {
        "key": (_access_key, "Print a new key for [federation] seal_keys.", _NOTHING),
        "reseal": (
            _access_reseal,
            "Seal all that is kept of pods' secrets with the first key.",
            _NOTHING,
        ),
        "jwks": (
            _access_jwks,
            "Print the public halves of [federation] signing_keys, for pods entered as jwt.",
            _NOTHING,
        ),
        "mapping": (
            _access_mapping,
            f"Print the rules of the mapping (schema {mappings.SCHEMA}) that a pod entered as k2k "
            "or jwt must have.",
            _arguments_of_mapping,
        ),
    },
    "db": {
        "sync": (_db_sync, "Make the tables, or bring them up to this release.", _NOTHING),
        "version": (_db_version, "Print the revision the tables are at.", _NOTHING),
        "restored": (
            _db_restored,
            "Say that both databases were brought back from a backup: what is older may be in pods "
            "though they do not know it, and is looked for there before it is made.",
            _NOTHING,
        ),
    },
    "project": {
        "report": (
            _report,
            "List the projects that have something, or are bound to a pod, and that Keystone does "
            "not know any more. As an administrator, by the OS_... variables or clouds.yaml.",
            _NOTHING,
        ),
        "purge": (
            _purge,
            "Delete all that a project has, in all services, and what is known of it here. As an "
            "administrator, by the OS_... variables or clouds.yaml. May be run again at any time.",
            _arguments_of_purge,
        ),
    },
}


#: What has no subject of its own.
_ALONE: dict[str, tuple[Callable[[], int | None], str, Callable[[Any], None]]] = {
    "adopt": (
        _adopt,
        "Have what a project had in a pod before become the region's: networks, ports, routers, "
        "security groups, floating IPs.",
        _arguments_of_adoption,
    ),
}


def _add_parsers(subparsers: Any) -> None:
    subparsers.required = True
    for name, (function, text, add_arguments) in _ALONE.items():
        one = subparsers.add_parser(name, help=text, description=text)
        add_arguments(one)
        one.set_defaults(function=function)
    for subject, actions in COMMANDS.items():
        parser = subparsers.add_parser(subject)
        nested = parser.add_subparsers(dest="action", required=True)
        for name, (function, text, add_arguments) in actions.items():
            one = nested.add_parser(name, help=text, description=text)
            add_arguments(one)
            one.set_defaults(function=function)


COMMAND = cfg.SubCommandOpt("command", title="Commands", handler=_add_parsers)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 1 (and words) when it or the database did not."""
    CONF.register_cli_opt(COMMAND)
    conf.setup(sys.argv[1:] if argv is None else argv, prog="tricircle-manage")
    # A change of a large table may take its time.
    CONF.set_override("answer_deadline", 0, group="tricircle_database")
    try:
        return int(CONF.command.function() or 0)
    except (sealing.SealError, signing.SigningError) as error:
        print(f"tricircle-manage: {error}", file=sys.stderr)
        return 1
    except db_exc.DBError as error:
        reason = str(error.inner_exception or error).splitlines()[0]
        print(f"tricircle-manage: the Tricircle database: {reason}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
