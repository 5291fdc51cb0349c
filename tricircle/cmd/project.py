# SPDX-License-Identifier: Apache-2.0
"""``tricircle-manage project``: what projects left behind that Keystone does not know any more."""

import sys
from typing import Any

import openstack
from keystoneauth1 import exceptions as ks_exc
from openstack import exceptions

from tricircle.cmd.purge import Purge
from tricircle.conf import CONF
from tricircle.db import projects


def report() -> int:
    """Print the projects that are gone from Keystone, each with what it has."""
    try:
        there = {project.id for project in _region().identity.projects()}
    except (exceptions.SDKException, ks_exc.ClientException) as error:
        return _failed(error)
    for project_id, has in sorted(projects.known().items()):
        if project_id not in there:
            print(f"{project_id}  {_listed(has)}")
    return 0


def purge(name_or_id: str, dry_run: bool, patience: float) -> int:
    """Delete all a project has, or print what that is; 1 when something is left."""
    try:
        region = _region()
        found = region.identity.find_project(name_or_id, ignore_missing=True)
        project_id = str(found.id) if found else name_or_id
        work = Purge(region, project_id, print)
        if dry_run:
            for kind, resources in work.look():
                for one in resources:
                    print(f"{kind.name} {one.id} ({one.name or 'no name'})")
            print(f"In the Tricircle database: {_listed(projects.rows_of(project_id))}")
            return 0
        left = work.run(patience)
    except (exceptions.SDKException, ks_exc.ClientException) as error:
        return _failed(error)
    if left:
        print("\n".join(["These could not be deleted; run it again:", *left]), file=sys.stderr)
        return 1
    projects.forget(project_id)
    print(f"Nothing is left of project {project_id}")
    return 0


def _region() -> Any:
    """The region as whoever runs this may see it. Raises ConfigException."""
    return openstack.connect(region_name=CONF.tricircle_identity.region_name)


def _failed(error: Exception) -> int:
    print(f"tricircle-manage: {error}", file=sys.stderr)
    return 1


def _listed(numbers: dict[str, int]) -> str:
    return ", ".join(f"{what}: {number}" for what, number in sorted(numbers.items())) or "nothing"
