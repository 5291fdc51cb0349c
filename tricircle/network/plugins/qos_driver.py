# SPDX-License-Identifier: Apache-2.0
"""The QoS driver: policies are kept centrally and enforced by pods, each by its own means.

Every kind of rule is accepted here; a pod that cannot honour one refuses it when a port is bound
there, and when the rule comes later, the policy's realization there tells so.
"""

from typing import Any

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.db import constants as db_constants
from neutron_lib.services.qos import base
from neutron_lib.services.qos import constants as qos

from tricircle.db.realizations import Key
from tricircle.network.wanted import outbox

_NUMBER = {"type:range": [0, db_constants.DB_INTEGER_MAX_VALUE]}
_DIRECTION = {"type:values": constants.VALID_DIRECTIONS}
_ANY_DIRECTION = {"type:values": constants.VALID_DIRECTIONS_AND_ANY}
RULES: dict[str, dict[str, Any]] = {
    qos.RULE_TYPE_BANDWIDTH_LIMIT: {
        qos.MAX_KBPS: _NUMBER,
        qos.MAX_BURST: _NUMBER,
        qos.DIRECTION: _DIRECTION,
    },
    qos.RULE_TYPE_DSCP_MARKING: {qos.DSCP_MARK: {"type:values": constants.VALID_DSCP_MARKS}},
    qos.RULE_TYPE_MINIMUM_BANDWIDTH: {qos.MIN_KBPS: _NUMBER, qos.DIRECTION: _DIRECTION},
    qos.RULE_TYPE_PACKET_RATE_LIMIT: {
        qos.MAX_KPPS: _NUMBER,
        qos.MAX_BURST_KPPS: _NUMBER,
        qos.DIRECTION: _DIRECTION,
    },
    qos.RULE_TYPE_MINIMUM_PACKET_RATE: {qos.MIN_KPPS: _NUMBER, qos.DIRECTION: _ANY_DIRECTION},
}


class QosDriver(base.DriverBase):
    """Writes the outbox in the transaction of a policy's or rule's change."""

    def __init__(self) -> None:
        super().__init__(
            "tricircle", (portbindings.VIF_TYPE_OTHER,), portbindings.VNIC_TYPES, RULES
        )

    def update_policy_precommit(self, context: Any, policy: Any) -> None:
        outbox.changed(context, Key("qos_policy", policy["id"]))

    def delete_policy_precommit(self, context: Any, policy: Any) -> None:
        outbox.deleted(context, Key("qos_policy", policy["id"]))
