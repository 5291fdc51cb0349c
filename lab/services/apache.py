# SPDX-License-Identifier: Apache-2.0
"""Apache before a pod's own Keystone, with the module that says who comes from elsewhere:
mod_shib (``k2k``) or mod_auth_openidc (``jwt``).
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from lab import process
from lab.process import Daemon
from lab.services import keystone
from lab.settings import ADDRESS, Lab

MODULES = Path("/usr/lib/apache2/modules")
_LOADED = (
    "mpm_event",
    "authz_core",
    "authn_core",
    "authz_user",
    "authz_host",
    "env",
    "headers",
    "proxy",
    "proxy_scgi",
)
PROVIDER = "tricircle"
PROTOCOLS = {"k2k": "saml2", "jwt": "openid"}
_ATTRIBUTES = (
    "openstack_user",
    "openstack_user_domain",
    "openstack_roles",
    "openstack_project",
    "openstack_project_domain",
)
_UNSPECIFIED = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"


def _kind(lab: Lab) -> str:
    return lab.pods[0].keystone


def _folder(lab: Lab) -> Path:
    """What Apache's own user may read."""
    return lab.sockets / lab.named("apache")


def root(lab: Lab) -> str:
    return lab.url("identity")


def auth_url(lab: Lab) -> str:
    """Where whoever the module knows gets a token."""
    below = f"{PROVIDER}/protocols/{PROTOCOLS[_kind(lab)]}/auth"
    return f"{lab.identity_url}/OS-FEDERATION/identity_providers/{below}"


def sp_url(lab: Lab) -> str:
    """Where mod_shib takes what another Keystone says."""
    return f"{root(lab)}/Shibboleth.sso/SAML2/ECP"


def signing_key(lab: Lab) -> Path:
    """With which Tricircle signs; one for the whole lab."""
    return lab.var / "tricircle-signing.pem"


def make_signing_key(lab: Lab) -> Path:
    path = signing_key(lab)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        process.run(["openssl", "genrsa", "-out", path, "2048"])
    return path


def _kid(lab: Lab) -> str:
    """What Tricircle calls that key."""
    config = lab.var / "signing.conf"
    config.write_text(f"[federation]\nsigning_keys = {signing_key(lab)}\n")
    manage = Path(sys.executable).parent / "tricircle-manage"
    told = process.run([manage, "--config-file", config, "access", "jwks"])
    kid: str = json.loads(told)["keys"][0]["kid"]
    return kid


def config_file(lab: Lab) -> Path:
    return _folder(lab) / "apache.conf"


def configure(lab: Lab) -> None:
    folder = _folder(lab)
    folder.mkdir(parents=True, exist_ok=True)
    for parent in (lab.sockets, folder):
        parent.chmod(0o755)
    module = _shib(lab) if _kind(lab) == "k2k" else _openidc(lab)
    loaded = "\n".join(f"LoadModule {one}_module {MODULES}/mod_{one}.so" for one in _LOADED)
    text = f"""
ServerRoot {folder}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ServerName {root(lab)}
Listen {ADDRESS}:{lab.port("identity")}
User www-data
Group www-data
ErrorLog /dev/stderr
LogLevel warn
{loaded}
StartServers 1
ServerLimit 2
ThreadsPerChild 16
MaxRequestWorkers 32
UseCanonicalName On
KeepAlive On
{module}
"""
    config_file(lab).write_text(text)


def _behind(lab: Lab) -> str:
    """Keystone itself. A server's is looked at before those of its virtual hosts."""
    return f"ProxyPass / scgi://{ADDRESS}:{lab.port('identity-behind')}/"


def daemons(lab: Lab) -> list[Daemon]:
    folder = _folder(lab)
    apache = ["/usr/sbin/apache2", "-f", config_file(lab), "-D", "FOREGROUND"]
    made = [Daemon(lab.named("apache"), apache)]
    if _kind(lab) == "k2k":
        shibd = ["/usr/sbin/shibd", "-f", "-F", "-c", folder / "shibboleth2.xml", "-u", "_shibd",
                 "-p", folder / "run" / "shibd.pid"]  # fmt: skip
        made.insert(0, Daemon(lab.named("shibd"), shibd))
    return made


# -- mod_auth_openidc ----------------------------------------------------------------------------


def _openidc(lab: Lab) -> str:
    certificate = _folder(lab) / "issuer.pem"
    if not certificate.exists():
        process.run(
            ["openssl", "req", "-x509", "-new", "-key", make_signing_key(lab), "-subj",
             "/CN=tricircle", "-days", "30", "-out", certificate]
        )  # fmt: skip
    return f"""
LoadModule auth_openidc_module {MODULES}/mod_auth_openidc.so
OIDCOAuthVerifyCertFiles {_kid(lab)}#{certificate}
OIDCOAuthAcceptTokenAs header
OIDCOAuthRemoteUserClaim sub
OIDCOAuthTokenExpiryClaim exp absolute mandatory
OIDCClaimDelimiter ";"
OIDCClaimPrefix "OIDC-"
OIDCCryptoPassphrase not-used-for-tokens-of-bearers
OIDCRedirectURI {lab.identity_url}/redirect_uri
<Location {_path(auth_url(lab))}>
  AuthType oauth20
  <RequireAll>
    Require claim iss:urn:tricircle
    Require claim aud:{lab.pods[0].region}
  </RequireAll>
</Location>
{_behind(lab)}
"""


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]


