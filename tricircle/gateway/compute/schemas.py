# SPDX-License-Identifier: Apache-2.0
"""What the gateway takes out of a request before a pod sees it, as Nova's own schemas have it.

A pod judges the rest. What does not fit here a pod would refuse, and is left to it to refuse.
"""

import unicodedata
from typing import Any

import jsonschema
from oslo_utils import uuidutils

_FORMATS = jsonschema.FormatChecker(["ipv4", "ipv6"])

_NAME = {"type": "string", "minLength": 1, "maxLength": 255, "format": "name"}
_COUNT = {"type": ["integer", "string"], "pattern": "^[0-9]*$", "minimum": 1, "minLength": 1}
_YES = ["True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes"]
_NO = ["False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no"]
_ADDRESS = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
_NIC = {
    "type": "object",
    "properties": {
        "fixed_ip": _ADDRESS,
        "port": {"type": ["string", "null"], "format": "uuid"},
        "uuid": {"type": "string"},
        "tag": {},
    },
    "additionalProperties": False,
}
_SERVER = {
    "type": "object",
    "properties": {
        "availability_zone": _NAME,
        "security_groups": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": _NAME},
                "additionalProperties": False,
            },
        },
        "networks": {
            "anyOf": [{"type": "array", "items": _NIC}, {"enum": ["none", "auto"]}],
        },
        "min_count": _COUNT,
        "max_count": _COUNT,
        "return_reservation_id": {
            "type": ["boolean", "string"],
            "enum": [True, False, *_YES, *_NO],
        },
    },
}
_INTERFACE = {
    "type": "object",
    "properties": {
        "net_id": {"type": "string", "format": "uuid"},
        "port_id": {"type": "string", "format": "uuid"},
        "fixed_ips": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "properties": {"ip_address": _ADDRESS},
                "required": ["ip_address"],
                "additionalProperties": False,
            },
        },
        "tag": {},
    },
    "additionalProperties": False,
}


@_FORMATS.checks("uuid")
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or bool(uuidutils.is_uuid_like(value))


@_FORMATS.checks("name")
def _is_name(value: object) -> bool:
    """Printable, without blanks at its ends; a newline after all that passes Nova's pattern."""
    if not isinstance(value, str) or not value:
        return True
    text = value[:-1] if value.endswith("\n") and len(value) > 1 else value
    ends = unicodedata.category(text[0]), unicodedata.category(text[-1])
    return all(map(_is_printable, text)) and "Zs" not in ends


def _is_printable(letter: str) -> bool:
    category = unicodedata.category(letter)
    return ord(letter) < 0xFFFF and category[0] != "C" and (category[0] != "Z" or category == "Zs")


_VALIDATORS = {
    name: jsonschema.Draft4Validator(schema, format_checker=_FORMATS)
    for name, schema in (("server", _SERVER), ("interface", _INTERFACE))
}


def fits_server(server: dict[str, Any]) -> bool:
    """Whether ``server`` of POST /servers is what Nova takes, in what no pod sees."""
    return bool(_VALIDATORS["server"].is_valid(server))


def fits_interface(wanted: dict[str, Any]) -> bool:
    """The same of ``interfaceAttachment`` of POST /servers/{id}/os-interface."""
    return bool(_VALIDATORS["interface"].is_valid(wanted))
