# SPDX-License-Identifier: Apache-2.0
"""Consoles of servers that have none: a screen and a serial port that say whose they are, and
Nova's own console proxy in front of them, in threads of the process.

The screen is one of RFB as far as its first words; the serial port says everything back.
"""

import contextlib
import functools
import os
import socketserver
import struct
import threading

ADDRESS = "127.0.0.1"
#: bits a pixel, depth, big endian, true colour, three largest values, three shifts
PIXELS = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


class Device(socketserver.StreamRequestHandler):
    """Nova's proxy names the server first, as for hypervisors with one port for all."""

    def handle(self):
        with contextlib.suppress(OSError, IndexError):
            uuid = self.rfile.readline().split()[1]
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            self.speak(uuid)


class Serial(Device):
    def speak(self, uuid):
        self.wfile.write(b"serial port of " + uuid + b"\r\n")
        while data := self.rfile.read1(4096):
            self.wfile.write(data)


class Screen(Device):
    def speak(self, uuid):
        self.wfile.write(b"RFB 003.008\n")
        self.rfile.readline()
        self.wfile.write(b"\x01\x01")  # one security type: none
        self.rfile.read(1)
        self.wfile.write(bytes(4))
        self.rfile.read(1)
        self.wfile.write(struct.pack(">HH", 640, 480) + PIXELS)
        self.wfile.write(struct.pack(">I", len(uuid)) + uuid)
        while self.rfile.read1(4096):
            pass


class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def run(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@functools.cache
def port_of(device):
    """The port where all servers of this process have theirs."""
    return run(Threads((ADDRESS, 0), device)).server_address[1]


class Consoles:
    """Mixed into virt drivers."""

    def get_vnc_console(self, context, instance):
        from nova.console import type as console

        return console.ConsoleVNC(ADDRESS, port_of(Screen), instance.uuid)

    def get_serial_console(self, context, instance):
        from nova.console import type as console

        return console.ConsoleSerial(ADDRESS, port_of(Serial), instance.uuid)


def serve_proxy(port, pages=""):
    """Nova's proxy by websockify's threaded server; its own forks, and RPC in memory cannot."""
    from nova.console import websocketproxy
    from websockify.websocketproxy import LibProxyServer

    class Handler(websocketproxy.NovaProxyRequestHandler):
        def translate_path(self, path):
            self.directory = os.fspath(pages)
            return super().translate_path(path)

    server = LibProxyServer(Handler, listen_host=ADDRESS, listen_port=port)
    server.only_upgrade, server.file_only = not pages, True
    server.security_proxy, server.daemon_threads = None, True
    run(server)
