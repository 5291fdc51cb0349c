# SPDX-License-Identifier: Apache-2.0
"""Two web sockets made one: whatever comes from either goes to the other."""

import asyncio
from collections.abc import Callable

import aiohttp
from aiohttp import web
from aiohttp.http_websocket import WSCloseCode, WSMsgType

Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse
End = tuple[int, bytes]

# Codes that are never sent: there was no close, or none with a code.
_UNSENT = {1005: WSCloseCode.OK, 1006: WSCloseCode.INTERNAL_ERROR}
_IDLE: End = (WSCloseCode.GOING_AWAY, b"The console was not used")


async def relay(client: Socket, pod: Socket, idle: float) -> int:
    """Pass frames both ways until one side closes, then close the other alike.

    Neither socket may answer pings or close by itself. ``idle`` is how many seconds without data
    either way are too many, 0 for any. Gives the close code.
    """
    loop = asyncio.get_running_loop()
    ways = []
    end: End = _IDLE
    try:
        async with asyncio.timeout(idle or None) as deadline:

            def used() -> None:
                if idle:
                    deadline.reschedule(loop.time() + idle)

            ways = [
                asyncio.create_task(_pass(source, target, used))
                for source, target in ((client, pod), (pod, client))
            ]
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            end = done.pop().result()
    except TimeoutError:
        pass
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        code, reason = end
        await asyncio.gather(
            *(one.close(code=code, message=reason) for one in (client, pod)),
            return_exceptions=True,
        )
    return code


async def _pass(source: Socket, target: Socket, used: Callable[[], None]) -> End:
    """Until ``source`` closes or ``target`` cannot be written to any more."""
    try:
        while True:
            message = await source.receive()
            match message.type:
                case WSMsgType.BINARY:
                    used()
                    await target.send_bytes(message.data)
                case WSMsgType.TEXT:
                    used()
                    await target.send_str(message.data)
                case WSMsgType.PING:
                    await target.ping(message.data)
                case WSMsgType.PONG:
                    await target.pong(message.data)
                case WSMsgType.CLOSE:
                    code = message.data or WSCloseCode.OK
                    return _UNSENT.get(code, code), (message.extra or "").encode()
                case _:
                    code = source.close_code or WSCloseCode.INTERNAL_ERROR
                    return _UNSENT.get(code, code), b""
    except (ConnectionError, aiohttp.ClientError):
        return WSCloseCode.INTERNAL_ERROR, b""