# -- mod_shib ------------------------------------------------------------------------------------


def _shib(lab: Lab) -> str:
    folder, host = _folder(lab), root(lab)
    if not (folder / "sp-key.pem").exists():
        process.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=pod",
             "-days", "30", "-keyout", folder / "sp-key.pem", "-out", folder / "sp-cert.pem"]
        )  # fmt: skip
    shutil.copy(keystone.metadata(lab.whole), folder / "idp.xml")
    (folder / "attribute-map.xml").write_text(_attribute_map())
    (folder / "attribute-policy.xml").write_text(_POLICY)
    (folder / "logger").write_text(_LOGGER)
    (folder / "shibboleth2.xml").write_text(_shibboleth(lab))
    (folder / "run").mkdir(exist_ok=True)
    for path in (folder / "sp-key.pem", folder / "run"):
        shutil.chown(path, "_shibd")
    return f"""
LoadModule mod_shib {MODULES}/mod_shib.so
ShibConfig {folder}/shibboleth2.xml
<VirtualHost {ADDRESS}:{lab.port("identity")}>
  ServerName {host}
  UseCanonicalName On
  ProxyPass /Shibboleth.sso !
  {_behind(lab)}
  <Location /Shibboleth.sso>
    SetHandler shib
    Require all granted
  </Location>
  <Location {_path(auth_url(lab))}>
    AuthType shibboleth
    ShibRequestSetting requireSession 1
    ShibRequestSetting exportAssertion false
    Require valid-user
  </Location>
</VirtualHost>
"""


def _attribute_map() -> str:
    lines = "".join(
        f'  <Attribute name="{name}" id="{name}"/>\n'
        f'  <Attribute name="{name}" nameFormat="{_UNSPECIFIED}" id="{name}"/>\n'
        for name in _ATTRIBUTES
    )
    return f'<Attributes xmlns="urn:mace:shibboleth:2.0:attribute-map">\n{lines}</Attributes>\n'


_POLICY = """<AttributeFilterPolicyGroup xmlns="urn:mace:shibboleth:2.0:afp"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <AttributeFilterPolicy><PolicyRequirementRule xsi:type="ANY"/>
    <AttributeRule attributeID="*" permitAny="true"/>
  </AttributeFilterPolicy>
</AttributeFilterPolicyGroup>
"""
_LOGGER = """log4j.rootCategory=WARN, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d %p %c: %m%n
"""


def _shibboleth(lab: Lab) -> str:
    folder, stock = _folder(lab), Path("/etc/shibboleth")
    return f"""<SPConfig xmlns="urn:mace:shibboleth:3.0:native:sp:config" clockSkew="180">
  <OutOfProcess logger="{folder}/logger" tranLogFormat="%u|%IDP|%E"/>
  <InProcess logger="{folder}/logger"/>
  <UnixListener address="{folder}/run/shibd.sock"/>
  <StorageService type="Memory" id="mem" cleanupInterval="900"/>
  <SessionCache type="StorageService" StorageService="mem" cacheTimeout="3600"
    inprocTimeout="900" cleanupInterval="900"/>
  <ReplayCache StorageService="mem"/>
  <ArtifactMap artifactTTL="180"/>
  <ApplicationDefaults entityID="urn:{lab.pods[0].key}:keystone" REMOTE_USER="openstack_user"
    metadataAttributePrefix="Meta-">
    <Sessions lifetime="60" timeout="60" relayState="ss:mem" checkAddress="false"
      handlerSSL="false" cookieProps="http" redirectLimit="exact">
      <SSO entityID="{keystone.entity_id(lab.whole)}" ECP="true">SAML2</SSO>
      <Handler type="MetadataGenerator" Location="/Metadata" signing="false"/>
    </Sessions>
    <Errors supportContact="root@localhost"/>
    <MetadataProvider type="XML" validate="false" path="{folder}/idp.xml"/>
    <AttributeExtractor type="XML" validate="true" reloadChanges="false"
      path="{folder}/attribute-map.xml"/>
    <AttributeFilter type="XML" validate="true" path="{folder}/attribute-policy.xml"/>
    <CredentialResolver type="File" key="{folder}/sp-key.pem"
      certificate="{folder}/sp-cert.pem"/>
  </ApplicationDefaults>
  <SecurityPolicyProvider type="XML" validate="true" path="{stock}/security-policy.xml"/>
  <ProtocolProvider type="XML" validate="true" reloadChanges="false"
    path="{stock}/protocols.xml"/>
</SPConfig>
"""
