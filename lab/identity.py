# SPDX-License-Identifier: Apache-2.0
"""Who and what Keystone knows: projects, users, regions, services and their endpoints."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import openstack
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from lab.settings import PASSWORD, REGION, Lab

#: {user: (project, roles)}
SERVICE_ROLES = ("admin", "service")
USERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "nova": ("service", SERVICE_ROLES),
    "neutron": ("service", SERVICE_ROLES),
    "cinder": ("service", SERVICE_ROLES),
    "glance": ("service", SERVICE_ROLES),
    "placement": ("service", SERVICE_ROLES),
    "tricircle": ("service", SERVICE_ROLES),
    "demo": ("demo", ("member",)),
    "demo2": ("demo2", ("member",)),
    "demo3": ("demo3", ("member",)),
    "demo4": ("demo4", ("member",)),
    "reader": ("demo", ("reader",)),
}
#: Of what a pod's own Keystone has for Tricircle.
MANAGED_DOMAIN, MANAGER = "tricircle", "tricircle-manager"
#: (service type, service name, port, path)
POD_SERVICES = (
    ("compute", "nova", "compute", "/v2.1"),
    ("network", "neutron", "network", ""),
    ("volumev3", "cinderv3", "volume", "/v3"),
    ("block-storage", "cinder", "volume", "/v3"),
    ("placement", "placement", "placement", ""),
)


@functools.cache
def _session(url: str, user: str, project: str) -> Session:
    auth = v3.Password(
        auth_url=url,
        username=user,
        password=PASSWORD,
        project_name=project,
        user_domain_name="Default",
        project_domain_name="Default",
    )
    return Session(auth=auth, timeout=60)


def session(lab: Lab, user: str = "admin", project: str = "admin") -> Session:
    return _session(lab.identity_url, user, project)


def connection(lab: Lab, region: str = REGION, user: str = "admin", project: str = "admin") -> Any:
    """openstacksdk, with images from RegionOne wherever one looks from."""
    return openstack.connection.Connection(
        session=session(lab, user, project),
        region_name=region,
        image_endpoint_override=lab.url("image"),
    )


def register(lab: Lab) -> None:
    """Make what is not there yet; nothing else is touched."""
    identity = connection(lab).identity
    _regions(lab, identity)
    _users(identity)
    _endpoints(identity, _services(lab))


def give_way_in(lab: Lab) -> None:
    """What the operator of a pod with a Keystone of its own does for Tricircle, once.

    What depends on Tricircle's words is done when that is there (``trust``).
    """
    if lab.pods[0].keystone == "managed":
        _give_domain(lab)


def trust(lab: Lab, provider: str, protocol: str, remote_id: str, rules: list[Any]) -> None:
    """Believe in what a web server's module says of whoever comes from elsewhere."""
    identity, url = connection(lab).identity, f"{lab.identity_url}/OS-FEDERATION"
    domain = identity.find_domain(MANAGED_DOMAIN) or identity.create_domain(name=MANAGED_DOMAIN)
    mapping = {"mapping": {"schema_version": "2.0", "rules": rules}}
    known = {"enabled": True, "domain_id": domain.id, "remote_ids": [remote_id]}
    below = f"{url}/identity_providers/{provider}"
    for path, body in (
        (f"{url}/mappings/{provider}", mapping),
        (below, {"identity_provider": known}),
        (f"{below}/protocols/{protocol}", {"protocol": {"mapping_id": provider}}),
    ):
        if session(lab).get(path, raise_exc=False).status_code == 404:
            session(lab).put(path, json=body)


def vouch(lab: Lab, provider: str, sp_url: str, auth_url: str) -> None:
    """Have a Keystone say who its users are, to one that believes it."""
    path = f"{lab.identity_url}/OS-FEDERATION/service_providers/{provider}"
    body = {"enabled": True, "sp_url": sp_url, "auth_url": auth_url}
    session(lab).put(path, json={"service_provider": body}, raise_exc=False)


def application_credential(lab: Lab, user: str, project: str) -> dict[str, str]:
    """A credential of a user's own. It can be had once, so it is made anew each time."""
    mine = session(lab, user, project)
    path = f"{lab.identity_url}/users/{mine.get_user_id()}/application_credentials"
    for known in mine.get(path).json()["application_credentials"]:
        if known["name"] == MANAGED_DOMAIN:
            mine.delete(f"{path}/{known['id']}")
    body = {"application_credential": {"name": MANAGED_DOMAIN}}
    made = mine.post(path, json=body).json()["application_credential"]
    return {"id": made["id"], "secret": made["secret"]}


def _give_domain(lab: Lab) -> None:
    identity = connection(lab).identity
    domain = identity.find_domain(MANAGED_DOMAIN) or identity.create_domain(name=MANAGED_DOMAIN)
    manager = identity.find_user(MANAGER, domain_id=domain.id) or identity.create_user(
        name=MANAGER, password=PASSWORD, domain_id=domain.id
    )
    role = identity.find_role("manager", ignore_missing=False)
    identity.assign_domain_role_to_user(domain, manager, role)


def digest(lab: Lab) -> str:
    """Two labs of which it is the same have the same to register."""
    told = (USERS, PASSWORD, lab.identity_url, _services(lab))
    return hashlib.sha256(repr(told).encode()).hexdigest()[:12]


def _services(lab: Lab) -> list[tuple[str, str, str, str]]:
    """Type, name, region and URL of each service."""
    wanted = [("image", "glance", REGION, lab.url("image"))]
    for pod in lab.known_pods:
        wanted.append(("identity", "keystone", pod.region, lab.identity_url))
        for kind, name, port, path in POD_SERVICES:
            wanted.append((kind, name, pod.region, pod.url(port) + path))
    return wanted


def _regions(lab: Lab, identity: Any) -> None:
    known = {region.id for region in identity.regions()}
    for pod in lab.known_pods:
        if pod.region not in known:
            identity.create_region(id=pod.region, parent_region_id=REGION)


def _users(identity: Any) -> None:
    roles = {role.name: role for role in identity.roles()}
    projects = {project.name: project for project in identity.projects()}
    for name in dict.fromkeys(project for project, _ in USERS.values()):
        if name not in projects:
            projects[name] = identity.create_project(name=name, domain_id="default")
    users = {user.name: user for user in identity.users()}
    for name, (project, wanted) in USERS.items():
        if name not in users:
            users[name] = identity.create_user(
                name=name,
                password=PASSWORD,
                domain_id="default",
                default_project_id=projects[project].id,
            )
        for role in wanted:
            identity.assign_project_role_to_user(projects[project], users[name], roles[role])
    for project in ("demo", "demo2", "demo3", "demo4"):
        identity.assign_project_role_to_user(projects[project], users["admin"], roles["admin"])


def _endpoints(identity: Any, wanted: list[tuple[str, str, str, str]]) -> None:
    services = {service.type: service for service in identity.services()}
    known = {
        (endpoint.service_id, endpoint.region_id, endpoint.interface)
        for endpoint in identity.endpoints()
    }
    for kind, name, region, url in wanted:
        if kind not in services:
            services[kind] = identity.create_service(name=name, type=kind)
        for interface in ("public", "internal", "admin"):
            if (services[kind].id, region, interface) not in known:
                identity.create_endpoint(
                    service_id=services[kind].id, region_id=region, interface=interface, url=url
                )
