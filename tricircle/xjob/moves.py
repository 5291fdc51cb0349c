# SPDX-License-Identifier: Apache-2.0
"""Move volumes to other pods, by way of an image in the Glance that all pods share.

One that nothing was ever written to is made anew instead: there is nothing to copy.
Each step may be done again after any failure, by any worker. The old volume is kept, read-only,
until what was copied was read back and is the same; then the new one is given to the owner, and
under its old id it is found in its new pod. Should the old pod be forgotten meanwhile, the image
is all that is left of the volume, so that the move goes on until the new one is right.
"""

from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlencode

from oslo_log import log as logging

from tricircle.db import definitions as table
from tricircle.db import moves, routings
from tricircle.db.models import VolumeMove
from tricircle.db.outcomes import Gone, Outcome, Realized, Requeue
from tricircle.db.realizations import Row
from tricircle.db.storage import Use
from tricircle.pods import definitions, rights
from tricircle.pods.deadline import Deadline, DeadlinePassed
from tricircle.pods.errors import PodError
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.images.of_moves import Images
from tricircle.pods.pod import Pod
from tricircle.pods.registry import Registry
from tricircle.pods.rest import PodService, PodServices
from tricircle.pods.volumes import is_untouched, obstacle

LOG = logging.getLogger(__name__)

_V = "3.0"
# Seconds between looks at what a pod is busy with.
_PAUSE = 1.0
_KINDS = (*definitions.NAMED, moves.KIND)
# What of a volume's metadata its pod writes there itself.
_PODS_OWN = ("readonly", "attached_mode")
# Whether the service user was a member of the owner's project before.
_MEMBER = "was_member"
# States of an image that is being made.
_COMING = ("queued", "saving", "uploading", "importing")
# In these states the image has all of the volume.
_READ = ("copying", "verifying", "handing over")


class Impossible(Exception):
    """The move cannot be made; the text says why."""


class _Later(Exception):
    """A pod is busy with it."""


class Moves:
    """Reconciles the moves toward pods, a step at a time. All blocks."""

    kinds: ClassVar = {moves.KIND: "volume"}

    def __init__(self, services: PodServices, registry: Registry) -> None:
        self._services, self._registry = services, registry
        self._steps: dict[str, Callable[[_Move], str]] = {
            "preparing": _prepare,
            "uploading": _upload,
            "copying": _copy,
            "verifying": _verify,
            "handing over": _hand_over,
            "removing": _remove,
            moves.UNDOING: _undo,
        }

    def reconcile(self, pod: Pod, row: Row, deadline: Deadline) -> Outcome:
        found = moves.get(row.resource_id)
        if found is None or found.target_pod_id != pod.id or found.state in moves.ENDED:
            return _ended(row, found)
        try:
            self._go_on(pod, found, deadline)
        except _Later as error:
            LOG.debug("Volume %s, %s: %s", row.resource_id, found.state, error)
            return Requeue(_PAUSE)
        except Impossible as error:
            return self._given_up(found, error)
        except (PodError, KeystoneFailed, DeadlinePassed) as error:
            LOG.warning("Volume %s, %s: %s", row.resource_id, found.state, error)
            return Requeue(reason=f"{found.state}: {error}")
        after = moves.get(row.resource_id)
        ended = after is not None and after.state in moves.ENDED
        return _ended(row, after) if ended else Requeue(0)

    def _given_up(self, found: VolumeMove, error: Impossible) -> Outcome:
        """A move that cannot be made is undone, or made anew where undoing would leave nothing."""
        if found.state in _READ and self._registry.get(found.source_pod_id) is None:
            LOG.warning("Volume %s is copied again: %s", found.volume_id, error)
            moves.save(found.volume_id, "copying", {})
            return Requeue(reason=f"{found.state}: {error}")
        LOG.warning("Volume %s is not moved: %s", found.volume_id, error)
        moves.save(found.volume_id, moves.UNDOING, {}, str(error))
        return Requeue(0)

    def _go_on(self, pod: Pod, found: VolumeMove, deadline: Deadline) -> None:
        old = self._registry.get(found.source_pod_id)
        source = None if old is None else self._volumes(old, deadline)
        move = _Move(found, source, self._volumes(pod, deadline), self._services)
        state = self._steps[found.state](move)
        LOG.info("Volume %s on its way to %s: %s", found.volume_id, pod.region_name, state)
        if state == "removing":
            kept = move.detail["volume"]
            use = Use(moves.KIND, int(kept["size"]), kept["volume_type"])
            moves.arrive(found.volume_id, pod.id, move.detail["inside"], use)
        moves.save(found.volume_id, state, move.detail)

    def _volumes(self, pod: Pod, deadline: Deadline) -> PodService:
        names = table.names(_KINDS, pod.id).get(pod.id)
        return self._services.of(pod, rights.MOVE, deadline, names)


