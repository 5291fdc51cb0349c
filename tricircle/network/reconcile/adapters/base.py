# SPDX-License-Identifier: Apache-2.0
"""What the reconcile engine asks of a resource type, with what most types have in common.

An adapter knows one type: what its copy in a pod must look like and how to make it so. It never
decides when; that is the engine's. A new type names itself and gives ``central`` and ``body``; the
other methods have answers that suit most types. ``adapters/__init__.py`` lists all adapters.

A method asks the pod only through ``session``. It raises PodError for what the pod refuses, NotYet
for what has to wait.
"""

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from neutron_lib import constants

from tricircle.db.realizations import Key
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession, named, owner_of
from tricircle.pods.errors import PodUnreachable

# Bytes of a query: web servers cut what is asked at 8 kB.
_QUERY = 7500


class Adapter:
    """One type of resource; a subclass names it and says what a copy must look like.

    ``member`` and ``collection`` are Neutron's words in documents and paths.

    ``order``, 0 to 999, sorts the work in a pod: the lowest is made first and removed last. Types
    of the same order are worked on in any order.

    ``strict``: a pod must have the very last change before another object may depend on it there.
    ``paced``: changes whenever ports come and go. A pod is told at once, and then not again for
    [reconciler] pace seconds; so nothing may depend on the very last change.
    ``bulk``: copies that are due at the same time are made in one call; none depends on another.
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

    def depends(self, session: PodSession, central: Resource) -> list[Key]:
        """What must be right in the pod before the copy is made or changed."""
        return []

    def refers(self, session: PodSession, central: Resource) -> list[Key]:
        """What must exist in the pod, however wrong, before ``settle``."""
        return []

    def body(self, session: PodSession, central: Resource) -> Resource:
        """The copy's attributes as they must be; the marker is added by ``prepare``."""
        raise NotImplementedError

    def adopts(self, central: Resource) -> bool:
        """Whether the pod may have had the object before us, so that ``find`` is asked first."""
        return False

    def is_unique(self, central: Resource) -> bool:
        """Whether a pod refuses to make a second copy: it would have the address, MAC or segment of
        the first. Of others only one worker at a time asks a pod for a copy, even if the one before
        it was never heard of again.
        """
        return self.bulk

    def owner(self, session: PodSession, central: Resource) -> str:
        """The project a copy belongs to: the resource's, or our own where that has none."""
        return str(central.get("project_id") or session.own_project)

    def is_its_owners(self, session: PodSession, current: Resource, central: Resource) -> bool:
        """Whether an object belongs to the project that a copy would belong to, or to our own."""
        return owner_of(current) in (self.owner(session, central), session.own_project)

    def find(
        self,
        session: PodSession,
        central: Resource | None,
        resource_id: str,
        project_id: str | None = None,
    ) -> Resource | None:
        """The copy, found by its marker; ``central`` is None when it is looked for to delete.

        ``project_id`` is then whose it may be, besides being ours.
        """
        owners = [project_id or "", session.own_project]
        if central is not None:
            owners = [self.owner(session, central)]
        wanted = session.markers(self.collection, resource_id, owners)
        copies = session.neutron.list(self.collection, description=wanted)
        ours = (copy for copy in copies if session.is_ours(self.collection, copy, owners))
        return next(ours, None)

    def show(self, session: PodSession, pod_resource_id: str) -> Resource | None:
        """The copy as the pod has it, or None when it is gone."""
        document = session.neutron.find(f"/{self.collection}/{pod_resource_id}")
        return None if document is None else self._inner(session, document)

    def prepare(self, session: PodSession, central: Resource) -> Resource:
        """The attributes to create the copy with. All else that comes first is done by now."""
        body = self.body(session, central)
        owner = body.get("project_id") or session.own_project
        return {**body, "description": session.marker(self.collection, central["id"], owner)}

    def create(self, session: PodSession, central: Resource) -> Resource:
        body = self.prepare(session, central)
        answer = session.neutron.post(f"/{self.collection}", {self.member: body})
        return self._inner(session, answer)

    def find_all(self, session: PodSession, centrals: Iterable[Resource]) -> dict[str, Resource]:
        """{central id: copy}, found by their markers."""
        owners = {central["id"]: [self.owner(session, central)] for central in centrals}
        markers = (session.markers(self.collection, *one) for one in owners.items())
        wanted = itertools.chain.from_iterable(markers)
        found: dict[str, Resource] = {}
        for some in _queries(wanted):
            for one, copy in _named(session.neutron.list(self.collection, description=some)):
                if one in owners and session.is_ours(self.collection, copy, owners[one]):
                    found.setdefault(one, copy)
        return found

    def create_all(self, session: PodSession, bodies: list[Resource]) -> dict[str, Resource]:
        """Make copies in one call, of what ``prepare`` gave: {central id: copy} as the pod tells.

        Neutron makes all or none; one that tells of none it made is asked by ``find``.
        """
        plural = self.collection.replace("-", "_")
        answer = session.neutron.post(f"/{self.collection}", {plural: bodies})
        made = answer.get(plural)
        return dict(_named(made if isinstance(made, list) else []))

    def update(self, session: PodSession, current: Resource, central: Resource) -> None:
        """Change what differs."""
        if changes := self.differs(session, current, central):
            path = f"/{self.collection}/{current['id']}"
            notable = not self.signs_anew(changes, current, central)
            session.neutron.put(path, {self.member: changes}, notable=notable)

    def signs_anew(self, changes: Collection[str], current: Resource, central: Resource) -> bool:
        """Whether changes only sign the marker: it has no signature, or one by an older secret."""
        return set(changes) == {"description"} and named(current) == central["id"]

    def differs(self, session: PodSession, current: Resource, central: Resource) -> Resource:
        """The attributes to change, with the values they must have; the marker among them."""
        return {
            **self._differing(session, current, central),
            **self._marker(session, current, central),
        }

    def _marker(self, session: PodSession, current: Resource, central: Resource) -> Resource:
        """The description to give the copy; nothing if it has the newest marker.

        An object of another project is given none: it would be taken for ours by it.
        """
        if session.is_newest(self.collection, current, central["id"]):
            return {}
        if not self.is_its_owners(session, current, central):
            return {}
        marker = session.marker(self.collection, central["id"], owner_of(current))
        return {"description": marker}

    def _differing(self, session: PodSession, current: Resource, central: Resource) -> Resource:
        wanted = self.body(session, central)
        return {
            name: value
            for name, value in wanted.items()
            if name not in self.fixed
            and name != "project_id"
            and not same(value, current.get(name), name in self.ordered)
        }

    def drift(self, session: PodSession, listed: Resource, central: Resource) -> Collection[str]:
        """What is not as it must be, as far as a list of the pod's tells. No further calls."""
        return self.differs(session, listed, central)

    def owns(self, listed: Resource) -> bool:
        """Whether an object with our marker is a copy of this type, not a part of another one.

        A copy nobody wants is removed by the audit; a part goes with what it is a part of.
        """
        return True

    def belongs(self, session: PodSession, central: Resource, listed: Resource) -> bool:
        """Whether a copy found in a pod may be wanted there; if it is needed is not asked here."""
        return True

    def taking(self, session: PodSession, central: Resource, listed: Resource) -> None:
        """A copy was found in a pod that nobody knew of, and is about to have a realization: the
        pod was registered before, say."""

    def taken(self, session: PodSession, central: Resource, listed: Resource) -> None:
        """It has one now."""

    def spare(self, listed: Resource) -> bool:
        """Whether a second copy of something may go: nothing hangs on it."""
        return True

    def settle(self, session: PodSession, current: Resource, central: Resource) -> Resource | None:
        """What takes more than the object itself: a group's rules, a router's interfaces.

        What the object is like by then, if the next change is to begin there without a look.
        """
        return None

    def delete(self, session: PodSession, resource_id: str, pod_resource_id: str) -> None:
        """Remove the copy of a resource, which may be gone by now."""
        session.neutron.delete(f"/{self.collection}/{pod_resource_id}")

    def rests(self, session: PodSession, resource_id: str, pod_resource_id: str) -> bool:
        """Whether a copy that the pod had before the region stays there for nobody, since the
        resource is there and wanted in no pod; it is made so."""
        return False

    def vanished(self, session: PodSession, resource_id: str) -> None:
        """What the pod had before the region, and was wanted there no more, the pod itself has
        removed before us."""

    def forget(self, session: PodSession, resource_id: str) -> None:
        """The copy is gone from the pod: drop what was kept centrally for it."""

    def _inner(self, session: PodSession, document: Mapping[str, Any]) -> Resource:
        inner = document.get(self.member)
        if not isinstance(inner, dict) or not isinstance(inner.get("id"), str):
            raise PodUnreachable(session.pod.region_name, f"it answered without a {self.member}")
        return inner


