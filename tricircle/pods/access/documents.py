# SPDX-License-Identifier: Apache-2.0
"""Where ids of projects and users are in what is sent to pods and what comes from them.

By field: what users write themselves (metadata, names, user data) is never touched, whatever it
looks like. Only text that a service makes of ids by itself, its links and its errors, is looked
through for ids that are known.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

#: Fields that hold the id of a project or a user, wherever they are in a document.
USER = frozenset({"user_id"})
PROJECT = frozenset(
    {
        "project_id",
        "tenant_id",
        "os-vol-tenant-attr:tenant_id",
        "os-extended-snapshot-attributes:project_id",
        "os-backup-project-attr:project_id",
        "source_project_id",
        "destination_project_id",
    }
)
#: Those with whom something is shared: they need have nothing to do with a pod.
TARGET = frozenset({"target_tenant", "target_project"})
#: Fields that hold one in an object of a certain name only.
_WITHIN = {
    ("addTenantAccess", "tenant"),
    ("removeTenantAccess", "tenant"),
    ("addProjectAccess", "project"),
    ("removeProjectAccess", "project"),
    ("quota_set", "id"),
}
#: What holds keys and values of users' and operators' own.
_FREE = frozenset(
    {
        "metadata",
        "meta",
        "properties",
        "volume_image_metadata",
        "extra_specs",
        "group_specs",
        "specs",
        "qos_specs",
        "personality",
        "binding:profile",
        "os:scheduler_hints",
        "OS-SCH-HNT:scheduler_hints",
        "scheduler_hints",
    }
)
_LINK = "href"
#: Where a server's keypair is named, in requests in objects of these names alone.
_KEY, _KEYED = "key_name", ("server", "rebuild")
#: After it comes what tells keypairs of one account's several users apart.
KEY_MARK = "-t"
_MARKED = re.compile(rf"(.+){KEY_MARK}[0-9a-f]{{12}}")
#: Parts of paths after which an id comes, and arguments of queries that are one.
_PATH = re.compile(
    r"(/(?:os-quota-sets|os-simple-tenant-usage|default-types|quotas|auto-allocated-topology)/)"
    r"([^/?]+)"
)
_QUERY = re.compile(
    r"((?:^|&)(?:project_id|tenant_id|user_id|target_tenant|target_project)=)([^&]*)"
)
#: What Keystone makes ids of.
ID = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-f]{64}|[0-9a-f]{32})(?![0-9A-Za-z])")

Turn = Callable[[str], str]


class Place:
    """One field with an id; ``kind`` is one of USER, PROJECT and TARGET."""

    __slots__ = ("holder", "key", "kind")

    def __init__(self, holder: dict[str, Any], key: str, kind: frozenset[str]) -> None:
        self.holder, self.key, self.kind = holder, key, kind

    @property
    def value(self) -> str:
        found: str = self.holder[self.key]
        return found

    def put(self, value: str) -> None:
        self.holder[self.key] = value


def places(document: Any) -> Iterator[Place]:
    """Every field of a JSON document that holds an id."""
    for name, holder in objects(document):
        for key, value in holder.items():
            if not isinstance(value, str) or not value:
                continue
            if (kind := _kind(name, key)) is not None:
                yield Place(holder, key, kind)


def links(document: Any) -> Iterator[Place]:
    """Every link in a JSON document."""
    for _, holder in objects(document):
        if isinstance(holder.get(_LINK), str):
            yield Place(holder, _LINK, PROJECT)


def mark_keys(document: Any, suffix: str) -> None:
    """Have what is asked of a pod name the keypair of the user who asks."""
    for name, holder in objects(document):
        if name in _KEYED and isinstance(holder.get(_KEY), str):
            holder[_KEY] += suffix


def unmark_keys(document: Any) -> None:
    """Have what a pod tells name keypairs as users do."""
    for _, holder in objects(document):
        told = holder.get(_KEY)
        if isinstance(told, str) and (found := _MARKED.fullmatch(told)) is not None:
            holder[_KEY] = found[1]


def _kind(name: str, key: str) -> frozenset[str] | None:
    for kind in (PROJECT, USER, TARGET):
        if key in kind:
            return kind
    return PROJECT if (name, key) in _WITHIN else None


def objects(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a document, with the name it has in the one around it."""
    left: list[tuple[str, Any]] = [("", document)]
    while left:
        name, value = left.pop()
        if isinstance(value, dict):
            yield name, value
            left += [(key, inside) for key, inside in value.items() if key not in _FREE]
        elif isinstance(value, list):
            left += [(name, inside) for inside in value]


def in_path(path: str) -> list[str]:
    """The ids in a path."""
    return [found[2] for found in _PATH.finditer(path)]


def in_query(query: str) -> list[str]:
    """The ids in a query, as it is sent."""
    return [found[2] for found in _QUERY.finditer(query)]


def turn_path(path: str, turn: Turn) -> str:
    return _PATH.sub(lambda found: found[1] + turn(found[2]), path)


def turn_query(query: str, turn: Turn) -> str:
    return _QUERY.sub(lambda found: found[1] + turn(found[2]), query)


def turn_text(text: str, turn: Turn) -> str:
    """Text that a service made, with every id in it turned."""
    return ID.sub(lambda found: turn(found[0]), text)
