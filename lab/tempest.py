# SPDX-License-Identifier: Apache-2.0
"""OpenStack's official test suite against a region: a pod's, or the one that users see."""

from __future__ import annotations

import csv
import dataclasses
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab import identity, ini, packages, process
from lab.ini import Sections
from lab.services import program
from lab.settings import CURRENT, PASSWORD, REGION, Lab, LabError

EXTERNAL_PHYSNET = "extern"
EXTERNAL_CIDR = "203.0.113.0/24"
#: Flavors the tests boot with: (memory in MB, virtual CPUs).
FLAVORS = {"tempest-small": (64, 1), "tempest-large": (128, 1)}
NETWORK = "tempest-private"
VOLUME_TYPE = "multiattach"
#: A line of progress: "{1} tempest.api.x.Test.test_y [0.12s] ... ok".
LINE = re.compile(r"^\{\d+\} (?P<test>.+?) (?:\[(?P<seconds>[\d.]+)s\] )?\.\.\. (?P<outcome>\w+)")
OUTCOMES = {"ok": "pass", "FAILED": "fail", "SKIPPED": "skip"}


@dataclasses.dataclass(frozen=True)
class Result:
    test: str
    outcome: str  # pass, fail or skip
    seconds: float

    @property
    def area(self) -> str:
        """The package of tests it belongs to: tempest.api.compute.servers."""
        name = self.test.partition("(")[2].rstrip(")") or self.test.partition("[")[0]
        return ".".join(name.split(".")[:4])


# -- what the tests need -------------------------------------------------------------------------


def _services(lab: Lab, region: str) -> set[str]:
    """Types of the services that the region offers."""
    access = identity.session(lab).auth.get_access(identity.session(lab))
    return {
        entry["type"]
        for entry in access.service_catalog.catalog
        if any(endpoint["region_id"] == region for endpoint in entry["endpoints"])
    }


def _flavors(cloud: Any, region: str) -> dict[str, str]:
    """{name: id}; each region has its own, or the one that users see would know those of a pod."""
    known = {flavor.name: flavor.id for flavor in cloud.compute.flavors()}
    found = {}
    for name, (memory, cpus) in FLAVORS.items():
        own = f"{name}-{region}"
        if own not in known:
            made = cloud.compute.create_flavor(name=own, ram=memory, vcpus=cpus, disk=1)
            known[own] = made.id
        found[name] = known[own]
    return found


def _external_network(cloud: Any, outlets: list[str]) -> Any:
    """The external network; ``outlets`` are the pods that have it, for a region that has pods."""
    network = next(iter(cloud.network.networks(is_router_external=True)), None)
    if network is None:
        network = cloud.network.create_network(
            name="public",
            is_router_external=True,
            is_default=True,
            provider_network_type="flat",
            provider_physical_network=EXTERNAL_PHYSNET,
            **({"availability_zone_hints": outlets} if outlets else {}),
        )
        cloud.network.create_subnet(
            network_id=network.id,
            name="public",
            ip_version=4,
            cidr=EXTERNAL_CIDR,
            is_dhcp_enabled=False,
        )
    return network


def _networks(cloud: Any, outlets: list[str]) -> Any:
    """The external network; makes the rest that tests look for by name."""
    if not cloud.network.find_network(NETWORK):
        private = cloud.network.create_network(name=NETWORK)
        cloud.network.create_subnet(
            network_id=private.id, name=NETWORK, ip_version=4, cidr="10.1.0.0/24"
        )
    if not any(pool.is_default for pool in cloud.network.subnet_pools(ip_version=4)):
        cloud.network.create_subnet_pool(
            name="default-pool",
            prefixes=["10.200.0.0/16"],
            default_prefix_length=26,
            is_shared=True,
            is_default=True,
        )
    return _external_network(cloud, outlets)


def _volume_type(cloud: Any) -> None:
    if VOLUME_TYPE not in {kind.name for kind in cloud.block_storage.types()}:
        cloud.block_storage.create_type(
            name=VOLUME_TYPE, extra_specs={"multiattach": "<is> True"}, is_public=True
        )


def _newest(service: Any) -> str:
    """The newest microversion the service offers; tests of newer ones are skipped."""
    return ".".join(map(str, service.get_endpoint_data().max_microversion))


# -- configuration -------------------------------------------------------------------------------


