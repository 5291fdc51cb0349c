# SPDX-License-Identifier: Apache-2.0
"""A dump of Tricircle's database is brought back when more has happened since."""

import subprocess
from pathlib import Path

from tests.functional import servers, volumes
from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tests.functional.processes import Process, caller
from tests.functional.world.daemons import ADDRESS, MariaDB

NAME = "tricircle"


def _program(server: MariaDB, name: str, *more: str) -> list[str]:
    return [name, f"--host={ADDRESS}", f"--port={server.port}", "--user=root", *more]


def dump(server: MariaDB, path: Path) -> None:
    with path.open("wb") as file:
        subprocess.run(
            _program(server, "mariadb-dump", "--single-transaction", "--databases", NAME),
            stdout=file, check=True,
        )  # fmt: skip


def restore(server: MariaDB, path: Path) -> None:
    server.sql(f"DROP DATABASE {NAME}")
    with path.open("rb") as file:
        subprocess.run(_program(server, "mariadb"), stdin=file, check=True)


async def boot(gateway: Gateway, name: str, zone: str) -> str:
    made = await servers.make(gateway, name=name, availability_zone=zone, networks="none")
    return str(made.ok(202)["server"]["id"])


async def store(gateway: Gateway, name: str, zone: str) -> str:
    made = await volumes.make(gateway, name=name, availability_zone=zone)
    return str(made.ok(202)["volume"]["id"])


async def names(gateway: Gateway) -> list[str]:
    found = (await gateway.get("/servers")).ok()["servers"]
    found += (await gateway.volumes.get("/volumes")).ok()["volumes"]
    return sorted(one["name"] for one in found)


async def test_nothing_is_lost_or_doubled(
    mariadb: MariaDB, database: str, cloud: Cloud, tmp_path: Path
) -> None:
    process, backup = Process(cloud, tmp_path, database), tmp_path / "backup.sql"
    await process.start()
    try:
        async with caller(process) as gateway:
            kept = await boot(gateway, "kept", "az1")
            ended = await boot(gateway, "ended", "az1")
            dump(mariadb, backup)
            later = await boot(gateway, "later", "az2")
            volume = await store(gateway, "volume", "az2")
            (await gateway.call("DELETE", f"/servers/{ended}")).ok(204)
        assert await process.stop() == 0
        restore(mariadb, backup)
        await process.start()
        async with caller(process) as gateway:
            assert await names(gateway) == ["kept", "later", "volume"]
            for server in (kept, later):
                (await gateway.get(f"/servers/{server}")).ok(200)
            (await gateway.volumes.get(f"/volumes/{volume}")).ok(200)
            assert (await gateway.get(f"/servers/{ended}")).status == 404
            again = await boot(gateway, "again", "az2")
            for server in (kept, later, again):
                (await gateway.call("DELETE", f"/servers/{server}")).ok(204)
            assert await names(gateway) == ["volume"]
        assert not any(servers.everywhere(cloud).values())
    finally:
        await process.kill()
