# SPDX-License-Identifier: Apache-2.0
"""Documents lead to one another, and samples name what there is."""

import configparser
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tricircle.conf import CONF
from tricircle.gateway.http import server

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SAMPLES = DOCS / "samples"
PAGES = sorted({ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")})
COMMANDS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def places(page: Path) -> set[str]:
    """What a page has headings for, as links name them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        name, _, place = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if place:
            assert place in places(target), link


def led_to(page: Path) -> set[Path]:
    links = re.findall(r"\]\(([^)\s#]+)", page.read_text())
    return {(page.parent / link).resolve() for link in links if "://" not in link}


def test_every_page_and_sample_is_found_from_the_index() -> None:
    found = to_follow = {DOCS / "README.md"}
    while to_follow:
        pages = {page for page in to_follow if page.suffix == ".md"}
        to_follow = {target for page in pages for target in led_to(page)} - found
        found = found | to_follow
    needed = {*DOCS.glob("*.md"), *(path for path in SAMPLES.rglob("*") if path.is_file())}
    assert needed - found == set()


@pytest.mark.parametrize(
    "path", sorted((SAMPLES / "systemd").iterdir()), ids=lambda path: path.name
)
def test_a_unit_of_systemd(path: Path) -> None:
    unit = configparser.RawConfigParser(strict=True, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read_string(path.read_text())
    service = unit["Service"]
    command = shlex.split(service["ExecStart"])
    assert Path(command[0]).name == path.stem
    assert path.stem in COMMANDS
    assert command[1] == "--config-file"
    assert service["Type"] == "notify"
    assert float(service["TimeoutStopSec"]) > server.GRACE


def test_the_load_balancer_waits_as_long_as_the_gateway() -> None:
    text = (SAMPLES / "haproxy.cfg").read_text()
    found = re.findall(r"timeout (\S+)\s+(\d+)([smh])", text)
    seconds = {
        name: int(number) * {"s": 1, "m": 60, "h": 3600}[unit] for name, number, unit in found
    }
    gateway = CONF.gateway
    assert seconds["server"] > max(gateway.request_deadline, gateway.attach_patience)
    assert seconds["http-keep-alive"] < gateway.keepalive_seconds
    assert seconds["tunnel"] >= CONF.console.idle_deadline
    for port in (gateway.compute_port, gateway.volume_port, gateway.admin_port, CONF.console.port):
        assert len(re.findall(rf":{port}\b", text)) == 3, port


def test_the_containers_command() -> None:
    text = (SAMPLES / "Containerfile").read_text()
    (command,) = re.findall(r'^CMD \["([^"]+)"', text, re.MULTILINE)
    assert command in COMMANDS
    assert "/source[network]" in text


def test_what_is_supported_is_what_the_package_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (DOCS / "operating.md").read_text()
    least, most = re.findall(r"3\.(\d+)", project["requires-python"])
    assert ", ".join(f"3.{minor}" for minor in range(int(least), int(most))) in page
    assert project["name"] in page
    (neutron,) = re.findall(
        r"neutron>=(\d+)", " ".join(project["optional-dependencies"]["network"])
    )
    assert f"| central Neutron | {neutron} " in page
    for extra in project["optional-dependencies"]:
        assert f"`{extra}`" in page
    releases = {path.stem for path in (ROOT / "lab" / "locks").iterdir()}
    for release in re.findall(r"20\d\d\.\d", page):
        assert any(release in one for one in releases), releases


def test_the_readme_s_table_is_what_was_measured() -> None:
    measured = re.findall(
        r"^\| \[.*?\| (\d+), \d+, \d+ \| (\d+), ", (DOCS / "compatibility.md").read_text(), re.M
    )
    readme = (ROOT / "README.md").read_text()
    table = readme.partition("| pass on the region |")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"\| (\d+) \| (\d+) \|$", table, re.M)) == sorted(measured)


def test_the_page_of_commands_has_each() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rows = [
        line.partition(" | ")[0]
        for line in (DOCS / "client.md").read_text().splitlines()
        if line.startswith("| `multiregion ")
    ]
    for name in project["entry-points"]["openstack.multiregion.v1"]:
        *noun, verb = name.split("_")
        told = [row for row in rows if f"`{' '.join(noun)} " in row]
        assert any(re.search(rf"\b{verb}\b", row) for row in told), name


MULTIREGION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][
    "openstack.multiregion.v1"
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_a_page_names_are_there(page: Path) -> None:
    for words in re.findall(r"openstack multiregion ([a-z]+(?: [a-z]+)*)", page.read_text()):
        said = words.split()
        begun = {"_".join(["multiregion", *said[:end]]) for end in range(1, len(said) + 1)}
        assert begun & MULTIREGION.keys(), words


#: Of keystoneauth's plugin, which is chosen when a process starts.
PLUGINS = {"auth_type", "auth_url", "username", "password", "project_name", "user_domain_name",
           "project_domain_name"}  # fmt: skip


def options_in(text: str) -> set[tuple[str, str]]:
    """(group, option) of what a page names in its sentences and sets in its samples."""
    found = set(re.findall(r"`\[(\w+)\] ([a-z_]+)`", text))
    for sample in re.findall(r"```ini\n(.*?)```", text, re.S):
        group = ""
        for line in sample.splitlines():
            if named := re.match(r"\[(\w+)\]$", line):
                group = named[1]
            elif setting := re.match(r"([a-z_]+) *=", line):
                found.add((group, setting[1]))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_that_a_page_names_are_there(page: Path) -> None:
    for group, option in options_in(page.read_text()):
        if group in CONF and option not in PLUGINS:
            assert option in CONF[group], (group, option)


#: What others say, in whose words it is.
THEIRS = ("Performing DB retry", "Quota exceeded")


def test_what_troubleshooting_quotes_is_what_we_say() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "tricircle").rglob("*.py"))
    # Texts go on in the next line of the source.
    said = re.sub(r'"\s*\n\s*f?"', "", text)
    for line in (DOCS / "troubleshooting.md").read_text().splitlines():
        if not line.startswith("| "):
            continue
        for quoted in re.findall(r"`([^`]+)`", line.split(" | ")[0]):
            for part in re.sub(r"^\d{3} ", "", quoted).split("…"):
                words = part.strip()
                if len(words) > 12 and not words.startswith(THEIRS):
                    assert words in said, words
