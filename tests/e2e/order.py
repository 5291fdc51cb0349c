# SPDX-License-Identifier: Apache-2.0
"""In which order tests begin when several run at once: the longest first, so that no worker is left
alone with a long one at the end. Those that want the lab for themselves come last, one after the
other: each of them would else wait for what others have begun. They leave processors idle, so the
tests of the other lab, if they are to run too, begin right before them.

Tests of a file stay together, for they may share what its fixtures make or a segment they name;
those of the files in ``APART`` share nothing. Those that want the one external network stay
together, too, for while one has it the others can only wait.
"""

import pytest

#: Files whose tests may run at the same time.
APART = {
    "test_changes_across_pods",
    "test_ipv6_across_pods",
    "test_networks_across_pods",
    "test_security_across_pods",
    "test_trunks_and_qos",
}
#: Seconds that a file takes, or a test of one that is ``APART``, or all with the external network.
#: Others take some.
SECONDS = {
    "external": 590,
    "test_roles": 170,
    "test_every_microversion": 150,
    "test_volumes": 120,
    "test_one_region": 110,
    "test_where_things_land": 100,
    "test_operators_see_all_pods": 80,
    "test_kubernetes_habits": 45,
    "test_local_networks_joined_by_a_router": 65,
    "test_a_trunk_whose_subport_reaches_another_pod": 60,
    "test_a_stretched_network": 50,
    "test_a_limit_and_a_mark": 50,
    "test_a_router_held_to_one_pod_and_routes_by_it": 50,
    "test_a_remote_group_with_a_member_in_another_pod": 46,
    "test_changes_reach_every_pod": 40,
    "test_provider_networks": 40,
    "test_a_router_joins_networks_of_ipv6": 35,
    "test_a_stretched_network_whose_servers_make_their_addresses": 35,
    "test_a_stretched_network_of_ipv6": 35,
}
_SOME = 20
ALONE, EXTERNAL, OTHER_LAB = "disturbs", "external", "e2e_vxlan"


def arrange(items: list[pytest.Item]) -> None:
    """Sort the tests, and mark each with what it stays together with."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_unit(item)))
    last = [OTHER_LAB, ALONE]
    items.sort(key=lambda item: (_unit(item) in last, _unit(item) == ALONE, -_seconds(item)))


def _unit(item: pytest.Item) -> str:
    if is_of_the_other_lab(item):
        return OTHER_LAB
    if item.get_closest_marker(ALONE):
        return ALONE
    if EXTERNAL in item.fixturenames:
        return EXTERNAL
    return item.name if item.path.stem in APART else item.path.stem


def is_of_the_other_lab(item: pytest.Item) -> bool:
    return item.path.parent.name == OTHER_LAB


def _seconds(item: pytest.Item) -> int:
    name = _unit(item).partition("[")[0]
    return SECONDS.get(name, _SOME)
