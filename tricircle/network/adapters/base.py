# SPDX-License-Identifier: Apache-2.0
"""What the reconcile engine asks of a resource type, with what most types have in common.

An adapter knows one type: what its copy in a pod must look like and how to make it so. It never
decides when; that is the engine's.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar

from tricircle.db.realizations import Key
from tricircle.network.central import Resource
from tricircle.network.site import Site, marked, marker
from tricircle.pods.errors import PodUnreachable


class Adapter:
    """One type of resource; a subclass names it and says what a copy must look like.

    ``member`` and ``collection`` are Neutron's words in documents and paths. ``order`` sorts
    work: what is made first has a low one and is removed last. Of a ``strict`` type a pod must
    have the very last change before another object may lean on it there. A ``paced`` one changes
    whenever ports come and go: a pod is told at once, and then not again for [reconciler] pace
    seconds. Nothing may depend on the very last change of such a type. Copies of a ``bulk`` one
    that are to be made at the same time are made in one call; none leans on another.
    """

    resource_type: ClassVar[str]
    member: ClassVar[str]
    collection: ClassVar[str]
    order: ClassVar[int]
    strict: ClassVar[bool] = False
    paced: ClassVar[bool] = False
    bulk: ClassVar[bool] = False
    # Attributes that cannot be changed, and lists whose order means something.
    fixed: ClassVar[frozenset[str]] = frozenset()
    ordered: ClassVar[frozenset[str]] = frozenset()
    # Whether no list tells what ``settle`` takes care of: an audit then has each copy looked at.
    hidden: ClassVar[bool] = False

    def central(self, resource_id: str) -> Resource | None:
        """The central resource, or None when it is gone."""
        raise NotImplementedError

    def depends(self, site: Site, central: Resource) -> list[Key]:
        """What must be right in the pod before the copy is made or changed."""
        return []

    def refers(self, site: Site, central: Resource) -> list[Key]:
        """What must exist in the pod, however wrong, before ``settle``."""
        return []

    def body(self, site: Site, central: Resource) -> Resource:
        """The copy's attributes as they must be; the marker is added by ``prepare``."""
        raise NotImplementedError

    def adopts(self, central: Resource) -> bool:
        """Whether the pod may have had the object before us, so that ``find`` is asked first."""
        return False

    def find(self, site: Site, central: Resource | None, resource_id: str) -> Resource | None:
        """The copy, found by its marker; ``central`` is None when it is looked for to delete."""
        copies = site.neutron.list(self.collection, description=marker(resource_id))
        return copies[0] if copies else None

    def show(self, site: Site, pod_resource_id: str) -> Resource | None:
        """The copy as the pod has it, or None when it is gone."""
        document = site.neutron.find(f"/{self.collection}/{pod_resource_id}")
        return None if document is None else self._inner(site, document)

    def prepare(self, site: Site, central: Resource) -> Resource:
        """The attributes to create the copy with. All else that comes first is done by now."""
        return {**self.body(site, central), "description": marker(central["id"])}

    def create(self, site: Site, central: Resource) -> Resource:
        body = self.prepare(site, central)
        answer = site.neutron.post(f"/{self.collection}", {self.member: body})
        return self._inner(site, answer)

    def find_all(self, site: Site, resource_ids: Iterable[str]) -> dict[str, Resource]:
        """{central id: copy}, found by their markers."""
        markers = [marker(one) for one in resource_ids]
        return _by_marker(site.neutron.list(self.collection, description=markers))

    def create_all(self, site: Site, bodies: list[Resource]) -> dict[str, Resource]:
        """Make copies in one call, of what ``prepare`` gave: {central id: copy} as the pod tells.

        Neutron makes all or none; one that tells of none it made is asked by ``find``.
        """
        plural = self.collection.replace("-", "_")
        answer = site.neutron.post(f"/{self.collection}", {plural: bodies})
        made = answer.get(plural)
        return _by_marker(made if isinstance(made, list) else [])

    def update(self, site: Site, current: Resource, central: Resource) -> None:
        """Change what differs."""
        if changes := self.differs(site, current, central):
            path = f"/{self.collection}/{current['id']}"
            site.neutron.put(path, {self.member: changes})

    def differs(self, site: Site, current: Resource, central: Resource) -> Resource:
        """The attributes to change, with the values they must have."""
        wanted = self.body(site, central)
        return {
            name: value
            for name, value in wanted.items()
            if name not in self.fixed
            and name != "project_id"
            and not same(value, current.get(name), name in self.ordered)
        }

    def drift(self, site: Site, listed: Resource, central: Resource) -> Collection[str]:
        """What is not as it must be, as far as a list of the pod's tells. No further calls."""
        return self.differs(site, listed, central)

    def owns(self, listed: Resource) -> bool:
        """Whether an object with our marker is a copy of this type, not a part of another one.

        A copy nobody wants is removed by the audit; a part goes with what it is a part of.
        """
        return True

    def belongs(self, site: Site, central: Resource) -> bool:
        """Whether a copy found in a pod may be wanted there; if it is needed is not asked here."""
        return True

    def spare(self, listed: Resource) -> bool:
        """Whether a second copy of something may go: nothing hangs on it."""
        return True

    def settle(self, site: Site, current: Resource, central: Resource) -> Resource | None:
        """What takes more than the object itself: a group's rules, a router's interfaces.

        What the object is like by then, if the next change is to begin there without a look.
        """
        return None

    def delete(self, site: Site, pod_resource_id: str) -> None:
        site.neutron.delete(f"/{self.collection}/{pod_resource_id}")

    def forget(self, site: Site, resource_id: str) -> None:
        """The copy is gone from the pod: drop what was kept centrally for it."""

    def _ours(self, current: Resource | None) -> bool:
        """Whether an object is a copy of ours. One that was there before us has no marker: it is
        used as it is."""
        return str((current or {}).get("description")).startswith(marker(""))

    def _inner(self, site: Site, document: Mapping[str, Any]) -> Resource:
        inner = document.get(self.member)
        if not isinstance(inner, dict) or not isinstance(inner.get("id"), str):
            raise PodUnreachable(site.pod.region_name, f"it answered without a {self.member}")
        return inner


def _by_marker(copies: Iterable[Any]) -> dict[str, Resource]:
    """{central id: copy} of those that are copies; of several, the first."""
    found: dict[str, Resource] = {}
    for copy in copies:
        if isinstance(copy, dict) and isinstance(copy.get("id"), str) and (one := marked(copy)):
            found.setdefault(one, copy)
    return found


def same(wanted: Any, current: Any, ordered: bool = False) -> bool:
    """Whether two attribute values mean the same: lists in any order unless it matters."""
    if isinstance(wanted, list) and isinstance(current, list) and not ordered:
        return sorted(map(_canonical, wanted)) == sorted(map(_canonical, current))
    return bool((wanted or None) == (current or None)) if _empty(wanted) else wanted == current


def covered(wanted: list[Any], current: list[Any]) -> bool:
    """Whether the addresses there are the wanted ones (one without an address: any there)."""
    pairs = {(ip["subnet_id"], ip["ip_address"]) for ip in current}
    subnets = {subnet for subnet, _ in pairs}
    return len(wanted) == len(current) and all(
        (ip["subnet_id"], ip["ip_address"]) in pairs
        if "ip_address" in ip
        else ip["subnet_id"] in subnets
        for ip in wanted
    )


def _empty(value: Any) -> bool:
    return value is None or value == "" or value == []


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
