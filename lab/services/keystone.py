# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import os
from pathlib import Path

from lab import ini, packages, process
from lab.process import Daemon
from lab.services import program, wsgi
from lab.settings import CURRENT, PASSWORD, REGION, Lab


def _config(lab: Lab) -> Path:
    return lab.etc / lab.named("keystone") / "keystone.conf"


def configure(lab: Lab) -> None:
    keys = lab.var / lab.named("keystone")
    ini.write(
        _config(lab),
        {
            "DEFAULT": ini.common(),
            "database": ini.database(
                lab, lab.realm_database("keystone"), packages.mysql_driver(CURRENT)
            ),
            "oslo_policy": ini.policies(lab),
            "cache": _cache(lab),
            "fernet_tokens": {"key_repository": keys / "fernet"},
            "fernet_receipts": {"key_repository": keys / "fernet"},
            "credential": {"key_repository": keys / "credential"},
            # A proper hash takes a quarter of a second for each token.
            "identity": {"password_hash_rounds": 4},
            "token": {"provider": "fernet", "expiration": 86400},
            **(_vouching(lab) if lab.vouches else {}),
            **(_believing() if lab.is_behind_apache else {}),
        },
    )
    for name in ("fernet", "credential"):
        _make_keys(keys / name)


def _believing() -> dict[str, dict[str, object]]:
    """Of a Keystone that is told by a web server's module who comes from elsewhere."""
    methods = "password,token,application_credential,mapped,saml2,openid"
    return {
        "auth": {"methods": methods},
        "saml2": {"remote_id_attribute": "Shib-Identity-Provider"},
        "openid": {"remote_id_attribute": "HTTP_OIDC_ISS"},
    }


def entity_id(lab: Lab) -> str:
    """What a Keystone that vouches for its users calls itself."""
    return f"{lab.identity_url}/OS-FEDERATION/saml2/idp"


def _vouching(lab: Lab) -> dict[str, dict[str, object]]:
    folder = lab.var / lab.named("keystone")
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "saml.crt", folder / "saml.key"
    if not certificate.exists():
        process.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=keystone",
             "-days", "30", "-keyout", key, "-out", certificate]
        )  # fmt: skip
    saml = {
        "certfile": certificate,
        "keyfile": key,
        "idp_entity_id": entity_id(lab),
        "idp_sso_endpoint": f"{lab.identity_url}/OS-FEDERATION/saml2/sso",
        "idp_metadata_path": folder / "metadata.xml",
    }
    return {"saml": saml}


def metadata(lab: Lab) -> Path:
    """The file that tells others how to believe it."""
    path = lab.var / lab.named("keystone") / "metadata.xml"
    if not path.exists():
        told = _manage(lab, "saml_idp_metadata")
        path.write_text(told)
    return path


def _cache(lab: Lab) -> dict[str, object]:
    if lab.realm:
        # Two Keystones must not share one: their keys are the same.
        return {"enabled": True, "backend": "oslo_cache.dict", "expiration_time": 60}
    servers = {"memcache_servers": lab.memcached}
    return {"enabled": True, "backend": "dogpile.cache.pymemcache", **servers}


def _make_keys(folder: Path) -> None:
    """A repository of two Fernet keys, as `keystone-manage fernet_setup` makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for number in "01":
        if not (folder / number).exists():
            (folder / number).write_bytes(base64.urlsafe_b64encode(os.urandom(32)))


def manage_command(lab: Lab) -> tuple[list[str], dict[str, str]]:
    """`keystone-manage` of a Keystone, and the environment it needs."""
    command = [str(program(CURRENT, "keystone-manage")), "--config-file", str(_config(lab))]
    return command, process.environment(lab, packages.environment(CURRENT))


def _manage(lab: Lab, *arguments: object) -> str:
    command, environment = manage_command(lab)
    return process.run([*command, *map(str, arguments)], env=environment)


def migrate(lab: Lab) -> None:
    _manage(lab, "db_sync")


def bootstrap(lab: Lab) -> None:
    """The administrator and identity's own endpoint."""
    url = lab.identity_url
    urls = [f"--bootstrap-{kind}-url={url}" for kind in ("public", "internal", "admin")]
    _manage(
        lab,
        "bootstrap",
        *("--bootstrap-password", PASSWORD, "--bootstrap-region-id", REGION),
        *urls,
    )


def daemon(lab: Lab) -> Daemon:
    env = {"OS_KEYSTONE_CONFIG_DIR": str(_config(lab).parent)}
    name, module = lab.named("keystone"), "keystone.wsgi.api"
    if lab.is_behind_apache:
        return wsgi(name, module, lab.port("identity-behind"), env, server="scgi_api.py")
    return wsgi(name, module, lab.port("identity"), env)
