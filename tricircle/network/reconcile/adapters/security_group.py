# SPDX-License-Identifier: Apache-2.0
"""Security groups and their rules, which are compared as one set."""

from collections.abc import Collection
from typing import Any

from sqlalchemy.orm import Session

from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession, named, owner_of
from tricircle.network.reconcile.adapters.address_group import lacking
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.network.reconcile.adapters.security_rules import copy, identity
from tricircle.network.wanted import group_members
from tricircle.pods.errors import PodRefused

DEFAULT = "default"
_STATELESS = "stateful-security-group"


class SecurityGroupAdapter(Adapter):
    """A project's ``default`` group is the pod's own default group of that project."""

    resource_type = "security_group"
    member = "security_group"
    collection = "security-groups"
    order = 10
    strict = True

    def central(self, resource_id: str) -> Resource | None:
        return central_neutron.found(central_neutron.core().get_security_group, resource_id)

    def refers(self, session: PodSession, central: Resource) -> list[Key]:
        remote = _named(central, "remote_group_id")
        keys = [Key("security_group", group) for group in sorted(remote - {central["id"]})]
        if lacking(session):
            return keys
        away = self._away(session, remote)
        keys += [Key(group_members.KIND, group) for group in sorted(away)]
        addresses = _named(central, "remote_address_group_id")
        return keys + [Key("address_group", group) for group in sorted(addresses)]

    def body(self, session: PodSession, central: Resource) -> Resource:
        """Raises PodRefused when the group is stateless and the pod has no such groups."""
        body = {"name": central["name"], "project_id": central["project_id"]}
        stateful = central.get("stateful", True)
        if session.neutron.has(_STATELESS):
            body["stateful"] = stateful
        elif not stateful:
            raise _impossible(session, _STATELESS, f"security group {central['id']} be stateless")
        return body

    def adopts(self, central: Resource) -> bool:
        return bool(central["name"] == DEFAULT)

    def find(
        self,
        session: PodSession,
        central: Resource | None,
        resource_id: str,
        project_id: str | None = None,
    ) -> Resource | None:
        if central is None or central["name"] != DEFAULT:
            return super().find(session, central, resource_id, project_id)
        # Asking for a project's groups makes Neutron create the default one if need be.
        owner = central["project_id"]
        found = session.neutron.list(self.collection, project_id=owner, name=DEFAULT)
        return next((group for group in found if owner_of(group) == owner), None)

    def drift(self, session: PodSession, listed: Resource, central: Resource) -> Collection[str]:
        wanted = sorted(
            {identity(rule) for rule in self._wanted(session, listed, central)}, key=str
        )
        there = sorted(map(identity, listed.get("security_group_rules", ())), key=str)
        rules = [] if wanted == there else ["security_group_rules"]
        return [*self.differs(session, listed, central), *rules]

    def update(self, session: PodSession, current: Resource, central: Resource) -> None:
        try:
            super().update(session, current, central)
        except PodRefused as error:
            if error.status != 409 or "stateful" not in self.differs(session, current, central):
                raise
            self._vacate(session, current["id"])
            super().update(session, current, central)

    def _vacate(self, session: PodSession, group_id: str) -> None:
        """Have the region's ports leave a group of the pod; the next look at them brings them back.

        A group changes its statefulness only while no port is in it. In the region none was; but
        the pod may not have heard of that before they came back.
        """
        fields = ["id", "description", "security_groups"]
        listed = session.neutron.list("ports", fields=fields)
        inside = [port for port in listed if group_id in port["security_groups"]]
        known = session.mapped("port", {one for port in inside if (one := named(port))})
        ports = {
            central_id: port
            for port in inside
            if (central_id := named(port)) and known.get(central_id) == port["id"]
        }

        def look_again(tx: Session) -> None:
            for port_id in ports:
                realizations.touch(tx, session.queue.table, Key("port", port_id), [session.pod.id])

        session.queue.transact(look_again)
        for port in ports.values():
            left = [one for one in port["security_groups"] if one != group_id]
            session.neutron.put(f"/ports/{port['id']}", {"port": {"security_groups": left}})

    def settle(self, session: PodSession, current: Resource, central: Resource) -> None:
        wanted = {identity(rule): rule for rule in self._wanted(session, current, central)}
        there: dict[tuple[Any, ...], list[str]] = {}
        for rule in self._rules(session, current["id"]):
            there.setdefault(identity(rule), []).append(rule["id"])
        # First what is missing, then what is too much: no traffic is cut that may flow.
        self._add(session, [rule for key, rule in wanted.items() if key not in there])
        for key, rule_ids in there.items():
            for rule_id in rule_ids[1:] if key in wanted else rule_ids:
                session.neutron.delete(f"/security-group-rules/{rule_id}")
        addresses = _named(central, "remote_address_group_id")
        if addresses and (extension := lacking(session)):
            what = f"security group {central['id']} name address group {min(addresses)} in a rule"
            raise _impossible(session, extension, what)

    def _wanted(self, session: PodSession, current: Resource, central: Resource) -> list[Resource]:
        """The rules as the pod must have them, as far as it can have them.

        One with a remote group stands for the members in the pod, and once more for those in
        others, if there are any.
        """
        remote = _named(central, "remote_group_id")
        groups = session.ids("security_group", remote - {central["id"]})
        groups[central["id"]] = current["id"]
        lists = set() if lacking(session) else _named(central, "remote_address_group_id")
        sets = session.ids("address_group", lists)
        known = (
            set()
            if lacking(session)
            else session.queue.wanted(group_members.KIND, remote, session.pod.id)
        )
        # A list that is on its way out, its last member having come here, may never have been.
        needed = known & self._away(session, known)
        away = session.mapped(group_members.KIND, known) | session.ids(group_members.KIND, needed)
        rules, more = [], []
        for rule in central["security_group_rules"]:
            group, addresses = rule["remote_group_id"], rule["remote_address_group_id"]
            if group:
                rules.append(copy(rule, current["id"], remote_group_id=groups[group]))
                if group in away:
                    more.append(copy(rule, current["id"], remote_address_group_id=away[group]))
            elif not addresses:
                rules.append(copy(rule, current["id"]))
            elif addresses in sets:
                rules.append(copy(rule, current["id"], remote_address_group_id=sets[addresses]))
        return rules + more

    def _away(self, session: PodSession, groups: set[str]) -> set[str]:
        """Those of the groups that have members in other pods."""
        found: set[str] = session.queue.transact(
            lambda tx: group_members.elsewhere(tx, groups, session.pod.id)
        )
        return found

    def delete(self, session: PodSession, resource_id: str, pod_resource_id: str) -> None:
        document = session.neutron.find(f"/{self.collection}/{pod_resource_id}")
        if document is None:
            return
        if document[self.member]["name"] == DEFAULT:
            # The pod's own: it stays, and is no longer ours. What its rules name is to go.
            for rule in self._rules(session, pod_resource_id):
                if rule.get("remote_address_group_id"):
                    session.neutron.delete(f"/security-group-rules/{rule['id']}")
            path = f"/{self.collection}/{pod_resource_id}"
            session.neutron.put(path, {self.member: {"description": "Default security group"}})
            return
        super().delete(session, resource_id, pod_resource_id)

    def _rules(self, session: PodSession, group_id: str) -> list[Resource]:
        return session.neutron.list("security-group-rules", security_group_id=group_id)

    def _add(self, session: PodSession, rules: list[Resource]) -> None:
        path = "/security-group-rules"
        if not rules:
            return
        try:
            session.neutron.post(path, {"security_group_rules": rules})
            return
        except PodRefused as error:
            if error.status != 409 or "exist" not in error.message:
                raise
        # One of them is there under another spelling: the others must not miss out.
        for rule in rules:
            try:
                session.neutron.post(path, {"security_group_rule": rule})
            except PodRefused as error:
                if error.status != 409 or "exist" not in error.message:
                    raise


def _named(central: Resource, attribute: str) -> set[str]:
    """Ids of what the group's rules name in an attribute."""
    return {rule[attribute] for rule in central["security_group_rules"]} - {None}


def _impossible(session: PodSession, extension: str, what: str) -> PodRefused:
    return PodRefused(
        session.pod.region_name,
        501,
        f"its Neutron lacks the extension {extension}: {what} it cannot",
    )