def _ended(row: Row, found: VolumeMove | None) -> Outcome:
    """Of a move that is over, the row stays where the volume has another id in its new pod."""
    if found is not None and found.state == "done":
        return Realized(found.detail["inside"])
    moves.retire(row.resource_id, row.pod_id)
    return Gone()


class _Move:
    """What the steps of one move work with; ``detail`` is kept between them.

    ``lost`` is whether the pod it was in is no pod any more.
    """

    def __init__(
        self,
        row: VolumeMove,
        source: PodService | None,
        target: PodService,
        services: PodServices,
    ) -> None:
        self.row, self.target, self.identity = row, target, services.identity
        self._source, self.lost = source, source is None
        self.images = Images(services)
        self.detail: dict[str, Any] = dict(row.detail)

    @property
    def source(self) -> PodService:
        """Raises Impossible when it is lost."""
        if self._source is None:
            raise Impossible("The pod it was in is no pod any more.")
        return self._source

    @property
    def old(self) -> str:
        """The path of the volume in its old pod, whose id there was noted first."""
        return f"/volumes/{self.detail['outside']}"

    @property
    def new(self) -> str:
        return f"/volumes/{self.detail['inside']}"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to copy."""
        return bool(self.detail.get("empty"))

    def name(self, what: str) -> str:
        """A name that is found again when nobody lived to write an id down."""
        return f"tricircle-{what}-{self.row.volume_id}"


def _show(target: PodService, path: str) -> dict[str, Any] | None:
    document = target.ask("GET", path, _V, missing=True)
    return document and document["volume"]


def _act(target: PodService, path: str, action: str, argument: Any) -> Any:
    return target.ask("POST", f"{path}/action", _V, {action: argument})


def _ready(target: PodService, path: str) -> dict[str, Any]:
    """A volume that is available. Raises _Later while it is not, Impossible when it never will."""
    volume = _show(target, path)
    where = f"in pod {target.pod.region_name}"
    if volume is None:
        raise Impossible(f"The volume is gone {where}.")
    if volume["status"].startswith("error"):
        raise Impossible(f"The volume is in status {volume['status']} {where}.")
    if volume["status"] != "available":
        raise _Later(f"the volume is {volume['status']} {where}")
    return volume


def _prepare(move: _Move) -> str:
    """Note what it is like, and then, what was noted being kept, let nothing be written to it."""
    noted = "outside" in move.detail
    outside = move.detail.setdefault("outside", move.source.inside(move.row.volume_id))
    volume = _show(move.source, move.old)
    if volume is None:
        raise Impossible("The volume is gone.")
    query = urlencode({"all_tenants": 1, "volume_id": outside})
    snapshots = move.source.ask("GET", f"/snapshots/detail?{query}", _V)["snapshots"]
    if (why := obstacle(volume, snapshots)) is not None:
        raise Impossible(why)
    if noted:
        if move.is_empty and not (is_untouched(volume) and _known_empty(move.row.volume_id)):
            raise Impossible("It was empty when it was to be moved, and is not any more.")
        _act(move.source, move.old, "os-update_readonly_flag", {"readonly": True})
        return "copying" if move.is_empty else "uploading"
    kept = ("name", "description", "size", "volume_type", "metadata", "bootable")
    move.detail["volume"] = {key: volume.get(key) for key in kept}
    metadata = volume.get("metadata") or {}
    mine = {key: value for key, value in metadata.items() if key not in _PODS_OWN}
    move.detail["volume"]["metadata"] = mine
    move.detail["readonly"] = str(metadata.get("readonly")).lower() == "true"
    move.detail["image_metadata"] = volume.get("volume_image_metadata") or {}
    return "preparing"


def _known_empty(volume_id: str) -> bool:
    """Whether no gateway has let anybody write to a volume that was made empty."""
    routing = routings.get(moves.KIND, volume_id)
    return routing is not None and bool(routing.detail.get("empty"))


def _upload(move: _Move) -> str:
    image = _image_of(move, move.source, move.old, "move")
    move.detail |= {"image": image["id"], "hash": image["os_hash_value"]}
    return "copying"


def _image_of(move: _Move, target: PodService, path: str, what: str) -> dict[str, Any]:
    """The image of a volume when it is all there; begun if need be. Raises _Later until then."""
    image = next(iter(move.images.named(move.name(what))), None)
    if image is None:
        _ready(target, path)
        wanted = {"image_name": move.name(what), "disk_format": "raw", "container_format": "bare"}
        _act(target, path, "os-volume_upload_image", wanted)
        raise _Later("the volume is being read")
    if image["status"] in _COMING:
        raise _Later(f"the image is {image['status']}")
    if image["status"] != "active":
        move.images.delete(image["id"])
        raise _Later(f"the image was {image['status']} and is made again")
    _ready(target, path)
    return image


def _copy(move: _Move) -> str:
    """A new volume, of the image unless it is empty, in the service user's project for now."""
    name, kept = move.name("copy"), move.detail["volume"]
    # Only our own: a user may have named one so.
    query = urlencode({"name": name})
    found = move.target.ask("GET", f"/volumes?{query}", _V)["volumes"]
    if not found:
        kind = kept["volume_type"]
        wanted = {"name": name, "size": kept["size"]}
        wanted |= {} if move.is_empty else {"imageRef": move.detail["image"]}
        wanted |= {"volume_type": kind} if kind else {}
        if zone := move.target.pod.pod_availability_zone:
            wanted["availability_zone"] = zone
        found = [move.target.ask("POST", "/volumes", _V, {"volume": wanted})["volume"]]
    move.detail["inside"] = found[0]["id"]
    volume = _show(move.target, move.new)
    if volume is not None and volume["status"].startswith("error"):
        move.target.ask("DELETE", move.new, _V, missing=True)
        raise Impossible(f"Pod {move.target.pod.region_name} could not make the new volume.")
    _ready(move.target, move.new)
    return "handing over" if move.is_empty else "verifying"


