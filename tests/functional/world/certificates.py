# SPDX-License-Identifier: Apache-2.0
"""A CA of the tests' own, certificates of all kinds, and TLS in front of a fake service."""

import asyncio
import contextlib
import ssl
import subprocess
from pathlib import Path

from tests.functional.fakes.http import LoopThread


class Authority:
    """Makes certificates in a folder; ``file`` is its own, for those who are to trust it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.file = folder / "ca.pem"
        self._openssl("req", "-x509", *self._key("ca"), "-out", self.file, "-subj", "/CN=tests")

    def _openssl(self, *arguments: object) -> None:
        argv = ["openssl", *map(str, arguments)]
        subprocess.run(argv, check=True, capture_output=True, cwd=self._folder)

    def _key(self, name: str) -> list[object]:
        key = self._folder / f"{name}.key"
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key]

    def certify(self, name: str, host: str = "IP:127.0.0.1", days: int = 1) -> ssl.SSLContext:
        """What a server shows that is ``host`` until so many ``days`` from now."""
        wanted, made = self._folder / f"{name}.csr", self._folder / f"{name}.pem"
        more = self._folder / f"{name}.ext"
        more.write_text(f"subjectAltName={host}\n")
        self._openssl("req", *self._key(name), "-out", wanted, "-subj", f"/CN={name}")
        signing = ["-CA", self.file, "-CAkey", self._folder / "ca.key", "-CAcreateserial"]
        self._openssl(
            "x509", "-req", "-in", wanted, "-out", made, *signing, "-extfile", more, "-days", days
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.files(name))
        return context

    def files(self, name: str) -> tuple[Path, Path]:
        """The certificate of what was certified by a name, and its key."""
        return self._folder / f"{name}.pem", self._folder / f"{name}.key"


class Tls:
    """Takes TLS on a port of its own and hands what is inside on to another port."""

    def __init__(self, thread: LoopThread, context: ssl.SSLContext, to: int) -> None:
        self._thread, self._context, self._to = thread, context, to
        self._server = thread.run(self._start())
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self._hand_on, "127.0.0.1", 0, ssl=self._context)

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", self._to)
        await asyncio.gather(_pump(reader, outer), _pump(inner, writer))

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._thread.loop.call_soon_threadsafe(self._server.close)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
