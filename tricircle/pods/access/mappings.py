# SPDX-License-Identifier: Apache-2.0
"""The mappings by which a pod's Keystone may make users and projects of what is said of ours.

No other will do. A user there is one of a level, so what an account may do never changes; a role
is given for a role (or a level that we sign) and never for anything that users can name; and schema
2.0 takes nothing from an account that another token of the same account has.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

SCHEMA = "2.0"
#: What modules of web servers put before the names of attributes of an assertion.
PREFIXES = ("", "MELLON_")
_SAML = (
    "openstack_user",
    "openstack_user_domain",
    "openstack_project",
    "openstack_project_domain",
)
#: The claims of our own tokens, as mod_auth_openidc tells them.
_CLAIMS = ("HTTP_OIDC_SUB", "HTTP_OIDC_PROJECT")
_LEVEL = "HTTP_OIDC_LEVEL"


def of_names(levels: Sequence[str], domain: str, prefix: str = "") -> list[dict[str, Any]]:
    """The rules for what a Keystone says of its users, whose names are all it says."""
    return [
        {
            "local": _local(f"{{0}}@{{1}}/{{2}}@{{3}} as {level}", "{2}@{3}", level, domain),
            "remote": [
                *({"type": f"{prefix}{name}"} for name in _SAML),
                {"type": f"{prefix}openstack_roles", "any_one_of": [level]},
                *(
                    [{"type": f"{prefix}openstack_roles", "not_any_of": list(levels[:place])}]
                    if place
                    else []
                ),
            ],
        }
        for place, level in enumerate(levels)
    ]


def of_claims(levels: Sequence[str], domain: str) -> list[dict[str, Any]]:
    """The rules for what we sign ourselves."""
    return [
        {
            "local": _local("{0}", "{1}", level, domain),
            "remote": [
                *({"type": name} for name in _CLAIMS),
                {"type": _LEVEL, "any_one_of": [level]},
            ],
        }
        for level in levels
    ]


def _local(user: str, project: str, level: str, domain: str) -> list[dict[str, Any]]:
    return [
        {
            "domain": {"name": domain},
            "user": {"name": user},
            "projects": [{"name": project, "roles": [{"name": level}]}],
        }
    ]


def domain_of(mapping: Mapping[str, Any]) -> str:
    """The domain that a mapping makes users in, by name; "" where it says none."""
    try:
        return str(mapping["rules"][0]["local"][0]["domain"]["name"])
    except (LookupError, TypeError):
        return ""


def is_one_of(mapping: Mapping[str, Any], wanted: Sequence[list[dict[str, Any]]]) -> bool:
    """Whether a mapping, as Keystone shows it, has the rules of one of those that will do."""
    if mapping.get("schema_version") != SCHEMA or not domain_of(mapping):
        return False
    rules = mapping.get("rules")
    return any(_plain(rules) == _plain(one) for one in wanted)


def _plain(rules: Any) -> str:
    return json.dumps(rules, sort_keys=True)
