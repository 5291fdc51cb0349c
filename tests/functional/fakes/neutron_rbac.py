# SPDX-License-Identifier: Apache-2.0
"""RBAC policies: who sees what is another project's, and what a policy in use is held by."""

from typing import Any

from tests.functional.fakes.http import Refusal, new_id

Object = dict[str, Any]

RBAC: dict[str, tuple[str, Object]] = {
    "rbac-policies": (
        "rbac_policy",
        {"object_type": "network", "object_id": None, "action": None, "target_tenant": "*"},
    ),
}
SHARED, EXTERNAL = "access_as_shared", "access_as_external"
#: What can be shared: {type: (collection, actions)}
TYPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "network": ("networks", (SHARED, EXTERNAL)),
    "qos_policy": ("policies", (SHARED,)),
    "security_group": ("security-groups", (SHARED,)),
    "address_group": ("address-groups", (SHARED,)),
}


class Rbac:
    """Mixed into ``Neutron``. What is shared with all is an attribute there, no policy."""

    def shared_with(self: Any, item: Object, project_id: str) -> bool:
        return any(
            policy["target_tenant"] in ("*", project_id) for policy in self._policies(item["id"])
        )

    def _policies(self: Any, object_id: str, *actions: str) -> list[Object]:
        return [
            policy
            for policy in self.tables["rbac-policies"].values()
            if policy["object_id"] == object_id
            and policy["action"] in (actions or (SHARED, EXTERNAL))
        ]

    def _prepare_rbac_policy(self: Any, item: Object, token: Any) -> None:
        collection, actions = TYPES.get(item["object_type"], ("", ()))
        if item["action"] not in actions:
            raise Refusal(400, f"Invalid action '{item['action']}'", "InvalidActionForType")
        # A network's own first policy is there before the network.
        shared = self.tables[collection].get(item["object_id"])
        if shared is None and token is not None:
            raise Refusal(404, f"{item['object_id']} could not be found.")
        if any(
            policy["target_tenant"] == item["target_tenant"]
            for policy in self._policies(item["object_id"], item["action"])
        ):
            raise Refusal(409, "An RBAC policy already exists with those values.",
                          "DuplicateRbacPolicy")  # fmt: skip
        item["target_project"] = item["target_tenant"]
        del item["description"], item["tags"]
        if shared is not None and item["action"] == EXTERNAL:
            shared["router:external"] = True

    def _check_retarget(self: Any, policy: Object, target: str | None) -> None:
        """A project that has ports on a network cannot lose it (``target``: who gets it)."""
        network = self.tables["networks"].get(policy["object_id"])
        lost = policy["target_tenant"]
        if policy["action"] != SHARED or network is None or target == lost:
            return
        if network["shared"] or lost == network["project_id"]:
            return
        self._check_no_ports_of(network, lambda owner: owner == lost)

    def _check_unshared(self: Any, network: Object) -> None:
        """A network whose own attribute shares it with all cannot be taken from who uses it."""
        others = {one["target_tenant"] for one in self._policies(network["id"], SHARED)}
        kept = {*others, network["project_id"], ""}
        self._check_no_ports_of(network, lambda owner: owner not in kept)

    def _check_no_ports_of(self: Any, network: Object, concerned: Any) -> None:
        if any(concerned(port["project_id"]) for port in self.ports(network_id=network["id"])):
            raise Refusal(
                409, f"Unable to reconfigure sharing settings for network {network['id']}. "
                "Multiple projects are using it.", "InvalidSharedSetting",
            )  # fmt: skip

    def _open_to_all(self: Any, network: Object) -> None:
        """An external network may be used by every project, until somebody says otherwise."""
        policy_id = new_id()
        self.tables["rbac-policies"][policy_id] = {
            "id": policy_id, "project_id": network["project_id"], "object_type": "network",
            "object_id": network["id"], "action": EXTERNAL, "target_tenant": "*",
            "target_project": "*", "revision_number": 0,
        }  # fmt: skip

    def _close_external(self: Any, policy: Object) -> None:
        """With the last project that may use it, a network is external no more."""
        others = self._policies(policy["object_id"], EXTERNAL)
        if policy["action"] == EXTERNAL and others == [policy]:
            self.tables["networks"][policy["object_id"]]["router:external"] = False

    def _forget_policies(self: Any, object_id: str, *actions: str) -> None:
        for policy in self._policies(object_id, *actions):
            del self.tables["rbac-policies"][policy["id"]]
