# SPDX-License-Identifier: Apache-2.0
"""How a request is followed through the logs and the pods."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tests.functional.processes import Process, caller
from tests.waiting import eventually
from tricircle.telemetry import tracing

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def sent(cloud: Cloud, name: str, path: str = "/servers") -> list[str | None]:
    """What the pods, and nobody else, were sent as a header."""
    return [entry.headers.get(name) for entry in cloud.journal.find("pod", "GET", path)]


async def test_a_trace_goes_on_to_the_pods(gateway: Gateway, cloud: Cloud) -> None:
    headers = {"traceparent": PARENT, "tracestate": "a=b"}
    await gateway.get("/servers", headers=headers)
    assert sent(cloud, "traceparent") == [PARENT] * 3
    assert sent(cloud, "tracestate") == ["a=b"] * 3


@pytest.mark.parametrize(
    "parent", ["00-0-0-01", f"00-{'0' * 32}-b7ad6b7169203331-01", "ff" + PARENT[2:], f"{PARENT}-x"]
)
async def test_what_is_no_trace_does_not(gateway: Gateway, cloud: Cloud, parent: str) -> None:
    await gateway.get("/servers", headers={"traceparent": parent, "tracestate": "a=b"})
    assert sent(cloud, "traceparent") == [None] * 3
    assert sent(cloud, "tracestate") == [None] * 3


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider.get_tracer("test"))
    yield exporter
    tracing.use(None)


async def test_one_request_through_all_pods_is_one_trace(
    gateway: Gateway, cloud: Cloud, spans: InMemorySpanExporter
) -> None:
    await gateway.get("/servers", headers={"traceparent": PARENT})
    found = spans.get_finished_spans()
    assert {f"{span.context.trace_id:032x}" for span in found} == {TRACE}
    (server,) = (span for span in found if span.kind is SpanKind.SERVER)
    assert server.name == "GET /servers"
    assert server.parent is not None
    assert f"{server.parent.span_id:016x}" == "b7ad6b7169203331"
    assert server.attributes is not None
    assert server.attributes["http.response.status_code"] == 200
    assert server.attributes["tricircle.way"] == "scattered"
    calls = [span for span in found if span.kind is SpanKind.CLIENT]
    assert all(span.parent == server.context for span in calls)
    told = [span.attributes or {} for span in calls]
    assert {"pod1", "pod2", "pod3"} <= {one["tricircle.pod"] for one in told}
    # Each pod is told of its own span.
    of_calls = {f"00-{TRACE}-{span.context.span_id:016x}-01" for span in calls}
    parents = sent(cloud, "traceparent")
    assert len(set(parents)) == 3
    assert set(parents) <= of_calls


async def test_without_a_client_s_trace_the_request_begins_one(
    gateway: Gateway, cloud: Cloud, spans: InMemorySpanExporter
) -> None:
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    await gateway.get("/servers")
    found = spans.get_finished_spans()
    assert len({span.context.trace_id for span in found}) == 1
    (failed,) = (one for one in found if (one.attributes or {}).get("tricircle.pod") == "pod2")
    assert not failed.status.is_ok
    assert (failed.attributes or {})["error.type"] == "unreachable"


async def lines(process: Process, what: str) -> list[str]:
    def found() -> list[str]:
        return [line for line in process.log.read_text().splitlines() if what in line]

    return await eventually(f"the log has {what}", found)


async def test_the_access_log(cloud: Cloud, tmp_path: Path, prepared: str) -> None:
    process = Process(cloud, tmp_path, prepared)
    await process.start()
    try:
        async with caller(process) as gateway:
            answer = await gateway.get("/servers?name=secret-name", headers={"traceparent": PARENT})
            token = "6f0e1b8e-3ad4-4d0c-9a6f-000000000001"
            await gateway.get(f"/os-console-auth-tokens/{token}", user="admin", version="2.99")
            await gateway.get("/hello-there")
            await gateway.get(f"/servers/{token[:-1]}2", user=None)
            secret = gateway.token("member")
        request_id = answer.headers["X-OpenStack-Request-ID"]
        (line,) = await lines(process, "GET /servers project")
        assert f" {request_id} " in line
        assert f"project={cloud.project_id} status=200" in line
        assert f"bytes={len(answer.body)} way=scattered pods=pod1,pod2,pod3 from=127.0.0.1" in line
        assert re.search(r"seconds=\d\.\d{4}", line)
        (hidden,) = await lines(process, "GET /os-console-auth-tokens/{id} ")
        assert "way=scattered" in hidden
        (unknown,) = await lines(process, "GET - project")
        assert "status=404" in unknown
        assert "way=none pods=- " in unknown
        (refused,) = await lines(process, f"GET /servers/{token[:-1]}2 project=- status=401")
        assert "way=none" in refused
        access = "\n".join(await lines(process, " tricircle.access "))
        for never in (secret, token, "secret-name", "hello-there"):
            assert never not in access
    finally:
        await process.kill()


async def test_lines_tell_whom_they_are_about_as_json(
    cloud: Cloud, tmp_path: Path, prepared: str
) -> None:
    process = Process(cloud, tmp_path, prepared, debug=False)
    process.config.write_text(f"[DEFAULT]\nuse_json = true\n{process.config.read_text()}")
    await process.start()
    try:
        await asyncio.to_thread(cloud.pods["pod2"].stop)
        async with caller(process) as gateway:
            answers = await asyncio.gather(
                *(gateway.get("/servers", user=user) for user in ("member", "admin"))
            )
        ids = {answer.headers["X-OpenStack-Request-ID"] for answer in answers}
        told = [json.loads(line) for line in await lines(process, '"tricircle.access"')]
        about: dict[str, Any] = {one["context"]["request_id"]: one["context"] for one in told}
        assert ids <= set(about)
        assert {one["project_id"] for one in about.values()} >= {cloud.project_id}
    finally:
        await process.kill()
