# SPDX-License-Identifier: Apache-2.0
import pytest

from tricircle.pods.errors import PodUnreachable, without_addresses

TEXTS = [
    ("its compute API at http://10.0.0.1:8774/v2.1/: no connection (Connection refused)",
     "its compute API at its address: no connection (Connection refused)"),
    ("Request to https://[fd00::1]:5000/v3/auth/tokens timed out.",
     "Request to its address timed out."),
    ("Unable to establish connection to http://inside.example/v2.0/ports: "
     "HTTPConnectionPool(host='inside.example', port=80): Max retries exceeded (Caused by "
     "NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f12>: Failed to "
     "establish a new connection: [Errno 111] Connection refused'))",
     "Unable to establish connection to its address: its address: Max retries exceeded (Caused by "
     "NewConnectionError('Failed to establish a new connection: [Errno 111] Connection refused'))"),
    ("NewConnectionError(HTTPSConnection(host='10.0.0.1', port=80): Failed to establish it)",
     "NewConnectionError(its address: Failed to establish it)"),
    ("Unable to establish connection to http://10.0.0.1/v3: _SecurePool(host='10.0.0.1', port=80): "
     "Max retries exceeded (Caused by NewConnectionError(\"_Connection(host='10.0.0.1', port=80): "
     "Failed to establish it\"))",
     "Unable to establish connection to its address: its address: Max retries exceeded (Caused by "
     "NewConnectionError(\"its address: Failed to establish it\"))"),
    ("Cannot connect to host 10.0.0.1:8774 ssl:default [Connect call failed ('10.0.0.1', 8774)]",
     "Cannot connect to its address [Connect call failed]"),
    ("Hostname mismatch, certificate is not valid for 'inside.example'.",
     "Hostname mismatch, certificate is not valid."),
    ("(pymysql.err.DataError) (1406, 'Data too long')\n[SQL: INSERT INTO ports VALUES (%(a)s)]\n"
     "[parameters: {'a': 'secret'}]",
     "(pymysql.err.DataError) (1406, 'Data too long')"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "left"), TEXTS)
def test_addresses_are_left_out(text: str, left: str) -> None:
    assert without_addresses(text) == left
    error = PodUnreachable("Pod1", text)
    assert (str(error), error.message, error.detail) == (f"Pod Pod1: {left}", left, text)


@pytest.mark.parametrize(
    "text",
    [
        "IP address 10.0.0.5 already allocated in subnet 12ab.",
        "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances",
        "did not answer within 5 s",
    ],
)
def test_a_pods_own_reasons_stay(text: str) -> None:
    assert without_addresses(text) == text


@pytest.mark.parametrize("word", ["a.", "HTTPConnection("])
def test_nobody_reads_a_book_of_reasons(word: str) -> None:
    """To look through all of it would take minutes, or years."""
    error = PodUnreachable("Pod1", word * 500_000)
    assert len(error.detail) < 2100
    assert len(without_addresses(word * 500_000)) < 2100


def test_what_a_pod_says_begins_no_line() -> None:
    error = PodUnreachable("pod1", "x\n2026-01-01 00:00:00.000 1 INFO forged")
    assert str(error) == "Pod pod1: x\\n2026-01-01 00:00:00.000 1 INFO forged"
