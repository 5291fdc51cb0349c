# SPDX-License-Identifier: Apache-2.0
"""What somebody does in Horizon with a browser."""

from collections.abc import Iterator

from tests.e2e_dashboard.browser import Browser

#: Steps of the dialog in which a server is launched.
SOURCE, FLAVOR, NETWORK = (
    f'[ng-controller^="LaunchInstance{step}Controller"]' for step in ("Source", "Flavor", "Network")
)


class Visitor:
    """A user logged in to Horizon at a URL."""

    def __init__(self, window: Browser, url: str, user: str, password: str) -> None:
        self.window, self._url = window, url
        window("Network.clearBrowserCookies")
        self.open("/auth/login/")
        window.fill("#id_username", user)
        window.fill("#id_password", password)
        window.submit("#loginBtn")
        window.until("document.querySelector('#sidebar')", "menu after the login")

    def open(self, path: str) -> Browser:
        self.window.open(self._url + path)
        return self.window

    def pages(self) -> list[str]:
        """The paths of all pages that the menu has."""
        found: list[str] = self.window.run(
            "[...new Set([...document.querySelectorAll('#sidebar a[href^=\"/\"]')]"
            ".map(one => one.getAttribute('href')))]"
        )
        return found

    def complaints(self, paths: list[str]) -> Iterator[str]:
        """Of each page that complains: which, and of what."""
        for path in paths:
            if errors := self.open(path).errors():
                yield f"{path}: {errors}"

    def launch(self, name: str, zone: str, image: str, flavor: str, network: str) -> None:
        """Have a server made by the dialog of the page of servers."""
        window = self.open("/project/instances/")
        window.click("#instances__action_launch-ng")
        window.settled()
        window.fill(".modal #name", name)
        window.fill(".modal #availability-zone", zone)
        for step, chosen in ((SOURCE, image), (FLAVOR, flavor), (NETWORK, network)):
            window.click(".modal .wizard-navigation .nav-item:not(.active) a", _TITLES[step])
            self._take(step, chosen)
            if step == SOURCE:
                # From the image itself.
                window.click(f"{step} label[id=vol-create]", "No")
        window.click(".modal .finish")
        window.until("!document.querySelector('.modal.in')", "end of the dialog")
        window.settled()

    def _take(self, step: str, chosen: str) -> None:
        """Choose a row of a list, unless it is chosen already for want of another."""
        self.window.until(
            f"(step => {{ const rows = part => [...step.querySelectorAll("
            f"   `.transfer-${{part}} tr`)].filter(one => one.innerText.includes({chosen!r}));"
            f" if (rows('allocated').length) return true;"
            f" const button = rows('available').map(one => one.querySelector('button'))[0];"
            f" if (button) button.click();"
            f" return false }})(document.querySelector({step!r}))",
            f"{chosen} in {step}",
        )


_TITLES = {SOURCE: "Source", FLAVOR: "Flavor", NETWORK: "Networks"}