def is_made_by_us(session: PodSession, item: Resource, adapters: Sequence[Adapter]) -> bool:
    """Whether we made an object with a marker, which may be a copy of one of these types."""
    collection, resource_id = adapters[0].collection, str(named(item))
    if session.is_signed(collection, item):
        return True
    found = ((adapter, adapter.central(resource_id)) for adapter in adapters)
    owners = [adapter.owner(session, central) for adapter, central in found if central is not None]
    return session.is_ours(collection, item, owners or None)


def _named(copies: Iterable[Any]) -> Iterator[tuple[str, Resource]]:
    """(central id, copy) of those with a marker."""
    for copy in copies:
        if isinstance(copy, dict) and isinstance(copy.get("id"), str) and (one := named(copy)):
            yield one, copy


def _queries(markers: Iterable[str]) -> Iterator[list[str]]:
    """Markers as they fit into the queries of lists."""
    some: list[str] = []
    size = 0
    for text in markers:
        more = len(urlencode({"description": text})) + 1
        if some and size + more > _QUERY:
            yield some
            some, size = [], 0
        some.append(text)
        size += more
    if some:
        yield some


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


def keeps_names(port: Resource) -> bool:
    """Whether a pod keeps names of ports: a Neutron without a domain of its own ignores them."""
    default = f".{constants.DNS_DOMAIN_DEFAULT.rstrip('.')}"
    told = port.get("dns_assignment") or ()
    return not any(str(one.get("fqdn")).rstrip(".").endswith(default) for one in told)
