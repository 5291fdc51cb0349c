# SPDX-License-Identifier: Apache-2.0
"""Writes docs/options.md, the reference of every option: ``python etc/options_page.py``."""

import sys
from typing import Any

from oslo_config import cfg

from tricircle import conf

HEAD = """# Every option

Made from the code by `make samples`, as the [sample file](samples/tricircle.conf.sample) is, which
also has the options of the libraries (logging, Keystone's plugins, oslo.messaging).
"""


def page() -> str:
    """The page."""
    sections = sorted(conf.SECTIONS, key=lambda section: section.GROUP.name)
    return HEAD + "".join(_section(section.GROUP, section.OPTS) for section in sections)


def _section(group: cfg.OptGroup, options: list[Any]) -> str:
    rows = "".join(f"| `{one.dest}` | {_kind(one)} | {_default(one)} | {_cell(one.help)} |\n"
                   for one in options)  # fmt: skip
    return (
        f"\n## `[{group.name}]`\n\n{group.title}.\n\n"
        f"| option | kind | default | what it is |\n|---|---|---|---|\n{rows}"
    )


def _kind(option: Any) -> str:
    kind = type(option).__name__.removesuffix("Opt").lower() or "text"
    kind = {"str": "text", "bool": "true or false", "int": "number", "float": "number",
            "hostaddress": "address", "multistr": "text, repeatable", "dict": "names and values",
            "subcommand": "command"}.get(kind, kind)  # fmt: skip
    least, most = getattr(option.type, "min", None), getattr(option.type, "max", None)
    if least is not None and kind in ("number",):
        kind += f", {least:g} to {most:g}" if most is not None else f", {least:g} at least"
    choices = getattr(option.type, "choices", None)
    return f"{kind} ({', '.join(choices)})" if choices else kind


def _default(option: Any) -> str:
    value = option.default
    if value in (None, "", [], {}):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return f"`{value}`"


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