def _verify(move: _Move) -> str:
    """Read the new volume back: it must be what the old one was."""
    image = _image_of(move, move.target, move.new, "check")
    same = image["os_hash_value"] == move.detail["hash"]
    move.images.delete(image["id"])
    if not same:
        move.target.ask("DELETE", move.new, _V, missing=True)
        raise Impossible("What was copied is not what was read; nothing is changed.")
    return "handing over"


def _hand_over(move: _Move) -> str:
    """The new volume becomes the old one in all but its id, and the owner's."""
    if _MEMBER not in move.detail:
        # Noted first: whoever goes on after a crash knows whether the project is to be left again.
        move.detail[_MEMBER] = move.identity.is_member(move.row.project_id)
        return "handing over"
    volume = _show(move.target, move.new)
    if volume is None:
        raise Impossible("The new volume is gone.")
    try:
        if volume["os-vol-tenant-attr:tenant_id"] != move.row.project_id:
            if volume["status"] == "available":
                _dress(move, volume)
            _transfer(move)
    finally:
        _leave(move)
    return "removing"


def _dress(move: _Move, volume: dict[str, Any]) -> None:
    kept = move.detail["volume"]
    words = {"name": kept["name"] or "", "description": kept["description"] or ""}
    move.target.ask("PUT", move.new, _V, {"volume": words})
    move.target.ask("PUT", f"{move.new}/metadata", _V, {"metadata": kept["metadata"]})
    for key in volume.get("volume_image_metadata") or {}:
        move.target.ask("POST", f"{move.new}/action", _V, {"os-unset_image_metadata": {"key": key}},
                        missing=True)  # fmt: skip
    if move.detail["image_metadata"]:
        wanted = {"metadata": move.detail["image_metadata"]}
        _act(move.target, move.new, "os-set_image_metadata", wanted)
    bootable = str(kept["bootable"]).lower() == "true"
    _act(move.target, move.new, "os-set_bootable", {"bootable": bootable})
    if move.detail.get("readonly"):
        _act(move.target, move.new, "os-update_readonly_flag", {"readonly": True})


