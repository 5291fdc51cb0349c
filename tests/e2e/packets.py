# SPDX-License-Identifier: Apache-2.0
"""More than pings: small programs that run in the network of a server, or outside.

Each is a Python text without anything but the standard library.
"""

import concurrent.futures
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lab.dataplane import servers as lab_servers
from lab.settings import Lab

PORT = 7007
#: Who connected first is printed.
_LISTEN = """
import socket, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
s.settimeout(30)
print("ready", flush=True)
peer, address = s.accept()
print(address[0].removeprefix("::ffff:"), sum(map(len, iter(lambda: peer.recv(65536), b""))))
"""
#: Sends so many bytes; prints the seconds until the other side has them all.
_CONNECT = """
import socket, sys, time
begun = time.monotonic()
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
s.settimeout(60)
s.sendall(bytes(int(sys.argv[3])))
s.shutdown(socket.SHUT_WR)
s.recv(1)
print(time.monotonic() - begun)
"""
#: Prints the DSCP mark of the first datagram.
_MARK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
s.bind(("", int(sys.argv[1])))
s.settimeout(30)
print("ready", flush=True)
data, ancillary, flags, address = s.recvmsg(100, 100)
print(ancillary[0][2][0] >> 2)
"""
_DATAGRAM = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(10):
    s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
    time.sleep(0.2)
"""
#: Asks by ARP, in frames with a VLAN tag, who has an address; prints the MAC address that answers.
#: A kernel without VLAN interfaces can do that, too.
_ASK_TAGGED = """
import socket, struct, sys, time
vlan, mine, mac, wanted = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
me = bytes.fromhex(mac.replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 3))
s.settimeout(0.5)
ask = struct.pack("!6s6sHHHHHBBH", b"\\xff" * 6, me, 0x8100, vlan, 0x0806, 1, 0x0800, 6, 4, 1)
ask += me + socket.inet_aton(mine) + bytes(6) + socket.inet_aton(wanted)
answer = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2)
for _ in range(120):
    s.send(ask)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        try:
            frame = s.recv(2000)
        except TimeoutError:
            break
        at = frame.find(answer)
        if at > 0 and frame[at + 14:at + 18] == socket.inet_aton(wanted) and frame[:6] == me:
            print(frame[at + 8:at + 14].hex(":"))
            raise SystemExit
raise SystemExit("nobody answers")
"""
#: Says by ARP to all that an address is here.
_ANNOUNCE = """
import socket, struct, sys
address = socket.inet_aton(sys.argv[1])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
me = s.getsockname()[4]
frame = struct.pack("!6s6sHHHBBH", b"\\xff" * 6, me, 0x0806, 1, 0x0800, 6, 4, 1)
s.send(frame + me + address + bytes(6) + address)
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def in_server(lab: Lab, server: Any) -> Run:
    """Runs a program in a server's network."""
    return lambda argv, **more: lab_servers.server_exec(lab, server.id, argv, **more)


def outside(lab: Lab) -> Run:
    """Runs a program in the world beyond the external network."""
    return lambda argv, **more: lab_servers.outside_exec(lab, argv, **more)


def _program(run: Run, text: str, *arguments: object) -> str:
    done = run([sys.executable, "-c", text, *map(str, arguments)], timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def _beside(run: Run, text: str, *arguments: object) -> Iterator["concurrent.futures.Future[str]"]:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(_program, run, text, *arguments)


def tcp(source: Run, target: Run, address: str, *, port: int = PORT, at: int = PORT,
        size: int = 1000) -> tuple[str, float]:  # fmt: skip
    """Send ``size`` bytes to ``address``; who the other side saw and the seconds it took.

    The target listens at ``at``.
    """
    with _beside(target, _LISTEN, at) as heard:
        seconds = float(_retried(source, _CONNECT, address, port, size))
        seen, received = heard.result().split()[-2:]
    assert int(received) == size
    return seen, seconds


def announce(run: Run, address: str) -> None:
    """Tell the network that the address is here now (a gratuitous ARP, as keepalived sends it)."""
    _program(run, _ANNOUNCE, address)


def dscp(source: Run, target: Run, address: str) -> int:
    """The DSCP mark that a datagram has when it arrives."""
    with _beside(target, _MARK, PORT) as heard:
        _program(source, _DATAGRAM, address, PORT)
        return int(heard.result().split()[-1])


def answers_tagged(run: Run, vlan: int, port: Any, address: str) -> str:
    """The MAC address of who has ``address`` on a VLAN of a trunk; ``port`` is the subport."""
    (own,) = port.fixed_ips
    return _program(run, _ASK_TAGGED, vlan, own["ip_address"], port.mac_address, address)


def _retried(run: Run, text: str, *arguments: object) -> str:
    """The listener may not be there yet, and a new path may lose its first packets."""
    for _ in range(10):
        done = run([sys.executable, "-c", text, *map(str, arguments)], timeout=90)
        if done.returncode == 0:
            break
        run(["sleep", "0.5"], timeout=5)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
