# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry's spans of requests and of the calls they make, where that is installed and wanted.

Without it the trace context that a client sent goes on to the pods as it came.
"""

from typing import Any

from tricircle.telemetry.requests import UnderWay

# OpenTelemetry's, once ``use`` was called; its packages are an extra.
_tracer: Any = None
_api: Any = None


class NotInstalled(Exception):
    """Traces are wanted, and what makes them is not there."""


def use(tracer: Any) -> None:
    """Have this tracer make spans from now on; None for none."""
    global _tracer, _api
    _tracer, _api = tracer, None
    if tracer is not None:
        from opentelemetry import trace

        _api = trace


def setup(service: str, endpoint: str | None) -> None:
    """Send spans to an OTLP collector, if one is named. Raises NotInstalled.

    Once a process: it has threads of its own, so only after a fork.
    """
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise NotInstalled(
            f"[telemetry] traces_endpoint needs the extra 'tracing' ({error})"
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    use(provider.get_tracer("tricircle"))


def request(about: UnderWay, service: str, method: str) -> None:
    """Begin the span of a request, as part of the client's trace if it has one."""
    if _tracer is None:
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = TraceContextTextMapPropagator().extract(about.trace)
    attributes = {
        "http.request.method": method,
        "tricircle.service": service,
        "tricircle.request_id": about.request_id,
    }
    about.span = _tracer.start_span(
        f"{method} {service}", context=parent, kind=_api.SpanKind.SERVER, attributes=attributes
    )


def answered(about: UnderWay, method: str, status: int) -> None:
    """End the span of a request."""
    if about.span is None:
        return
    about.span.update_name(f"{method} {about.route}" if about.route != "-" else method)
    about.span.set_attribute("tricircle.way", about.way)
    if about.caller is not None and about.caller.project_id:
        about.span.set_attribute("tricircle.project_id", about.caller.project_id)
    end(about.span, status, server=True)


def pod_call(about: UnderWay, region: str, service: str, method: str) -> Any:
    """The span of a call made for a request, None where nobody traces."""
    if _tracer is None or about.span is None:
        return None
    return _tracer.start_span(
        f"{method} {region} {service}",
        context=_api.set_span_in_context(about.span),
        kind=_api.SpanKind.CLIENT,
        attributes={
            "http.request.method": method,
            "tricircle.pod": region,
            "tricircle.service": service,
        },
    )


def headers(span: Any) -> dict[str, str]:
    """What tells the pod whose trace its part belongs to."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    told: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(told, context=_api.set_span_in_context(span))
    return told


def end(span: Any, status: int, error: str = "", server: bool = False) -> None:
    """End a span; what a server calls its own failure is one, and any that a client is told."""
    if status:
        span.set_attribute("http.response.status_code", status)
    if error or status >= (500 if server else 400):
        span.set_status(_api.Status(_api.StatusCode.ERROR, error or None))
        if error:
            span.set_attribute("error.type", error)
    span.end()
