# SPDX-License-Identifier: Apache-2.0
"""A console proxy as Nova's is: pages, and real web sockets for who has a console's token.

Like Nova's, it accepts a web socket first and closes it when the token or the page it comes from
is not right. Behind it is a console that greets and says everything back.
"""

from aiohttp import WSMsgType, web
from yarl import URL

from tests.functional.fakes.http import Exchange, FakeService, Refusal

GREETING = b"RFB 003.008\n"
PAGE = b"<html>a console's page</html>"
PAGES = {"/vnc_lite.html": PAGE, "/spice_auto.html": PAGE, "/app/ui.js": b"// a script"}


class ConsoleProxy(FakeService):
    """``base`` is put before its pages' paths; a text "close N" makes it close with code N."""

    base = ""
    tokens: set[str]
    pongs: list[bytes]
    closes: list[int | None]

    def prepare(self) -> "ConsoleProxy":
        self.tokens, self.pongs, self.closes = set(), [], []
        return self

    def refuse(self, refusal: Refusal) -> web.Response:
        return web.Response(status=refusal.status, text=refusal.message)

    async def answer(self, exchange: Exchange) -> web.StreamResponse:
        request = exchange.http
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request)
        path = request.path.removeprefix(self.base)
        if path == "/app":
            return web.Response(status=301, headers={"Location": f"{self.base}/app/"})
        if path == "/elsewhere":
            return web.Response(status=302, headers={"Location": "http://elsewhere.example.org/"})
        if path == "/nonsense":
            return web.Response(status=302, headers={"Location": "http://[x/"})
        if path not in PAGES:
            raise Refusal(404, "File not found")
        return web.Response(
            body=PAGES[path],
            content_type="text/javascript" if path.endswith("js") else "text/html",
            headers={"Set-Cookie": "of=theirs", "ETag": '"1"', "Server": "WebSockify"},
        )

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/refused":
            raise Refusal(403, "no")
        socket = web.WebSocketResponse(
            protocols=["binary"], autoping=False, autoclose=False, compress=False
        )
        await socket.prepare(request)
        token = request.query.get("token") or request.cookies.get("token")
        origin = request.headers.get("Origin")
        near = origin is None or URL(origin).host == request.url.host
        if token not in self.tokens or not near:
            await socket.close(code=1011)
            return socket
        await socket.send_bytes(GREETING)
        while True:
            message = await socket.receive()
            match message.type:
                case WSMsgType.BINARY:
                    await socket.send_bytes(message.data)
                case WSMsgType.TEXT if message.data.startswith("close "):
                    await socket.close(code=int(message.data[6:]), message=b"as asked")
                    return socket
                case WSMsgType.TEXT if message.data == "ping":
                    await socket.ping(b"from the pod")
                case WSMsgType.TEXT:
                    await socket.send_str(message.data)
                case WSMsgType.PING:
                    await socket.pong(message.data)
                case WSMsgType.PONG:
                    self.pongs.append(message.data)
                case _:
                    self.closes.append(
                        message.data if message.type == WSMsgType.CLOSE else socket.close_code
                    )
                    await socket.close()
                    return socket
