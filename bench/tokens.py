# SPDX-License-Identifier: Apache-2.0
"""What 10,000 tokens take of a gateway's memory, in a region of 100 pods.

``make bench-tokens``. The part of the gateway that validates tokens, in a process of its own, over
the tests' Keystone.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from bench.processes import folder, load
from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.http import LoopThread
from tricircle.conf import CONF
from tricircle.gateway.http.authentication import Authenticator

_AT_ONCE = 16


def _resident() -> float:
    """MB of memory of this process."""
    with open("/proc/self/status") as file:
        line = next(one for one in file if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def _validate(tokens: list[str]) -> None:
    authenticator, left = Authenticator(), iter(tokens)

    async def some() -> None:
        for token in left:
            await authenticator.authenticate(token, "", "compute", "GET", "/servers")

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))


def run(place: Path, number: int, pods: int) -> None:
    cloud = Cloud(LoopThread())
    for pod in range(pods):
        for kind in ("compute", "network", "volumev3", "block-storage", "placement", "image"):
            url = f"https://pod{pod}.example.org/{kind}/v2.1"
            cloud.keystone.endpoint(f"Pod{pod}", kind, url)
    config = place / "tricircle.conf"
    gateway_harness.write_config(config, cloud, f"sqlite:///{place}/none.sqlite")
    CONF(["--config-file", str(config)], project="tricircle")
    tokens = [cloud.keystone.issue("member").id for _ in range(number)]
    asyncio.run(_validate(tokens[:100]))  # All is loaded then.
    cloud.journal.clear()
    before, began = _resident(), time.monotonic()
    asyncio.run(_validate(tokens))
    seconds = time.monotonic() - began
    cloud.journal.clear()
    print(
        f"{number} tokens, {pods} pods: {_resident() - before:.0f} MB more, "
        f"{seconds / number * 1000:.1f} ms each (load {load()})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=10_000)
    parser.add_argument("--pods", type=int, default=100)
    options = parser.parse_args()
    with folder() as place:
        run(place, options.tokens, options.pods)


if __name__ == "__main__":
    main()
