# SPDX-License-Identifier: Apache-2.0
"""Bringing a lab up and down. Both may be repeated, and pick up after a crash."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import yaml

from lab import dataplane, identity, infra, ini, packages, pod, pod_config, process, schema
from lab.services import apache, glance, keystone
from lab.settings import Lab, LabError, Pod

IMAGES = ("tiny", "tiny2")
IMAGE_BYTES = 64 * 1024


class Progress:
    """Lines with the seconds since the beginning."""

    def __init__(self) -> None:
        self.begun = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"[{time.monotonic() - self.begun:6.1f} s] {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def only_one(lab: Lab) -> Iterator[None]:
    """Two commands that change the same lab wait for each other."""
    lab.home.mkdir(parents=True, exist_ok=True)
    with open(lab.home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def up(
    lab: Lab,
    say: Callable[[str], None] | None = None,
    beside: Callable[[Lab], object] | None = None,
) -> None:
    """Bring the lab up; what already runs is kept. Raises LabError.

    ``beside`` is called while the pods start; it has the databases and Keystone.
    """
    with only_one(lab):
        _up(lab, say or Progress(), beside)


def _up(lab: Lab, say: Callable[[str], None], beside: Callable[[Lab], object] | None) -> None:
    say(f"lab {lab.name}: {len(lab.pods)} pods, network {lab.profile}, ports from {lab.base_port}")
    install(lab, say)
    if not (lab.home / "lab.json").exists():
        shutil.rmtree(lab.log, ignore_errors=True)  # an earlier lab's
    lab.save()
    _free_ports(lab)
    lab.clouds_yaml.write_text(yaml.safe_dump(ini.client_clouds(lab), sort_keys=False))
    for realm in (lab, *lab.realms):
        keystone.configure(realm)
        glance.configure(realm)
        if realm.is_behind_apache:
            apache.configure(realm)
    with ThreadPoolExecutor() as pool:
        if lab.packets:
            dataplane.physical_up(lab)
        switches = pool.submit(_switches, lab, say) if lab.packets else None
        broker = pool.submit(infra.start_rabbitmq, lab) if lab.broker else None
        infra.start_memcached(lab)
        infra.start_mariadb(lab)
        say("MariaDB and memcached run")
        schema.prepare(lab)
        say("databases are ready")
        for realm in (lab, *lab.realms):
            _identity(realm)
        for realm in lab.realms:
            identity.give_way_in(realm)
        say("Keystone knows users, regions and endpoints")
        for waiting in (switches, broker):
            if waiting:
                waiting.result()
        for one in lab.pods:
            pod_config.write(lab.of(one), one)
            pod.start(lab, one)
        say("pods are starting")
        agents = [pool.submit(_agents, lab, one, say) for one in lab.pods]
        images = pool.submit(_images, lab)
        if beside:
            beside(lab)
        for one in lab.pods:
            pod.wait(lab, one)
            say(f"{one.region} ({one.release}) answers, {len(one.hosts)} hosts are up")
        images.result()
        for starting in agents:
            starting.result()
    say("up")


def install(lab: Lab, say: Callable[[str], None]) -> None:
    """Debian packages and virtual environments that are missing."""
    wanted = packages.missing(packages.debian(lab))
    if wanted:
        say(f"installing {', '.join(wanted)}")
        packages.install_debian(wanted)
    for release in lab.releases:
        if not (packages.venv(release) / ".complete").exists():
            say(f"installing OpenStack {release}")
            packages.install_venv(release)
        packages.link_mysql_client(release)


def _free_ports(lab: Lab) -> None:
    """Say it at once when somebody else's ports are in the way."""
    owners = {"mariadb": "mariadb", "identity": "keystone", "image": "glance"}
    for service, name in owners.items():
        port = lab.port(service)
        if process.alive(lab, name) is None and infra.listening(port):
            raise LabError(
                f"port {port} ({name}) is taken by another program: choose --base-port, "
                f"or run `lab down` if it is left of this lab"
            )


def _switches(lab: Lab, say: Callable[[str], None]) -> None:
    for one in lab.pods:
        dataplane.pod_up(lab, one)
    say("the data plane stands")


def _agents(lab: Lab, one: Pod, say: Callable[[str], None]) -> None:
    dataplane.agents_up(lab, one)
    if lab.agents:
        say(f"{one.region}'s agents are alive")


def _identity(lab: Lab) -> None:
    web = apache.daemons(lab) if lab.is_behind_apache else []
    daemons = (keystone.daemon(lab), glance.daemon(lab), *web)
    for daemon in daemons:
        process.start(lab, daemon.name, daemon.argv, env=daemon.env)
    done, dump = lab.var / lab.named("keystone") / ".registered", schema.identity_dump(lab)
    if not done.exists() and not dump.exists():
        keystone.bootstrap(lab)
    process.wait_for(
        "Keystone", lambda: pod.answers(lab.identity_url), 120, lab, lab.named("keystone")
    )
    if not dump.exists():
        identity.register(lab)
        if not done.exists():
            infra.dump(lab, lab.realm_database("keystone"), dump)
    done.touch()


def _images(lab: Lab) -> None:
    process.wait_for("Glance", lambda: pod.answers(lab.url("image")), 120, lab, "glance")
    images = identity.connection(lab).image
    known = {image.name for image in images.images()}
    for name in IMAGES:
        if name not in known:
            images.create_image(
                name=name,
                data=bytes(IMAGE_BYTES),
                disk_format="raw",
                container_format="bare",
                visibility="public",
                validate_checksum=False,
            )


def down(lab: Lab, say: Callable[[str], None] | None = None) -> None:
    """Stop everything and remove all state but the logs. Raises LabError."""
    say = say or Progress()
    with only_one(lab):
        process.stop_all(lab, timeout=3)  # nothing to save: the state goes too
        if lab.packets:
            dataplane.down(lab)
        for folder in (lab.etc, lab.var, lab.run, lab.sockets):
            shutil.rmtree(folder, ignore_errors=True)
        lab.clouds_yaml.unlink(missing_ok=True)
        (lab.home / "lab.json").unlink(missing_ok=True)
        say(f"lab {lab.name} is down; its logs stay in {lab.log}")
