# SPDX-License-Identifier: Apache-2.0
"""What the data plane tells OVS, Neutron and Nova, and how it reads logs. No daemon runs here."""

import configparser
import dataclasses
import subprocess

import pytest

from lab import dataplane, settings
from lab.dataplane import agents, netns, ovn, ovs, servers, topology


@pytest.fixture
def lab(tmp_path):
    return dataclasses.replace(settings.new("unit"), home=tmp_path)


def groups(arguments):
    """The commands of one ovs-vsctl call."""
    return " ".join(arguments).split("-- ")[1:]


class TestSwitch:
    def test_each_cable_gets_a_bridge_and_the_cable_as_its_port(self, lab):
        host = topology.hosts(lab, lab.pods[0])[0]
        commands = [command.strip() for command in groups(ovs.bridges(host))]
        for switch in host.switches:
            assert f"--may-exist add-br br-{switch}" in commands
            assert f"--may-exist add-port br-{switch} {switch}" in commands
        assert "--may-exist add-port br-int" not in " ".join(commands)

    def test_all_bridges_share_the_userspace_datapath(self, lab):
        host = topology.hosts(lab, lab.pods[0])[0]
        settings_ = [command for command in groups(ovs.bridges(host)) if "set Bridge" in command]
        assert len(settings_) == len(host.switches) + 1
        assert all("datapath_type=netdev" in command for command in settings_)

    def test_only_the_integration_bridge_forwards_nothing_by_itself(self, lab):
        host = topology.hosts(lab, lab.pods[0])[0]
        secure = [command for command in groups(ovs.bridges(host)) if "fail_mode=secure" in command]
        assert len(secure) == 1
        assert "set Bridge br-int " in secure[0]

    def test_a_chassis_says_where_its_database_and_its_tunnel_end_are(self, lab):
        gateway, other = topology.hosts(lab, lab.pods[1])
        said = " ".join(ovn.chassis(other))
        assert f'external_ids:ovn-remote="unix:{lab.sockets}/pod2/ovn.sock"' in said
        assert 'external_ids:ovn-encap-ip="172.31.2.2"' in said
        assert 'external_ids:hostname="pod2-host2"' in said
        assert "enable-chassis-as-gw" not in said
        assert "enable-chassis-as-gw" in " ".join(ovn.chassis(gateway))


class TestOptions:
    def test_neutron_uses_the_pods_own_ovn(self, lab):
        connections = set()
        for pod in lab.pods:
            options = dataplane.neutron_options(lab, pod)["ovn"]
            assert options["ovn_nb_connection"] == topology.ovn_connection(lab, pod)
            connections |= {options["ovn_nb_connection"], options["ovn_sb_connection"]}
        assert len(connections) == len(lab.pods)

    def test_neutron_may_use_what_the_switches_carry(self, lab):
        options = dataplane.neutron_options(lab, lab.pods[0])
        assert options["ml2_type_vlan"]["network_vlan_ranges"] == "physnet1:100:399"
        assert topology.EXTERN in options["ml2_type_flat"]["flat_networks"].split(",")
        assert options["ml2"]["mechanism_drivers"] == "ovn"

    def test_neutron_with_agents_talks_to_them_over_the_pods_own_part_of_the_broker(self, tmp_path):
        lab = dataclasses.replace(settings.new("unit", profile="ovs"), home=tmp_path)
        urls = {lab.network_transport_url(pod.key) for pod in lab.pods}
        assert len(urls) == len(lab.pods)
        assert all(url.startswith("rabbit://") for url in urls)
        assert lab.transport_url("pod1") == "fake:///"
        options = dataplane.neutron_options(lab, lab.pods[0])
        assert options["ml2"]["mechanism_drivers"] == "openvswitch,l2population"
        assert options["DEFAULT"]["rpc_workers"] == "1"

    def test_nova_finds_its_hosts_settings(self, lab):
        for pod in lab.pods:
            for host in topology.hosts(lab, pod):
                options = dataplane.nova_options(lab, pod, host.name)
                assert options["lab"]["host_settings"] == str(host.settings_file.parent)
                assert options["DEFAULT"]["vif_plugging_is_fatal"] == "True"


class TestAgents:
    @pytest.fixture
    def lab(self, tmp_path):
        return dataclasses.replace(settings.new("unit", profile="ovs"), home=tmp_path)

    def test_routers_and_dhcp_are_on_each_pods_first_host(self, lab):
        for pod in lab.pods:
            first, second = topology.hosts(lab, pod)
            assert set(agents.of(first)) > set(agents.of(second))
            assert agents.of(second) == ("neutron-openvswitch-agent",)

    def test_an_agent_knows_its_switch_its_tunnel_end_and_the_broker(self, lab):
        host = topology.hosts(lab, lab.pods[1])[1]
        config = configparser.ConfigParser(interpolation=None)
        config.read(agents.configure(host))
        assert config["DEFAULT"]["host"] == "pod2-host2"
        assert config["OVS"]["ovsdb_connection"] == f"unix:{host.ovsdb_socket}"
        assert config["OVS"]["local_ip"] == "172.31.2.2"
        assert config["DEFAULT"]["transport_url"].endswith("/pod2")
        assert f"@{lab.management_address}:" in config["DEFAULT"]["transport_url"]

    def test_labs_side_by_side_share_no_way_to_the_broker(self, lab):
        other = settings.new("unit2", profile="ovs")
        assert lab.management_prefix != other.management_prefix
        assert topology.management_link(lab) != topology.management_link(other)


