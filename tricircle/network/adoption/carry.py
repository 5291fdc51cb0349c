# SPDX-License-Identifier: Apache-2.0
"""A plan is carried out. Who dies on the way is followed by whoever begins anew.

In this order, so that at no moment something in the pod looks as if nobody wanted it:

1. it is written down which of the pod's objects are on their way into the region;
2. central Neutron gets the resources, which are in no pod yet;
3. what they would change in the pod is looked at: it must be nothing but our marks;
4. the pod's objects become the realizations of the resources, all at once;
5. routers are joined to their networks, servers' ports bound to the pod, floating IPs led to them:
   all is there already;
6. the pod's objects get our marks.

Nobody works on a router meanwhile: one that has half of its interfaces here would lose the others
there.
"""

from typing import Any

from neutron_lib import exceptions as n_exc
from neutron_lib.api.definitions import portbindings
from sqlalchemy.orm import Session

from tricircle.db.realizations import Key
from tricircle.network.adoption import bodies, forwardings, making, release, trunks
from tricircle.network.adoption.items import Impossible, Item, Plan
from tricircle.network.central import adopted, central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession, Snapshot, owner_of
from tricircle.network.reconcile.adapters import ADAPTERS
from tricircle.pods.reconciler import NotYet

# What a mark changes of an object; of a subnet also the addresses that the pod gives out by itself.
_MARKS = {"description", "allocation_pools"}
# In this order they are marked, and put right by themselves meanwhile: a router's ports before the
# subnets by whose marks they would be known as lost ones of ours.
_MARKED = (
    adopted.INTERFACE,
    "router",
    "trunk",
    "port",
    "security_group",
    "address_group",
    "subnet",
    "network",
    "qos_policy",
)
# Seconds that routers are let alone at the most; whoever begins anew begins them anew, too.
_REST = 3600.0


def carry_out(plan: Plan) -> None:
    """Take over what a plan says. Raises PodError, NotYet, Impossible, and what Neutron raises."""
    session, queue = plan.session, plan.session.queue
    queue.transact(lambda tx: _remember(tx, plan))
    try:
        making.make(plan)
    except n_exc.NeutronException as error:
        release.undo(session, plan.project_id)
        raise Impossible(f"Central Neutron refuses: {error}") from error
    if changes := _changes(plan):
        release.undo(session, plan.project_id)
        raise Impossible("; ".join(changes))
    queue.transact(lambda tx: _realize(tx, plan))
    for item in plan.of(adopted.INTERFACE):
        making.join(plan, item)
    for item in plan.of("router"):
        making.lead(plan, item)
    for item in plan.of("port"):
        _bind(plan, item)
    for item in plan.of("floating_ip"):
        making.point(plan, item)
        forwardings.make(plan, item)
    for kind in _MARKED:
        for item in plan.of(kind):
            _mark(plan, item)
    done = [item.key for item in plan.items if not item.reason]

    def end(tx: Session) -> None:
        adopted.set_state(tx, session.pod.id, done, adopted.HERE)
        for item in plan.of("router"):
            queue.awake(tx, item.key, session.pod.id)

    queue.transact(end)


def _remember(tx: Session, plan: Plan) -> None:
    for item in plan.items:
        if item.reason:
            continue
        document = item.document
        had = {"description": bodies.description(document)}
        if "allocation_pools" in document:
            had["allocation_pools"] = document["allocation_pools"]
        adopted.remember(
            tx, item.key, plan.session.pod.id, item.inside, plan.project_id, had, not item.matched
        )


def _realize(tx: Session, plan: Plan) -> None:
    """From here on they are realized; what is to be in no pod is left as it is."""
    queue, pod_id, used = plan.session.queue, plan.session.pod.id, {"router", "floating_ip"}
    for item in plan.items:
        if not item.reason and item.kind in ADAPTERS and not _sleeps(plan, item):
            rest = _REST if item.kind == "router" else 0
            queue.taken_over(tx, item.key, pod_id, plan.project_id, item.inside, rest)
    for (kind, inside), outside in sorted(plan.links.items()):
        if used & {item.kind for item in plan.items if not item.reason}:
            queue.taken_over(tx, Key(kind, outside), pod_id, plan.project_id, inside, 0)


def _sleeps(plan: Plan, item: Item) -> bool:
    """Whether the region's resource is to be in no pod, as things are."""
    if item.kind == "floating_ip":
        return True  # It has a realization once it leads somewhere.
    if item.kind not in ("port", "trunk"):
        return False
    # A trunk is where its parent is, and takes its subports along.
    parent = (
        item.document["port_id"] if item.kind == "trunk" else trunks.parent_of(plan, item.inside)
    )
    return not plan.found.owners[parent or item.inside]


def _changes(plan: Plan) -> list[str]:
    """What the reconciler would change in the pod besides our marks, in words."""
    session = plan.session
    looking = Snapshot(session.neutron, session.queue, known=plan.known())
    found = []
    for item in plan.items:
        if item.reason or item.kind not in ADAPTERS or _sleeps(plan, item):
            continue
        adapter = ADAPTERS[item.kind]
        central = adapter.central(item.outside)
        if central is None:
            found.append(f"{item.key} is gone from the region")
        elif differing := set(adapter.drift(looking, item.document, central)) - _MARKS:
            found.append(
                f"the region would change {', '.join(sorted(differing))} of "
                f"{item.kind.replace('_', ' ')} {item.inside}"
            )
    return found


def _bind(plan: Plan, item: Item) -> None:
    """A server's port is in the pod: central Neutron binds it, and finds its copy there.

    Subports are bound along with their parent."""
    session = plan.session
    if _sleeps(plan, item) or trunks.parent_of(plan, item.inside):
        return
    core, admin, region = central_neutron.core(), central_neutron.admin(), session.pod.region_name
    port: Resource = core.get_port(admin, item.outside)
    if port["binding:host_id"] != region:
        change: dict[str, Any] = {"port": {"binding:host_id": region}}
        port = core.update_port(admin, item.outside, change)
    if port["binding:vif_type"] == portbindings.VIF_TYPE_BINDING_FAILED:
        why = (port.get("binding:vif_details") or {}).get("reason", "")
        raise NotYet(f"Port {item.outside} is not bound to pod {region}: {why}")


def _mark(plan: Plan, item: Item) -> None:
    """Have the pod's object bear our marks."""
    session = plan.session
    if item.kind == adopted.INTERFACE:
        _mark_interface(session, item)
        return
    adapter = ADAPTERS[item.kind]
    if _sleeps(plan, item):
        return
    central, current = adapter.central(item.outside), adapter.show(session, item.inside)
    if central is not None and current is not None:
        adapter.update(session, current, central)


def _mark_interface(session: PodSession, item: Item) -> None:
    """The port that joins a router bears the id of the one that joins the region's."""
    document = session.neutron.find(f"/ports/{item.inside}")
    if document is not None and not session.is_newest("ports", document["port"], item.outside):
        marker = session.marker("ports", item.outside, owner_of(document["port"]))
        session.neutron.put(f"/ports/{item.inside}", {"port": {"description": marker}})
