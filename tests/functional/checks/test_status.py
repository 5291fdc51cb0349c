# SPDX-License-Identifier: Apache-2.0
"""``tricircle-status upgrade check`` over a cloud that is well, and over one that is not."""

import asyncio
import sys
from pathlib import Path

import sqlalchemy as sa

import tricircle
from tests.functional.fakes.cloud import Cloud
from tricircle.db import session

_VERSIONS = (
    Path(tricircle.__file__).parent / "network" / "migrations" / "alembic_migrations" / "versions"
)
NEUTRON = """
[DEFAULT]
core_plugin = {core}
service_plugins = {service}
[ml2]
mechanism_drivers = tricircle
[interconnect]
message_buses = {bus}
"""


async def check(*files: Path) -> tuple[int, dict[str, str]]:
    """How it ended, and {check: what its part of the table says}."""
    arguments = [part for path in files for part in ("--config-file", str(path))]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", "tricircle.cmd.status", *arguments,
        "upgrade", "check", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, errors = await process.communicate()
    assert process.returncode is not None
    assert b"Traceback" not in errors, errors.decode()
    parts: dict[str, str] = {}
    name = ""
    for line in told.decode().splitlines():
        text = line.strip("| ").strip()
        if text.startswith("Check: "):
            name = text.removeprefix("Check: ")
            parts[name] = ""
        elif not line.startswith("+"):
            parts[name] = f"{parts.get(name, '')} {text}".strip()
    return process.returncode, parts


async def test_a_cloud_that_is_well(cloud: Cloud, tmp_path: Path, prepared: str) -> None:
    for pod in cloud.pods.values():
        pod.neutron.quota = dict.fromkeys(pod.neutron.quota, -1)
        pod.nova.quotas = dict.fromkeys(pod.nova.quotas, -1)
    for kind in ("compute", "block-storage"):
        cloud.keystone.endpoint("RegionOne", kind, "http://127.0.0.1:1/")
    neutron = tmp_path / "neutron.conf"
    neutron.write_text(NEUTRON.format(core="ml2", service="tricircle-router,qos,trunk", bus=""))
    with_database(tmp_path)
    code, parts = await check(tmp_path / "tests.conf", neutron)
    del parts[""]
    assert {name: text for name, text in parts.items() if "Result: Success" not in text} == {}
    assert code == 0
    assert len(parts) == 9


async def test_one_that_is_not(cloud: Cloud, tmp_path: Path, prepared: str) -> None:
    with session.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '0012'"))
        tx.execute(sa.text("UPDATE pods SET health = 'down' WHERE region_name = 'pod3'"))
    cloud.central.quota = dict.fromkeys(cloud.central.quota, 50)
    neutron = tmp_path / "neutron.conf"
    neutron.write_text(
        NEUTRON.format(
            core="ml2", service="router,metering", bus="Pod9:rabbit://a:secret@127.0.0.1:1/"
        )
    )
    code, parts = await check(tmp_path / "tests.conf", neutron)
    assert code == 2
    assert "It is at revision 0012, this release needs" in parts["Tricircle's database"]
    assert "neutron_connection is not set" in parts["Central Neutron's database"]
    plugins = parts["Plugins of central Neutron"]
    assert "lacks tricircle-router" in plugins
    assert "has router: use tricircle-router" in plugins
    assert "has metering" in plugins
    assert "names Pod9, which is no pod" in parts["Message buses of pods"]
    assert "pod3 is down" in parts["Health of pods"]
    limits = parts["Limits of pods"]
    assert "quotas are below the region's (rbac_policy 10, security_group 10)" in limits
    assert (
        "its Neutron limits the project of tricircle (network 100, port 500, subnet 100)" in limits
    )
    assert "secret" not in str(parts)


def with_database(folder: Path) -> None:
    """Central Neutron's database, as far as its revisions go."""
    path = folder / "neutron.sqlite"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version_tricircle (version_num TEXT)"))
        for name in ("EXPAND_HEAD", "CONTRACT_HEAD"):
            head = (_VERSIONS / name).read_text().strip()
            connection.execute(
                sa.text("INSERT INTO alembic_version_tricircle VALUES (:head)"), {"head": head}
            )
    config = folder / "tests.conf"
    section = f"[tricircle_database]\nneutron_connection = sqlite:///{path}\n"
    config.write_text(f"{config.read_text()}\n{section}")