class TestCheck:
    ABORT = (
        "2026-11-23T23:27:21.184Z|00065|util(ovs-vswitchd)|EMER|../lib/conntrack.c:1063: assertion "
        "conn->conn_type == CT_CONN_TYPE_DEFAULT failed in conn_update_state()"
    )
    KILLED = (
        "2026-11-23T23:26:08.940Z|00005|daemon_unix(monitor)|ERR|1 crashes: pid 9848 died, killed "
        "(Segmentation fault), restarting"
    )
    QUIET = "2026-11-23T23:26:08.941Z|00006|bridge|WARN|could not open network device tap0"

    def write(self, lab, name, *lines):
        lab.log.mkdir(exist_ok=True)
        (lab.log / name).write_text("".join(f"{line}\n" for line in lines))

    @pytest.mark.parametrize("line", [ABORT, KILLED])
    def test_a_crash_is_found_and_says_where(self, lab, line):
        self.write(lab, "pod1-host1-ovs-vswitchd.log", self.QUIET)
        self.write(lab, "pod1-host2-ovs-vswitchd.log", self.QUIET, line)
        assert dataplane.check(lab) == [f"pod1-host2-ovs-vswitchd.log: {line}"]

    def test_the_controllers_and_the_central_daemons_are_looked_at_too(self, lab):
        names = ["pod1-host1-ovn-controller.log", "pod1-ovn-northd.log", "pod1-ovn-ovsdb.log"]
        names += ["pod1-host1-ovsdb-server.log"]
        for name in names:
            self.write(lab, name, self.ABORT)
        assert len(dataplane.check(lab)) == len(names)

    def test_without_a_crash_there_is_nothing_to_say(self, lab):
        assert dataplane.check(lab) == []
        self.write(lab, "pod1-host1-ovs-vswitchd.log", self.QUIET)
        self.write(lab, "pod1-nova.log", "a message about EMERGENCY |EMER|")
        assert dataplane.check(lab) == []


class TestServers:
    @pytest.fixture
    def running(self, lab, monkeypatch):
        """Namespaces by name, and whether each has an address."""
        state = {}
        monkeypatch.setattr(
            netns, "names", lambda prefix: sorted(name for name in state if name.startswith(prefix))
        )
        monkeypatch.setattr(servers, "_running", lambda name: state[name])
        return state

    def test_a_server_is_found_by_its_id(self, lab, running):
        running |= {"unit.pod1-host1.aaa": True, "unit.pod1-host1.bbb": True, "unit.outside": True}
        running |= {"unit2.pod1-host1.aaa": True}
        assert servers.find(lab, "aaa") == "unit.pod1-host1.aaa"

    def test_a_server_between_two_hosts_is_where_it_has_addresses(self, lab, running):
        running |= {"unit.pod1-host1.aaa": False, "unit.pod1-host2.aaa": True}
        assert servers.find(lab, "aaa") == "unit.pod1-host2.aaa"

    def test_a_server_that_is_switched_off_is_still_there(self, lab, running):
        running["unit.pod1-host1.aaa"] = False
        assert servers.find(lab, "aaa") == "unit.pod1-host1.aaa"

    @pytest.mark.parametrize("wanted", ["aaa", "outside", "pod1-host1"])
    def test_what_is_no_server_is_refused(self, lab, running, wanted):
        running |= {"unit.pod1-host1": True, "unit.outside": True}
        with pytest.raises(settings.LabError, match=f"no server '{wanted}'"):
            servers.find(lab, wanted)

    @pytest.mark.parametrize(
        ("received", "answered"), [([0, 0, 1, 3], True), ([0, 1, 2], False), ([0] * 4, False)]
    )
    def test_ping_forgives_the_first_packets_only(
        self, lab, running, monkeypatch, received, answered
    ):
        running["unit.pod1-host1.aaa"] = True
        results = iter(received)

        def execute(name, argv, timeout):
            got = next(results)
            said = f"3 packets transmitted, {got} received, 0% packet loss, time 402ms"
            return subprocess.CompletedProcess(argv, 0 if got else 1, said, "")

        monkeypatch.setattr(servers, "_exec", execute)
        assert servers.ping(lab, "aaa", "10.0.0.1", tries=4) is answered
        assert next(results, None) is None