def _transfer(move: _Move) -> None:
    """Offer the volume and take it as the owner; an offer nobody lived to take is withdrawn."""
    offers = move.target.ask("GET", "/os-volume-transfer/detail?all_tenants=1", _V)["transfers"]
    for offer in offers:
        if offer["volume_id"] == move.detail["inside"]:
            move.target.ask("DELETE", f"/os-volume-transfer/{offer['id']}", _V, missing=True)
    wanted = {"volume_id": move.detail["inside"], "name": move.name("move")}
    offer = move.target.ask("POST", "/os-volume-transfer", _V, {"transfer": wanted})["transfer"]
    pod, right = move.target.pod, rights.MOVE_ACCEPTED
    owner = PodService(pod, move.identity.within(move.row.project_id, pod, right), "volume")
    accept = {"accept": {"auth_key": offer["auth_key"]}}
    owner.ask("POST", f"/os-volume-transfer/{offer['id']}/accept", _V, accept)


def _leave(move: _Move) -> None:
    """The service user is no member of the owner's project any more, unless it was one before."""
    if move.detail.get(_MEMBER) is False:
        move.identity.leave(move.row.project_id)


def _remove(move: _Move) -> str:
    """The old volume goes, and the image."""
    volume = _left(move)
    if volume is not None:
        if volume["status"] in ("available", "error", "error_deleting"):
            move.source.ask("DELETE", move.old, _V, missing=True)
        raise _Later(f"the old volume is {volume['status']}")
    for image in _images(move):
        move.images.delete(image["id"])
    return "done"


def _undo(move: _Move) -> str:
    """As if nothing had been."""
    _leave(move)
    for image in _images(move):
        if image["status"] in _COMING and not move.lost:
            raise _Later(f"the image is {image['status']}")
        move.images.delete(image["id"])
    query = urlencode({"name": move.name("copy")})
    for copy in move.target.ask("GET", f"/volumes/detail?{query}", _V)["volumes"]:
        if not copy["status"].endswith("deleting"):
            move.target.ask("DELETE", f"/volumes/{copy['id']}", _V, missing=True)
        raise _Later(f"the copy is {copy['status']}")
    if _left(move) is not None:
        was = move.detail.get("readonly", False)
        _act(move.source, move.old, "os-update_readonly_flag", {"readonly": was})
    return moves.UNDONE


def _left(move: _Move) -> dict[str, Any] | None:
    """The old volume, while there is one that was noted and a pod to have it."""
    known = "outside" in move.detail and not move.lost
    return _show(move.source, move.old) if known else None


def _images(move: _Move) -> list[dict[str, Any]]:
    """All that were made on the way, also what nobody lived to note."""
    return [one for what in ("move", "check") for one in move.images.named(move.name(what))]
