# SPDX-License-Identifier: Apache-2.0
"""Configuration files of OpenStack's services, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lab.settings import ADDRESS, MYSQL_DRIVER, PASSWORD, REGION, Lab

#: {section: {option: value}}; a list stands for an option given several times.
Sections = dict[str, dict[str, object]]

#: Rabbit's heartbeat in the main thread, plain queues: small, and enough for one machine.
MESSAGING: dict[str, object] = {"heartbeat_in_pthread": False, "rabbit_quorum_queue": False}


def render(sections: Mapping[str, Mapping[str, object]]) -> str:
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        for option, value in options.items():
            values = value if isinstance(value, list) else [value]
            lines += [f"{option} = {_text(item)}" for item in values]
        lines.append("")
    return "\n".join(lines)


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def merge(*layers: Mapping[str, Mapping[str, object]]) -> Sections:
    """Later layers win, option by option."""
    result: Sections = {}
    for layer in layers:
        for section, options in layer.items():
            result.setdefault(section, {}).update(options)
    return result


def write(path: Path, sections: Mapping[str, Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(sections))
    return path


# -- sections every service has ------------------------------------------------------------------


def common(**options: object) -> dict[str, object]:
    """[DEFAULT] to begin with."""
    return {"debug": False, "use_stderr": True, **options}


def database(lab: Lab, name: str, driver: str = MYSQL_DRIVER) -> dict[str, object]:
    url = lab.database_url(name, driver)
    return {"connection": url, "max_pool_size": 5, "max_overflow": 20}


def credentials(lab: Lab, user: str, region: str = REGION, **options: object) -> dict[str, object]:
    """A service user's login, to find its peers in ``region``."""
    return {
        "auth_type": "password",
        "auth_url": lab.identity_url,
        "username": user,
        "password": PASSWORD,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": region,
        **options,
    }


def authtoken(lab: Lab, user: str) -> dict[str, object]:
    """[keystone_authtoken]; identity is always RegionOne's."""
    return credentials(
        lab,
        user,
        www_authenticate_uri=lab.identity_url,
        memcached_servers=lab.memcached,
        service_token_roles="service",
        service_token_roles_required=True,
        interface="internal",
    )


def policies(lab: Lab) -> dict[str, object]:
    """[oslo_policy] without rules of its own: found at once, where a service would look in every
    folder there may be, for every rule it asks.
    """
    file, folder = lab.etc / "policy.yaml", lab.etc / "policy.d"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text("{}\n")
    return {"policy_file": file, "policy_dirs": folder}


def client_clouds(lab: Lab) -> dict[str, object]:
    """The document of clouds.yaml: one cloud for each of the lab's users."""
    regions = [REGION, *(pod.region for pod in lab.known_pods)]
    users = {"admin": "admin", "reader": "demo"}
    users |= {name: name for name in ("demo", "demo2", "demo3", "demo4")}
    clouds = {}
    for user, project in users.items():
        clouds[user] = {
            "auth": {
                "auth_url": lab.identity_url,
                "username": user,
                "password": PASSWORD,
                "project_name": project,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "regions": regions,
            "region_name": REGION,
            "identity_api_version": "3",
            # Images live in RegionOne only, also for who talks to a pod.
            "image_endpoint_override": lab.url("image"),
        }
    return {"clouds": clouds}


__all__ = [
    "ADDRESS",
    "MESSAGING",
    "Sections",
    "authtoken",
    "client_clouds",
    "common",
    "credentials",
    "database",
    "merge",
    "policies",
    "render",
    "write",
]
