# SPDX-License-Identifier: Apache-2.0
"""Fresh databases from templates.

The services' own migrations take most of a cold start. They run once for each locked series; the
result is kept as dumps beside the virtual environment, and every database is a loaded dump. What a
lab of this shape registers in Keystone is kept in the same way.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import identity, infra, packages, pod_config
from lab.services import cinder, glance, keystone, neutron, nova, placement
from lab.settings import CURRENT, Lab, Pod

#: Which dump each of a pod's databases is loaded from.
POD_DUMPS = {
    "placement": "placement",
    "nova_api": "nova_api",
    "nova_cell0": "nova_cell1",
    "nova_cell1": "nova_cell1",
    "neutron": "neutron",
    "cinder": "cinder",
}
SHARED_DUMPS = ("keystone", "glance")


def _folder(release: str) -> Path:
    return packages.venv(release) / "schema"


def _in_parallel(calls: Sequence[Callable[[], object]], workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()


def prepare(lab: Lab) -> None:
    """Make the dumps that are missing and load the lab's databases that are still empty."""
    for release in lab.releases:
        folder = _folder(release)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _make_dumps(lab, release, folder)
    calls = [
        _loader(lab, realm.realm_database(name), _shared_dump(realm, name))
        for realm in (lab, *lab.realms)
        for name in SHARED_DUMPS
    ]
    for pod in lab.pods:
        for name, source in POD_DUMPS.items():
            after = nova.cells(lab, pod) if name == "nova_api" else ""
            dump = _folder(pod.release) / f"{source}.sql"
            calls.append(_loader(lab, pod.database(name), dump, after))
    _in_parallel(calls, 4)


def _shared_dump(lab: Lab, name: str) -> Path:
    known = identity_dump(lab)
    return known if name == "keystone" and known.exists() else _folder(CURRENT) / f"{name}.sql"


def identity_dump(lab: Lab) -> Path:
    """Where Keystone's database is kept with all that this lab registers."""
    return _folder(CURRENT) / f"identity-{identity.digest(lab)}.sql"


def from_template(
    lab: Lab, folder: Path, databases: Sequence[str], migrate: Callable[[], object]
) -> None:
    """Have these databases as ``migrate`` makes them, which is what ``folder`` is named after.

    Empty ones are loaded from the dumps in it; where there are none yet, they are made.
    """
    marker = lab.var / "schema" / "-".join(databases)
    have = marker.read_text() if marker.exists() else ""
    if have == folder.name:
        return
    dumps = {name: folder / f"{name}.sql" for name in databases}
    if not have and all(dump.exists() for dump in dumps.values()):
        _in_parallel([_loader(lab, name, dump) for name, dump in dumps.items()], len(dumps))
    else:
        migrate()
        if not have:
            folder.mkdir(parents=True, exist_ok=True)
            for name, dump in dumps.items():
                infra.dump(lab, name, dump)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(folder.name)


def _make_dumps(lab: Lab, release: str, folder: Path) -> None:
    template = Pod(0, [], release)
    jobs: list[tuple[tuple[tuple[str, str], ...], Callable[[], object]]] = [
        (
            (
                (template.database("nova_api"), "nova_api"),
                (template.database("nova_cell1"), "nova_cell1"),
            ),
            lambda: nova.migrate(lab, template),
        ),
        (((template.database("neutron"), "neutron"),), lambda: neutron.migrate(lab, template)),
        (((template.database("cinder"), "cinder"),), lambda: cinder.migrate(lab, template)),
        (
            ((template.database("placement"), "placement"),),
            lambda: placement.migrate(lab, template),
        ),
    ]
    if release == CURRENT:
        jobs += [
            ((("keystone", "keystone"),), lambda: keystone.migrate(lab)),
            ((("glance", "glance"),), lambda: glance.migrate(lab)),
        ]
    wanted = [
        (databases, migrate)
        for databases, migrate in jobs
        if not all((folder / f"{name}.sql").exists() for _, name in databases)
    ]
    if not wanted:
        return
    pod_config.write(lab, template)

    def make(databases: tuple[tuple[str, str], ...], migrate: Callable[[], object]) -> None:
        for database, _ in databases:
            infra.sql(lab, f"drop database if exists {database}; create database {database};")
        migrate()
        for database, name in databases:
            infra.dump(lab, database, folder / f"{name}.sql")
            infra.sql(lab, f"drop database {database}; ")
            if database in lab.databases:
                infra.sql(lab, f"create database {database}; ")

    _in_parallel([lambda job=job: make(*job) for job in wanted], 4)  # type: ignore[misc]


def _loader(lab: Lab, database: str, dump: Path, after: str = "") -> Callable[[], None]:
    loaded = lab.var / "schema" / database

    def load() -> None:
        if loaded.exists():
            return
        infra.sql(lab, f"drop database if exists {database}; create database {database};")
        infra.load_dump(lab, database, dump)
        if after:
            infra.sql(lab, after, database)
        loaded.parent.mkdir(parents=True, exist_ok=True)
        loaded.touch()

    return load
