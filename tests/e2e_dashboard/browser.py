# SPDX-License-Identifier: Apache-2.0
"""A real browser, told what to do over its own debugging protocol."""

import asyncio
import base64
import contextlib
import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = "chromium"
WIDTH, HEIGHT = 1280, 800
#: Seconds within which a page has to show what it is waited for.
PATIENCE = 60.0
#: Seconds for one look at a page: one that gives way to the next may never answer.
_LOOK = 10.0


class Browser:
    """One window; closed by ``close``."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._session, self._socket = self._runner.run(_connected(url))
        self._sent = 0
        self("Page.enable")

    def __call__(self, method: str, *, within: float = PATIENCE, **params: Any) -> Any:
        """Call a method of the protocol. A page is gone to once its server begins to answer.

        Raises AssertionError with the browser's words, TimeoutError.
        """
        return self._runner.run(asyncio.wait_for(self._called(method, params), within))

    async def _called(self, method: str, params: dict[str, Any]) -> Any:
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": params})
        while True:
            said = await self._socket.receive_json()
            if said.get("method") == "Page.javascriptDialogOpening":
                raise AssertionError(f"the page asks: {said['params']['message']}")
            if said.get("id") == self._sent:
                assert "error" not in said, f"{method}: {said['error']}"
                return said["result"]

    def run(self, script: str, within: float = PATIENCE) -> Any:
        """The value of an expression in the page, once it is settled."""
        told = self(
            "Runtime.evaluate",
            within=within,
            expression=script,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in told, f"{script}: {told['exceptionDetails']}"
        return told["result"].get("value")

    def until(self, script: str, what: str = "") -> None:
        """Wait until an expression is true of the page."""
        deadline = time.monotonic() + PATIENCE
        while True:
            # While a page gives way to the next there is none to ask.
            with contextlib.suppress(AssertionError, TimeoutError):
                if self.run(f"Boolean({script})", within=_LOOK):
                    return
            assert time.monotonic() < deadline, f"no {what or script} on\n{self.text()[:2000]}"
            time.sleep(0.1)

    def open(self, url: str) -> None:
        """Go to a page and wait until it has stood still."""
        self.run("window.leaving = true")
        self("Page.navigate", url=url)
        self.settled()

    def settled(self) -> None:
        """Wait for the page that follows, and for all that it asks for itself."""
        self.until(
            "!window.leaving && document.readyState == 'complete'"
            " && !(window.$ && $.active)"
            " && !(window.angular && angular.element(document.body).injector()"
            "      && angular.element(document.body).injector().get('$http')"
            "         .pendingRequests.length)",
            "end of loading",
        )

    def click(self, selector: str, text: str = "") -> None:
        """Click the first that is seen, and has the text in it, once there is one."""
        self.until(
            f"(found => found && (found.click(), true))("
            f"[...document.querySelectorAll({selector!r})].find("
            f"one => !one.disabled && one.offsetParent && one.innerText.includes({text!r})))",
            f"{selector} {text}",
        )

    def fill(self, selector: str, value: str) -> None:
        """Write into a field as a person does, or choose what a list of choices calls so."""
        self.until(
            f"(field => {{ if (!field) return false;"
            f" if (field.options) {{"
            f"   const one = [...field.options].find(one => one.text.includes({value!r}));"
            f"   if (!one) return false; one.selected = true; }}"
            f" else field.value = {value!r};"
            f" for (const what of ['input', 'change'])"
            f"   field.dispatchEvent(new Event(what, {{bubbles: true}}));"
            f" return true }})(document.querySelector({selector!r}))",
            f"{selector} for {value}",
        )

    def submit(self, selector: str) -> None:
        """Send a form, and wait for the page that follows."""
        self.run("window.leaving = true")
        self.click(selector)
        self.settled()

    def text(self) -> str:
        return str(self.run("document.body.innerText"))

    def errors(self) -> list[str]:
        """What the page complains of: itself, or in banners."""
        status = self.run("performance.getEntriesByType('navigation')[0].responseStatus")
        banners = self.run(
            "[...document.querySelectorAll('.alert-danger, .alert-error, .alert-warning')]"
            ".filter(one => one.offsetParent).map(one => one.innerText)"
        )
        return [*([] if status == 200 else [f"status {status}"]), *banners]

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        self._runner.run(self._session.close())
        self._runner.close()


async def _connected(url: str) -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
    session = aiohttp.ClientSession()
    return session, await session.ws_connect(url, max_msg_size=0)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser with an empty profile, gone afterwards."""
    with tempfile.TemporaryDirectory() as home:
        argv = [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        argv += ["--remote-debugging-port=0", f"--user-data-dir={home}", "--hide-scrollbars"]
        argv += ["--no-first-run", f"--window-size={WIDTH},{HEIGHT}", "about:blank"]
        with open(Path(home) / "log", "wb") as log:
            child = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            window = Browser(_window(Path(home), child))
            try:
                yield window
            finally:
                window.close()
        finally:
            child.terminate()
            child.wait(20)


def _window(home: Path, child: "subprocess.Popen[bytes]") -> str:
    """The address at which the first window listens."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(OSError, IndexError):
            port = (home / "DevToolsActivePort").read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=5) as told:
                targets = json.load(told)
            for target in targets:
                if target["type"] == "page":
                    return str(target["webSocketDebuggerUrl"])
        time.sleep(0.1)
    raise AssertionError(f"no browser:\n{(home / 'log').read_text(errors='replace')[-2000:]}")
