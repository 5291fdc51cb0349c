# SPDX-License-Identifier: Apache-2.0
"""The Admin API, asked with the token of who looks at a page."""

import importlib.metadata
from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.utils.translation import gettext as _
from horizon import exceptions, messages
from keystoneauth1 import session, token_endpoint
from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import HttpException, SDKException
from openstack_dashboard.api import base

from tricircle import client
from tricircle.client.proxy import Proxy

#: Who may see the panels, by Horizon's own policy files; the Admin API has its own.
PERMISSIONS = (f"openstack.services.{client.SERVICE_TYPE}",)
POLICY_RULES = (("identity", "admin_required"),)
#: Seconds for an answer to begin: longer than the pods are waited for.
_PATIENCE = 30.0
_Told = TypeVar("_Told")


def admin_api(request: Any) -> Proxy:
    """Raises ServiceCatalogException where the user's region has no Admin API."""
    settings_of = (settings.OPENSTACK_SSL_CACERT, settings.OPENSTACK_SSL_NO_VERIFY)
    certificates, unverified = settings_of
    connection = Connection(
        session=session.Session(
            auth=token_endpoint.Token(
                base.url_for(request, client.SERVICE_TYPE), request.user.token.id
            ),
            verify=False if unverified else certificates or True,
            timeout=_PATIENCE,
        ),
        region_name=request.user.services_region,
        app_name="horizon",
        app_version=importlib.metadata.version("horizon"),
    )
    client.extend(connection)
    proxy: Proxy = connection.tricircle  # type: ignore[attr-defined]
    return proxy


def ask(request: Any, question: Callable[[Proxy], _Told], otherwise: _Told, failed: str) -> _Told:
    """What the Admin API answers, or ``otherwise`` and a message on the page that says why not.

    Horizon's own handler of errors takes all that the SDK raises for a session at its end.
    Raises NotAuthenticated when it is: Horizon has the user log in anew.
    """
    try:
        return question(admin_api(request))
    except (SDKException, ClientException, exceptions.ServiceCatalogException) as error:
        if getattr(error, "status_code", None) == 401:
            raise exceptions.NotAuthenticated from error
        messages.error(request, f"{failed} {_words(error)}")
        return otherwise


def act(request: Any, action: Callable[[Proxy], Any], failed: Any) -> None:
    """What a row's button does. When it fails, the page says why, and Horizon counts it as such."""

    def done(client: Proxy) -> bool:
        action(client)
        return True

    if not ask(request, done, False, failed):
        told = exceptions.RecoverableError(str(failed))
        raise exceptions.HandledException((type(told), told, None))


def _words(error: Exception) -> str:
    """What a person can act on; where the API is, is not for every page."""
    if isinstance(error, HttpException) and error.status_code:
        said = error.details if isinstance(error.details, str) else ""
        return said or _("The Admin API answered %d.") % error.status_code
    if isinstance(error, exceptions.ServiceCatalogException):
        return _("This region has no Admin API in its catalogue.")
    return _("The Admin API does not answer.")
