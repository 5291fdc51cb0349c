# SPDX-License-Identifier: Apache-2.0
"""What of an image goes along to another Glance, and which images cannot."""

from collections.abc import Mapping
from typing import Any

Image = Mapping[str, Any]
#: Members of an image that describe it, and not a property of anybody's own.
_DESCRIBED = ("name", "disk_format", "container_format", "min_disk", "min_ram", "tags", "os_hidden")
# What each Glance says of itself, and decides anew.
_OWN = frozenset(
    {
        "id",
        "status",
        "owner",
        "visibility",
        "protected",
        "created_at",
        "updated_at",
        "checksum",
        "os_hash_algo",
        "os_hash_value",
        "size",
        "virtual_size",
        "self",
        "file",
        "schema",
        "direct_url",
        "locations",
        "stores",
        "location",
        "deleted",
        "deleted_at",
    }
)
_RESERVED = "os_glance_"
# Properties that Nova writes into snapshots: ids of projects and users are a region's own matter.
_PEOPLE = frozenset(
    {"owner_id", "owner_user_name", "owner_project_name", "user_id", "project_id", "boot_roles"}
)
#: Properties that name other images, without which it does not boot.
ALONG = ("kernel_id", "ramdisk_id")
_ENCRYPTED, _SIGNED = "cinder_encryption_key_id", "img_signature"
_ELSEWHERE = "block_device_mapping"


#: The property by which we know an image again that a pod was asked to make.
MARKER = "tricircle_image"


def obstacle(image: Image) -> str | None:
    """Why an image cannot be copied to another cloud, if it cannot."""
    if image.get(_ENCRYPTED) or image.get("os_encrypt_key_id"):
        return "it is encrypted, and its key is known to this cloud only"
    if image.get(_SIGNED):
        return "it is signed, and the certificate is known to this cloud only"
    if _mapping(image):
        return "it stands for snapshots of volumes, which are in another pod"
    return None


def _mapping(image: Image) -> bool:
    return str(image.get(_ELSEWHERE) or "[]").strip() not in ("", "[]")


def is_open(image: Image) -> bool:
    """Whether every project may use an image that it can name."""
    return image.get("visibility") in ("public", "community")


def facts(image: Image) -> dict[str, Any]:
    """What is kept of an image: name, size (bytes) and whether it is open."""
    name = str(image.get("name") or "")[:255]
    return {"name": name, "size": image.get("size"), "is_open": is_open(image)}


def record(image_id: str, owner: str, name: str, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """An image of the region's that has no data yet; ``wishes`` are members of it."""
    return {**wishes, "id": image_id, "owner": owner, "name": name}


def described(image: Image, along: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What another Glance is told of an image; ``along`` are the ids there of those it needs."""
    told = {key: image[key] for key in _DESCRIBED if image.get(key) is not None}
    return told | properties(image, along)


def properties(image: Image, along: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The properties that go along."""
    return {
        key: (along or {}).get(value, value) if key in ALONG else value
        for key, value in image.items()
        if key not in _DESCRIBED
        and key not in _OWN
        and key not in _PEOPLE
        and key != MARKER
        and not key.startswith(_RESERVED)
        and value is not None
    }