def configure(lab: Lab, region: str) -> Path:
    """Make what the tests need in the region, and the folder to run them in."""
    packages.install_venv(CURRENT)
    offered = _services(lab, region)
    if "compute" not in offered:
        raise LabError(f"region {region!r} has no compute endpoint in Keystone's catalogue")
    folder = lab.home / "tempest" / region
    (folder / "lock").mkdir(parents=True, exist_ok=True)
    ini.write(folder / "tempest.conf", _sections(lab, region, offered, folder))
    site = Path(program(CURRENT, "python")).parent.parent / "lib" / "python3.11" / "site-packages"
    stestr = {
        "test_path": site / "tempest" / "test_discover",
        "top_dir": site,
        "group_regex": r"([^\.]*\.)*",
    }
    ini.write(folder / ".stestr.conf", {"DEFAULT": stestr})
    return folder


def _sections(lab: Lab, region: str, offered: set[str], folder: Path) -> Sections:
    cloud = identity.connection(lab, region)
    images = {image.name: image.id for image in cloud.image.images()}
    flavors = _flavors(cloud, region)
    outlets = [pod.region for pod in lab.pods if pod.external] if region == REGION else []
    public = _networks(cloud, outlets)
    extensions = sorted(extension.alias for extension in cloud.network.extensions())
    hosts = {
        service.host
        for service in cloud.compute.services(binary="nova-compute")
        if service.state == "up"
    }
    volumes = "volumev3" in offered or "block-storage" in offered
    if volumes:
        _volume_type(cloud)
    return {
        "DEFAULT": {"log_file": folder / "tempest.log", "debug": False},
        "oslo_concurrency": {"lock_path": folder / "lock"},
        "auth": {
            "use_dynamic_credentials": True,
            "create_isolated_networks": True,
            "admin_username": "admin",
            "admin_password": PASSWORD,
            "admin_project_name": "admin",
            "admin_domain_name": "Default",
        },
        "identity": {
            "uri_v3": lab.identity_url,
            "auth_version": "v3",
            "region": REGION,
            "v3_endpoint_type": "public",
        },
        "identity-feature-enabled": {"api_v2": False, "api_v3": True},
        "service_available": {
            "nova": True,
            "neutron": True,
            "glance": True,
            "cinder": volumes,
            "swift": False,
            "horizon": False,
        },
        "compute": {
            "region": region,
            "image_ref": images["tiny"],
            "image_ref_alt": images["tiny2"],
            "flavor_ref": flavors["tempest-small"],
            "flavor_ref_alt": flavors["tempest-large"],
            "min_compute_nodes": len(hosts),
            "max_microversion": _newest(cloud.compute),
            "fixed_network_name": NETWORK,
            "hypervisor_type": "fake",
            "build_interval": 1,
            "build_timeout": 180,
            "ready_wait": 0,
            "volume_device_name": "sdb",
        },
        "compute-feature-enabled": {
            **dict.fromkeys(
                (
                    *("console_output", "resize", "cold_migration", "live_migration", "pause"),
                    *("suspend", "shelve", "rescue", "interface_attach", "config_drive"),
                    *("swap_volume", "volume_multiattach", "snapshot", "disk_config"),
                    "change_password",
                ),
                True,
            ),
            **dict.fromkeys(
                (
                    *("attach_encrypted_volume", "block_migration_for_live_migration"),
                    *("vnc_console", "spice_console", "metadata_service"),
                ),
                False,
            ),
        },
        "image": {
            "region": REGION,
            "disk_formats": "raw,qcow2",
            "container_formats": "bare",
            "build_interval": 1,
        },
        "image-feature-enabled": {"import_image": True},
        "network": {
            "region": region,
            "public_network_id": public.id,
            "floating_network_name": public.name,
            "project_network_cidr": "10.100.0.0/16",
            "project_network_mask_bits": 28,
            "project_networks_reachable": False,
            "build_interval": 1,
        },
        "network-feature-enabled": {
            "ipv6": True,
            "ipv6_subnet_attributes": True,
            "port_security": True,
            "floating_ips": True,
            "api_extensions": ",".join(extensions),
            "qos_placement_physnet": EXTERNAL_PHYSNET,
        },
        "neutron_plugin_options": {
            "available_type_drivers": "local,flat,vlan",
            "provider_vlans": "physnet1",
            "provider_net_base_segm_id": 250,
            "max_networks_per_project": 50,
            "create_shared_resources": True,
            "default_image_is_advanced": False,
        },
        # The tests' SSH sessions need a guest; the lab's servers are namespaces or less, and who
        # asks one all the same is not to wait for long.
        "validation": {"run_validation": False, "ssh_timeout": 5, "ping_timeout": 5},
        "volume": {
            "region": region,
            "catalog_type": "volumev3",
            "max_microversion": _newest(cloud.block_storage) if volumes else "latest",
            "storage_protocol": "local",
            "vendor_name": "lab",
            "backend_names": "file1",
            "volume_type_multiattach": VOLUME_TYPE,
            "build_interval": 1,
            "build_timeout": 180,
            "volume_size": 1,
            "manage_volume_ref": "source-name,volume-%s",
        },
        "volume-feature-enabled": {
            **dict.fromkeys(
                (
                    *("backup", "snapshot", "clone", "manage_volume", "volume_revert"),
                    *("extend_attached_volume", "volume_image_dep_tests"),
                ),
                True,
            ),
            "manage_snapshot": False,
            "multi_backend": False,
        },
    }


