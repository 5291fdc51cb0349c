# SPDX-License-Identifier: Apache-2.0
"""The methods of ``conn.tricircle``, named as openstacksdk names those of other services.

All of them raise ``openstack.exceptions.HttpException`` and its kinds, with the service's words.
"""

from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.parse import quote

from openstack import exceptions, proxy, resource

from tricircle.client.resources import (
    Adoption,
    Binding,
    ImageCopy,
    Job,
    Placement,
    Pod,
    PodChange,
    PodProject,
    ProjectUsage,
    Repair,
    Routing,
    Rule,
    Usage,
    VolumeMove,
)

_Kind = TypeVar("_Kind", bound=resource.Resource)


class Proxy(proxy.Proxy):
    """The Admin API, version 1."""

    api_version = "1"

    def pods(self, **filters: Any) -> Iterator[Pod]:
        return self._found(Pod, filters)

    def get_pod(self, pod: str | Pod) -> Pod:
        return self._get(Pod, pod)

    def find_pod(self, name_or_id: str) -> Pod:
        """The pod of a region, or with an id. Raises NotFoundException."""
        for pod in self.pods(region_name=name_or_id):
            return pod
        try:
            return self.get_pod(name_or_id)
        except exceptions.NotFoundException:
            raise exceptions.NotFoundException(
                f"There is no pod {name_or_id}. 'openstack multiregion pod list' shows all."
            ) from None

    def create_pod(self, **values: Any) -> Pod:
        return self._create(Pod, **values)

    def update_pod(self, pod: str | Pod, **values: Any) -> Pod:
        return self._update(Pod, pod, **values)

    def delete_pod(self, pod: str | Pod, force: bool = False) -> None:
        """Forget a pod; with ``force`` also what is known to be there."""
        params = {"force": "true"} if force else {}
        exceptions.raise_from_response(self.delete(f"/pods/{_quoted(_id(pod))}", params=params))

    def pod_changes(self, pod: str | Pod) -> Iterator[PodChange]:
        """What became of a pod, the newest first."""
        return PodChange.list(self, pod_id=_id(pod))

    def pod_projects(self, pod: str | Pod) -> Iterator[PodProject]:
        """Which project stands for which, of a pod with a Keystone of its own."""
        return PodProject.list(self, pod_id=_id(pod))

    def set_pod_project(self, pod: str | Pod, project_id: str, there: str) -> PodProject:
        """Say which project there stands for one that has nothing in the pod yet."""
        path = f"/pods/{_quoted(_id(pod))}/projects/{_quoted(project_id)}"
        return self._of_project(path, "project", {"there": there})

    def set_pod_credential(
        self, pod: str | Pod, project_id: str, credential_id: str, secret: str
    ) -> PodProject:
        """Give a project its application credential of a pod, which is tried first."""
        body = {"id": credential_id, "secret": secret}
        return self._of_project(_credential(pod, project_id), "credential", body)

    def unset_pod_credential(self, pod: str | Pod, project_id: str) -> None:
        exceptions.raise_from_response(self.delete(_credential(pod, project_id)))

    def _of_project(self, path: str, key: str, values: dict[str, str]) -> PodProject:
        answer = self.put(path, json={key: values})
        exceptions.raise_from_response(answer)
        return PodProject.existing(connection=self._get_connection(), **answer.json()[key])

    def adopt(
        self, pod: str | Pod, project_id: str, dry_run: bool = False, release: bool = False
    ) -> Adoption:
        """Have what a project had in a pod before become the region's; with ``release`` the pod's
        own again, with ``dry_run`` only told."""
        found = pod.id if isinstance(pod, Pod) else pod
        action = "release" if release else "adopt"
        body = {"adoption": {"project_id": project_id, "action": action, "dry_run": dry_run}}
        return self._told(Adoption, self.post(f"/pods/{_quoted(found)}/adoptions", json=body))

    def get_adoption(self, pod: str | Pod, adoption_id: str) -> Adoption:
        """How far an adoption is, and what becomes of each object."""
        found = pod.id if isinstance(pod, Pod) else pod
        path = f"/pods/{_quoted(found)}/adoptions/{_quoted(adoption_id)}"
        return self._told(Adoption, self.get(path))

    def usages(self, **filters: Any) -> Iterator[Usage]:
        """What each pod holds and has room for. The pods are asked: it takes a moment."""
        return self._found(Usage, filters)

    def project_usages(self, project_id: str) -> Iterator[ProjectUsage]:
        """What a project uses of its quotas in each pod."""
        return ProjectUsage.list(self, project_id=project_id)

    def rules(self, **filters: Any) -> Iterator[Rule]:
        return self._found(Rule, filters)

    def find_rule(self, name_or_id: str) -> Rule:
        """Raises NotFoundException."""
        for rule in self.rules(name=name_or_id):
            return rule
        return self._get(Rule, name_or_id)

    def create_rule(self, **values: Any) -> Rule:
        return self._create(Rule, **values)

    def delete_rule(self, rule: str | Rule) -> None:
        self._delete(Rule, rule, ignore_missing=False)

    def bindings(self, **filters: Any) -> Iterator[Binding]:
        return self._found(Binding, filters)

    def get_binding(self, binding: str) -> Binding:
        return self._get(Binding, binding)

    def create_binding(self, project_id: str, pod_id: str) -> Binding:
        return self._create(Binding, project_id=project_id, pod_id=pod_id)

    def delete_binding(self, binding: str) -> None:
        self._delete(Binding, binding, ignore_missing=False)

    def images(self, **filters: Any) -> Iterator[ImageCopy]:
        """Which images are in which pods with a Glance of their own, and how far."""
        return self._found(ImageCopy, filters)

    def copy_image(self, image_id: str, region_name: str) -> ImageCopy:
        """Have an image copied to a pod with a Glance of its own before it is used there."""
        return self._create(ImageCopy, image_id=image_id, region_name=region_name)

    def routings(self, **filters: Any) -> Iterator[Routing]:
        return self._found(Routing, filters)

    def get_placement(self, server_id: str) -> Placement:
        """Why a server is in its pod."""
        return self._told(Placement, self.get(f"/servers/{_quoted(server_id)}/placement"))

    def jobs(self, **filters: Any) -> Iterator[Job]:
        return self._found(Job, filters)

    def get_job(self, job: str) -> Job:
        return self._get(Job, job)

    def retry_job(self, job: str) -> Job:
        """Let a job be tried at once."""
        return self._told(Job, self.put(f"/jobs/{_quoted(job)}"))

    def repairs(self, **filters: Any) -> Iterator[Repair]:
        """What was put right, the newest first."""
        return self._found(Repair, filters)

    def move_volume(
        self, volume_id: str, region_name: str | None = None, availability_zone: str | None = None
    ) -> VolumeMove:
        """Begin to move a volume to a pod, or to any pod of a zone."""
        wanted = {"region_name": region_name, "availability_zone": availability_zone}
        body = {"move": {name: value for name, value in wanted.items() if value is not None}}
        return self._told(VolumeMove, self.post(f"/volumes/{_quoted(volume_id)}/move", json=body))

    def volume_moves(self, **filters: Any) -> Iterator[VolumeMove]:
        """Moves under way, and how the last one of each volume ended."""
        return self._found(VolumeMove, filters)

    def get_volume_move(self, volume_id: str) -> VolumeMove:
        """How far a move is, or how the last one ended."""
        return self._told(VolumeMove, self.get(f"/volumes/{_quoted(volume_id)}/move"))

    def call_off_volume_move(self, volume_id: str) -> None:
        exceptions.raise_from_response(self.delete(f"/volumes/{_quoted(volume_id)}/move"))

    def _found(self, kind: type[_Kind], filters: dict[str, Any]) -> Iterator[_Kind]:
        """All of a list, page by page."""
        # Proxy._list has a parameter of its own called as one of our filters is.
        return kind.list(self, **filters)

    def _told(self, kind: type[_Kind], answer: Any) -> _Kind:
        """The resource of an answer. Raises HttpException for an error."""
        exceptions.raise_from_response(answer)
        document = answer.json()[kind.resource_key]
        return kind.existing(connection=self._get_connection(), **document)


def _id(pod: str | Pod) -> str:
    return str(pod.id if isinstance(pod, Pod) else pod)


def _credential(pod: str | Pod, project_id: str) -> str:
    return f"/pods/{_quoted(_id(pod))}/credentials/{_quoted(project_id)}"


def _quoted(text: str) -> str:
    return quote(text, safe="")
