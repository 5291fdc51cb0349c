# SPDX-License-Identifier: Apache-2.0
"""What tests do with central Neutron and the pods, in words."""

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from neutron_lib import context as n_context
from neutron_lib.api import attributes
from neutron_lib.plugins import constants, directory

from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.neutron import Neutron
from tricircle.db import realizations
from tricircle.db.models import now
from tricircle.db.realizations import Key, Row
from tricircle.network.central import models
from tricircle.network.pod_api.pod_session import named
from tricircle.network.reconcile import runtime
from tricircle.network.wanted import needs, outbox
from tricircle.pods import markers
from tricircle.pods.deadline import Deadline
from tricircle.pods.markers import Place

Object = dict[str, Any]
PROJECT = "0123456789abcdef0123456789abcdef"
#: The service plugin of each kind of resource that is not the core plugin's.
PLUGINS = {
    "router": constants.L3,
    "floatingip": constants.L3,
    "trunk": "trunk",
    "policy": constants.QOS,
}


class Stage:
    """Central Neutron's plugins over a fake cloud."""

    def __init__(self, cloud: Cloud, pod_ids: dict[str, str]) -> None:
        self.cloud, self.pod_ids = cloud, pod_ids
        self.core = directory.get_plugin()
        self.l3 = directory.get_plugin(constants.L3)
        self.context = self._context()
        self.admin = n_context.get_admin_context()

    # -- the user ----------------------------------------------------------------------------

    def make(self, kind: str, **values: Any) -> Object:
        """Make a resource as the user's request would."""
        body = _filled(kind, values)
        made: Object = getattr(self.plugin(kind), f"create_{kind}")(self._context(), {kind: body})
        return made

    def ports(self, *wanted: Object) -> list[Object]:
        """Ports that one request makes, as the service user."""
        bodies = [{"port": _filled("port", {"name": "port", **values})} for values in wanted]
        made: list[Object] = self.core.create_port_bulk(
            self._context(admin=True), {"ports": bodies}
        )
        return made

    def change(self, kind: str, resource_id: str, **values: Any) -> Object:
        changed: Object = getattr(self.plugin(kind), f"update_{kind}")(
            self._context(), resource_id, {kind: values}
        )
        return changed

    def delete(self, kind: str, resource_id: str) -> None:
        getattr(self.plugin(kind), f"delete_{kind}")(self._context(), resource_id)

    def plugin(self, kind: str) -> Any:
        """The plugin that has resources of a kind."""
        return directory.get_plugin(PLUGINS.get(kind, constants.CORE))

    def network(self, cidr: str = "10.0.0.0/24", **more: Any) -> tuple[Object, Object]:
        """A network with one subnet."""
        network = self.make("network", name="net", **more)
        return network, self.subnet(network, cidr)

    def subnet(self, network: Object, cidr: str, **more: Any) -> Object:
        version = 6 if ":" in cidr else 4
        return self.make(
            "subnet", network_id=network["id"], cidr=cidr, ip_version=version, name="sub", **more
        )

    def port(self, network: Object, **more: Any) -> Object:
        return self.make("port", network_id=network["id"], name="port", **more)

    def bind(self, port: Object, host: str) -> Object:
        """What the gateway asks for, as an administrator."""
        changed: Object = self.core.update_port(
            self._context(admin=True), port["id"], {"port": {"binding:host_id": host}}
        )
        return changed

    def bound(self, network: Object, host: str, **more: Any) -> Object:
        port = self.bind(self.port(network, **more), host)
        assert port["binding:vif_type"] == "other", port["binding:vif_details"]
        return port

    # -- the reconciler ----------------------------------------------------------------------

    def reconcile(self, *regions: str, sweep: bool = True) -> None:
        """What xjob does, until nothing is left to do at once."""
        running = runtime.get()
        swept: dict[str, str] = {}
        for _ in range(20):
            done = 0
            for region in regions or self.pod_ids:
                if sweep:
                    # As xjob does it: once, and then when there was a change.
                    state = needs.Changes(running.engine.queue).state()
                    if swept.get(region) != state:
                        swept[region] = state
                        pod = running.registry.fresh().by_region(region)
                        assert pod is not None
                        done += needs.sweep(running.engine.queue, pod.id)
                done += self.work(region)
            if not done and not self.pending(*regions):
                return
            time.sleep(0.02)

    def work(self, region: str) -> int:
        """One look of xjob at a pod; how many rows are right now that were not."""
        running = runtime.get()
        pod = running.registry.fresh().by_region(region)
        assert pod is not None
        due = sorted(running.worker.due(pod, 100), key=running.engine.order)
        return sum(running.worker.work_on(pod, row.id) for row in due)

    def want(self, port: Object, region: str) -> None:
        """What is written when a port is to be bound in a pod; nothing is made there yet."""
        runtime.get().engine.queue.transact(
            lambda tx: outbox.wanted_for_port(outbox.SessionOnly(tx), port, self.pod_ids[region])
        )

    def realize(self, port: Object, region: str) -> str:
        """What binding a port does for its pod, without ML2 around it."""
        self.want(port, region)
        running = runtime.get()
        pod = running.registry.fresh().by_region(region)
        assert pod is not None
        engine = running.engine
        return engine.ensure_realized(engine.session(pod, Deadline(40)), Key("port", port["id"]))

    def withdraw(self, port: Object, region: str) -> None:
        """What unbinding a port does."""
        key, pod_ids = Key("port", port["id"]), [self.pod_ids[region]]
        runtime.get().engine.queue.transact(
            lambda tx: realizations.retire(tx, models.Realization, key, pod_ids)
        )

    def touch(self, kind: str, resource_id: str) -> None:
        """Mark a resource as changed."""
        runtime.get().engine.queue.transact(
            lambda tx: realizations.touch(tx, models.Realization, Key(kind, resource_id))
        )

    def pending(self, *regions: str) -> list[Row]:
        """Rows with work to do at once."""
        queue = runtime.get().engine.queue
        ids = [self.pod_ids[region] for region in regions or self.pod_ids]
        return [row for pod_id in ids for row in queue.due(pod_id, 100)]

    def forget_claims(self) -> None:
        """Let time pass: claims of the dead run out, waits are over."""
        table = models.Realization
        runtime.get().engine.queue.transact(
            lambda tx: tx.execute(
                sa.update(table)
                .where(sa.or_(table.next_try_at.is_not(None), table.claimed_by.is_not(None)))
                .values(claimed_until=None, making_until=None, next_try_at=now())
            )
        )

    def row(self, kind: str, resource_id: str, region: str) -> Row | None:
        return runtime.get().engine.queue.get(Key(kind, resource_id), self.pod_ids[region])

    def rows(self) -> list[Row]:
        query = sa.select(models.Realization)
        found: list[Row] = runtime.get().engine.queue.transact(lambda tx: list(tx.scalars(query)))
        return found

    # -- the pods ----------------------------------------------------------------------------

    def start(self, region: str) -> None:
        """A pod answers again, and nobody leaves it alone any longer."""
        self.cloud.pods[region].start()
        runtime.get().services.breakers[self.pod_ids[region], "network"].success()

    def neutron(self, region: str) -> Neutron:
        return self.cloud.pods[region].neutron

    def copies(self, region: str, collection: str, resource_id: str | None = None) -> list[Object]:
        """Objects with our marker in a pod: of one resource, or all."""
        return [
            item
            for item in self.neutron(region).tables[collection].values()
            if (named(item) == resource_id if resource_id else named(item))
        ]

    @property
    def own_project(self) -> str:
        """The project of what we make in pods for none of a user's."""
        return runtime.get().identity.project_id()

    def mark(
        self, region: str, collection: str, resource_id: str, project_id: str = PROJECT
    ) -> str:
        """The description we give what we make in a pod."""
        return markers.sign(resource_id, Place(region, collection), project_id)

    def copy(self, region: str, collection: str, resource_id: str) -> Object:
        (found,) = self.copies(region, collection, resource_id)
        return found

    def register(self, region: str) -> None:
        """A pod that was forgotten is one again."""
        (made,) = gateway_harness.add_pods(self.cloud, region).values()
        self.pod_ids[region] = made
        runtime.get().registry.refresh()

    def empty(self, region: str) -> bool:
        """Whether nothing of ours is in a pod."""
        return not any(self.copies(region, name) for name in self.neutron(region).tables)

    def _context(self, admin: bool = False) -> Any:
        return (
            n_context.get_admin_context()
            if admin
            else n_context.Context("user", PROJECT, roles=["member", "reader"])
        )


def _filled(kind: str, values: Object) -> Object:
    """The body of a request for one, as Neutron's API has it filled."""
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    body = {"project_id": PROJECT, "tenant_id": PROJECT, **values}
    known = attributes.AttributeInfo(attributes.RESOURCES[plural])
    known.fill_post_defaults(body)
    known.convert_values(body)
    return body


def wait(condition: Callable[[], Any], seconds: float = 30) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen")