# -- running -------------------------------------------------------------------------------------


def run(lab: Lab, region: str, regex: str, *, exclude: str = "", concurrency: int = 2) -> int:
    """Run the tests that match; prints a table, keeps it with the details beside the
    configuration. Returns 0 when none failed, 1 when one did. Raises LabError when nothing ran.
    """
    folder = configure(lab, region)
    argv = [program(CURRENT, "tempest"), "run", "--config-file", folder / "tempest.conf"]
    argv += ["--regex", regex, "--concurrency", concurrency]
    if exclude:
        argv += ["--exclude-regex", exclude]
    begun = time.monotonic()
    results = _stream([str(part) for part in argv], folder)
    seconds = time.monotonic() - begun
    if not results:
        raise LabError(f"no test ran; see {folder / 'output.log'}")
    _write_csv(folder / "results.csv", results)
    table = summary(results, f"{region}: {regex}", seconds)
    (folder / "summary.txt").write_text(table + "\n")
    print(table)
    print(f"details: {folder / 'output.log'}, {folder / 'results.csv'}")
    return 1 if any(result.outcome == "fail" for result in results) else 0


def parse(line: str) -> Result | None:
    """The result that a line of progress tells, if it tells one."""
    found = LINE.match(line)
    if not found or found["outcome"] not in OUTCOMES:
        return None
    return Result(found["test"], OUTCOMES[found["outcome"]], float(found["seconds"] or 0))


def _stream(argv: list[str], folder: Path) -> list[Result]:
    results = []
    env = process.clean_environment(packages.environment(CURRENT))
    shown = time.monotonic()
    with (
        open(folder / "output.log", "w") as log,
        subprocess.Popen(
            argv,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as child,
        process.ended_with(child),
    ):
        for line in child.stdout or ():
            log.write(line)
            result = parse(line)
            if result is None:
                continue
            results.append(result)
            if result.outcome == "fail" or time.monotonic() - shown > 15:
                shown = time.monotonic()
                _progress(results, result)
    return results


def _progress(results: list[Result], last: Result) -> None:
    counts = Counter(result.outcome for result in results)
    said = " ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES.values())
    print(f"  {said}; {last.outcome}: {last.test}", file=sys.stderr, flush=True)


def _write_csv(path: Path, results: Iterable[Result]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in dataclasses.fields(Result)])
        writer.writerows(dataclasses.astuple(result) for result in results)


def summary(results: Iterable[Result], title: str, seconds: float) -> str:
    """The results as a table, one row for each area of tests, and the failures by name."""
    results = list(results)
    areas: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        areas[result.area].append(result)
    rows = [title, f"{'':50} {'pass':>6} {'fail':>6} {'skip':>6} {'seconds':>8}"]
    for area, members in sorted(areas.items()):
        rows.append(_row(area, members, sum(member.seconds for member in members)))
    rows.append(_row("all together", results, seconds))
    rows += [f"FAILED {result.test}" for result in results if result.outcome == "fail"]
    return "\n".join(rows)


def _row(name: str, results: list[Result], seconds: float) -> str:
    counts = Counter(result.outcome for result in results)
    cells = " ".join(f"{counts[outcome]:6}" for outcome in OUTCOMES.values())
    return f"{name:50} {cells} {seconds:8.0f}"
