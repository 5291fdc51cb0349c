# SPDX-License-Identifier: Apache-2.0
"""What a way into a pod is: whose token is shown there, and which ids stand for ours.

One module for each kind, an entry point of ``tricircle.pod_access``. All here blocks.
"""

import abc
import dataclasses
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar

from keystoneauth1.session import Session

from tricircle.db.pod_accounts import LEVELS as LEVELS
from tricircle.pods.pod import Pod

SHARED = "shared"
ADMIN, READER = "admin", "reader"
#: The level of the account that owns what is a user's.
OWNER = "member"
#: What the configuration of an access calls what nobody may read again.
SECRET = ("password", "secret", "master")


@dataclasses.dataclass(frozen=True, slots=True)
class Proof:
    """A token of our own Keystone, and what that will tell of its owner to whom it vouches for
    them. ``restricted`` tokens are good for some calls only.
    """

    token: str = dataclasses.field(repr=False)
    user_name: str
    user_domain: str
    project_domain: str
    roles: tuple[str, ...] = ()
    restricted: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Who:
    """Who is to be let in: a user of ours in a project, with the rights of a level.

    ``proof`` is there where they themselves are asking.
    """

    user_id: str
    project_id: str
    project_name: str
    level: str
    proof: Proof | None = dataclasses.field(default=None, compare=False, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Ourselves:
    """What Tricircle itself is at our own Keystone. All block, and raise KeystoneFailed.

    ``ids`` gives its project and its user, ``keystone`` that Keystone's URL (ending in /v3),
    ``token`` a token to see with whether that Keystone vouches for anybody to a pod.
    """

    ids: Callable[[], tuple[str, str]]
    keystone: Callable[[], str]
    token: Callable[[], str]


@dataclasses.dataclass(frozen=True, slots=True)
class PodToken:
    """A token of a pod's own Keystone, the ids it is for there, and until when it is used
    (``time.time()``).
    """

    token: str = dataclasses.field(repr=False)
    project_id: str
    user_id: str
    until: float

    @property
    def is_good(self) -> bool:
        return time.time() < self.until


class Access(abc.ABC):
    """The way into one pod. Thread-safe; made once a process, and anew when it is changed.

    Methods raise NoAccess where the pod's Keystone refuses, PodUnreachable where it does not answer
    or says what nobody can read.
    """

    #: JSON schema of the properties that the Admin API takes, and which of them must be given.
    PROPERTIES: ClassVar[Mapping[str, Any]] = {}
    REQUIRED: ClassVar[Sequence[str]] = ()
    #: Whether somebody has an account for each level; else we hold them to theirs.
    by_level: ClassVar[bool] = True
    #: Whether what is a user's in any project, keypairs say, is one account's there that is
    #: theirs alone, so that we may ask for that of whichever level.
    by_user: ClassVar[bool] = True
    #: Whether a user can have an account there before they first ask for anything.
    makes_users: ClassVar[bool] = False

    def __init__(self, pod: Pod, config: Mapping[str, Any], own: Ourselves) -> None:
        """``config`` has the secrets in it, too."""
        self.pod, self.config, self.own = pod, config, own

    @classmethod
    def completed(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """``config`` with what is chosen when a pod is registered. Raises ValueError."""
        return dict(config)

    @property
    def levels(self) -> list[str]:
        """The levels that accounts may have there, the best first."""
        wanted = self.config.get("levels") or ("member", "reader")
        return [level for level in LEVELS if level in wanted]

    def admit(self, who: Who) -> None:  # noqa: B027  (most kinds look at nothing else)
        """Look at somebody before a token that is at hand is used for them. Asks nobody.

        Raises NoAccess.
        """

    def key_suffix(self, user_id: str) -> str:
        """What the name of a user's keypair ends with there, where others have keypairs beside."""
        return ""

    @abc.abstractmethod
    def exchange(self, who: Who) -> PodToken:
        """A new token for somebody. No token and no id of ours is sent to the pod."""

    def within(self, project_id: str) -> PodToken:
        """A token of a member of a project, for what only members do and no user asks for."""
        return self.exchange(Who(self.own.ids()[1], project_id, "", OWNER))

    @abc.abstractmethod
    def service(self) -> Session:
        """Calls as Tricircle's own account in the pod."""

    @abc.abstractmethod
    def service_project(self) -> str:
        """The id of that account's project."""

    @abc.abstractmethod
    def project(self, project_id: str, name: str = "") -> str:
        """The project that stands for one of ours there; made where this kind makes them."""

    @abc.abstractmethod
    def user(self, user_id: str) -> str:
        """The account that owns there what is a user's of ours; made where this kind makes them."""

    @abc.abstractmethod
    def catalogue(self, fresh: bool = False) -> list[dict[str, Any]]:
        """The catalogue of the pod's Keystone."""

    @abc.abstractmethod
    def try_out(self) -> list[dict[str, Any]]:
        """Find out whether this will work, before anything is stored; gives the catalogue."""


def level_of(roles: Collection[str], levels: Sequence[str]) -> str | None:
    """The best of a pod's levels that somebody's roles are worth; None for none.

    An administrator here is what a pod lets anybody be at the most.
    """
    if ADMIN in roles and levels:
        return levels[0]
    return next((level for level in levels if level in roles), None)


def split(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What may be read of a configuration, and its secrets in the same places."""
    open_part: dict[str, Any] = {}
    secret: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            open_part[key], inside = split(value)
            if inside:
                secret[key] = inside
        elif key in SECRET:
            secret[key] = value
        else:
            open_part[key] = value
    return open_part, secret


def joined(config: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, Any]:
    """The two together again."""
    whole = dict(config)
    for key, value in secrets.items():
        if isinstance(value, Mapping) and isinstance(known := whole.get(key), Mapping):
            value = joined(known, value)
        whole[key] = value
    return whole
