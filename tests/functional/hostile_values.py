# SPDX-License-Identifier: Apache-2.0
"""What hostile requests are made of, and the bodies they are made from."""

from typing import Any

UUID = "7b2c1d3e-0000-4000-8000-00000000beef"
DEEP = "@deep@"

#: As they stand in a path or a query, by kind: one kind is as likely as another.
NUMBERS = ("0", "1", "10001", "-1", "1e5", "%d9%a3", "%201", "9" * 18, "9" * 30, "9" * 4400)
ENCODED = (
    "%00", "%0d%0aX-Evil:%20y", "%0a", "..%2f..%2fadmin", "%2e%2e", "%ff%fe", "%f0%9f%98%80",
    "%ed%a0%80", "%25", "%", "%zz", "a%20b", "%20", "%7b%7d", "%3cscript%3e", "a%2fb", "%5c",
    "'%20OR%201=1--", "%c3%a9", "%e2%80%ae",
)  # fmt: skip
WORDS = (
    "x" * 255, "x" * 300, UUID, UUID.upper(), UUID.replace("-", ""), "urn:uuid:" + UUID, "null",
    "true", "detail", ";", "x@pod1", "x@nowhere", "@", "*", "$(id)", "1,2", "a:b:c", "__class__",
    "2026-13-45T99:99:99Z", "2026-01-01T00:00:00Z", "(a+)+$", ".*.*.*.*.*x", "[", "", "a:asc",
)  # fmt: skip
TEXTS = (NUMBERS, ENCODED, WORDS)
#: Of pages, and of all else.
QUERIES = (
    ("limit", "offset", "marker"),
    (
        "sort_key", "sort_dir", "sort", "all_tenants", "availability_zone", "name", "user_id",
        "project_id", "tenant_id", "changes-since", "changes-before", "host", "status", "detailed",
        "start", "end", "reservation_id", "binary", "usage", "cascade", "force", "zone", "state",
        "with_count", "metadata", "resource_type", "region_name", "hypervisor_hostname_pattern",
        "instance_uuid", "deleted", "ip", "tags", "include_disabled", "is_public", "x",
        "all_projects",
    ),
)  # fmt: skip
#: In JSON, likewise.
VALUES: tuple[tuple[Any, ...], ...] = (
    (0, 1, -1, 2**31, 2**63, 2**64, 10**30, -(10**30), 1e308, 0.5, -0.0, "1", "-1", "9" * 10,
     "9" * 19, "9" * 300, "9" * 5000, "1e5", "\u0663", True),
    ("", " ", "x" * 65, "x" * 300, "x" * 20000, "\0", "a\nb", "a\r\nX: y", "\U0001f600", "\u202e",
     "../..", UUID, "urn:uuid:" + UUID, "auto", "none", "az1", "nowhere", "az1:host:node"),
    (None, False, [], {}, [[]], [None], [{}], [[], {}, 1, "a"], {"": {}}, {"a": None},
     {"a" * 300: 1}, {"id": UUID}, ["a"] * 2000, [{"a": 1}] * 500),
    (DEEP,),
)  # fmt: skip
BODIES = (
    b"", b"{", b"null", b"[]", b"1", b'"a"', b"\xff\xfe\x00", b'{"a":NaN}', b'{"a":"\\ud800"}',
    b"\xef\xbb\xbf{}",
    b'{"server":{},"server":[]}', b"{}" * 2, b"[" * 1000 + b"]" * 1000,
    b'{"a":' * 1500 + b"1" + b"}" * 1500,
    b"[" * 50000, b'{"a":"' + b"x" * 150_000 + b'"}', b"a=b&c=d", b"\x1f\x8b\x08\x00\x00",
    b"{'a': 1}", b"-", b"1e999",
)  # fmt: skip
VERSIONS: tuple[bytes, ...] = (
    b"latest", b"2.latest", b"3.latest", b"2.105", b"3.72", b"1.1", b"9" * 4400 + b".1",
    b"2." + b"9" * 5000,
    b"", b" ", b"2", b".", b"2.", b".1", b"2.01", b"-2.1", b"2.1 2.2", b"\xd9\xa2.\xd9\xa1",
    b"\xff", b"2.1, ", b",,,",
    b"2.1,compute 2.5", b"None", b"2.1\x0b", b"x" * 9000,
)  # fmt: skip
HEADERS: tuple[bytes, ...] = (
    b"Content-Type: text/plain", b"Content-Type: application/xml", b"Content-Type: \xff",
    b"Content-Type: a",
    b"Content-Encoding: gzip", b"Content-Encoding: br, gzip", b"Expect: 100-continue",
    b"Expect: 200-ok",
    b"Accept: text/html", b"Accept: \xfe", b"Accept-Encoding: gzip, br, zstd",
    b"X-OpenStack-Request-ID: req-\xff",
    b"X-OpenStack-Request-ID: " + b"r" * 5000, b"X-Forwarded-Host: evil\xff",
    b"X-Forwarded-Prefix: /../..",
    b"X-Forwarded-Proto: javascript", b"Connection: X-Auth-Token, close",
    b"Cookie: a=\xff; tricircle-console=/x/y",
    b"Range: bytes=0-1", b"If-None-Match: *", b"Origin: https://evil.example.org", b"Origin: \xff",
    b"X-Roles: admin", b"X_Project_Id: admin", b"X-Service-Token: x", b"X-User-Id: " + b"u" * 3000,
    b"Upgrade: websocket", b"Forwarded: for=\xff",
    b"User-Agent: caf\xe9", b"Accept-Language: \xe9", b"Accept: \xff",
    b"X-HTTP-Method-Override: DELETE",
    b"Host: second",
    b"Transfer-Encoding: identity", b"User-Agent: \xf0\x9f\x98\x80", b"X-Auth-Token: second",
)  # fmt: skip
METHODS = (
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PATCH",
    "PURGE",
    "MADEUP",
    "get",
    "POST",
    "DELETE",
)
GARBAGE = (
    b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\nHost: h\n\n", b"\x00" * 300 + b"\r\n\r\n",
    b"SSH-2.0-x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: zz\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    b"\xff\xfe / HTTP/1.1\r\n\r\n",
    b"GET " + b"/x" * 20000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nA" + b"b" * 40000 + b"\r\n\r\n",
)  # fmt: skip
HOSTS = (b"Host: \xff", b"Host: ", b"Host: a b", b"Host: h:99999999", b"Host: [::1")
ENDS = ("/", "//", "%00", "%0d%0a", "/..", "?", "#a", ";a", "%2f")
OTHERS = (UUID, "1", "10001", "10002", "pod1", "a", "az1")
KEYS = ("", "a", "x" * 300, "a\nb", "\0", "a.b", "$")

#: What is asked for where it counts, by (method, path): the rest is made up from the path.
SAMPLES: dict[tuple[str, str], Any] = {
    ("POST", "/servers"): {
        "server": {
            "name": "a", "imageRef": "@images@", "flavorRef": "1", "networks": "none",
            "min_count": 1,
            "max_count": 1, "availability_zone": "az1", "metadata": {"a": "b"}, "user_data": "YQ==",
            "security_groups": [{"name": "default"}], "key_name": "k", "tags": ["a"],
            "personality": [{"path": "/a", "contents": "YQ=="}],
            "block_device_mapping_v2": [
                {"uuid": "@volumes@", "source_type": "volume", "destination_type": "volume",
                 "boot_index": 0}
            ],
        },
        "os:scheduler_hints": {"group": UUID, "same_host": UUID},
    },
    ("PUT", "/servers/{id}"): {"server": {"name": "b", "description": "c"}},
    ("POST", "/flavors"): {
        "flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 1, "id": "auto", "swap": 0,
                   "rxtx_factor": 1.0, "OS-FLV-EXT-DATA:ephemeral": 0}
    },
    ("POST", "/os-keypairs"): {
        "keypair": {"name": "k", "type": "ssh", "public_key": "ssh-rsa A", "user_id": "u"}
    },
    ("POST", "/os-aggregates"): {"aggregate": {"name": "a", "availability_zone": "az1"}},
    ("POST", "/os-server-groups"): {
        "server_group": {"name": "g", "policy": "anti-affinity", "policies": ["affinity"],
                         "rules": {"max_server_per_host": 1}}
    },
    ("PUT", "/os-quota-sets/{id}"): {"quota_set": {"cores": 1, "instances": 2, "force": True}},
    ("PUT", "/os-quota-class-sets/{id}"): {"quota_class_set": {"cores": 1, "ram": 2}},
    ("POST", "/servers/{server_id}/os-interface"): {
        "interfaceAttachment": {"net_id": UUID, "port_id": UUID, "tag": "t",
                                "fixed_ips": [{"ip_address": "10.0.0.5"}]}
    },
    ("POST", "/servers/{server_id}/os-volume_attachments"): {
        "volumeAttachment": {"volumeId": "@volumes@", "device": "/dev/vdb", "tag": "t"}
    },
    ("POST", "/servers/{server_id}/metadata"): {"metadata": {"a": "b"}},
    ("PUT", "/servers/{server_id}/metadata/{id}"): {"meta": {"a": "b"}},
    ("PUT", "/servers/{server_id}/tags"): {"tags": ["a", "b"]},
    ("POST", "/servers/{server_id}/remote-consoles"): {
        "remote_console": {"protocol": "vnc", "type": "novnc"}
    },
    ("POST", "/os-server-external-events"): {
        "events": [{"name": "network-changed", "server_uuid": "@servers@", "tag": "t"}]
    },
    ("POST", "/os-security-group-rules"): {
        "security_group_rule": {"parent_group_id": UUID, "ip_protocol": "tcp", "from_port": 1,
                                "to_port": 2, "cidr": "10.0.0.0/8", "group_id": UUID}
    },
    ("POST", "/os-security-groups"): {"security_group": {"name": "a", "description": "b"}},
    ("POST", "/os-floating-ips"): {"pool": "ext"},
    ("POST", "/os-volumes"): {
        "volume": {"size": 1, "display_name": "a", "availability_zone": "az1"}
    },
    ("POST", "/os-snapshots"): {"snapshot": {"volume_id": "@volumes@", "display_name": "a"}},
    ("PUT", "/os-services/{id}"): {"status": "disabled", "disabled_reason": "x"},
    ("POST", "/volumes"): {
        "volume": {"size": 1, "name": "a", "volume_type": "t", "availability_zone": "az1",
                   "metadata": {"a": "b"}, "source_volid": "@volumes@", "snapshot_id": UUID,
                   "imageRef": "@images@", "group_id": UUID},
        "OS-SCH-HNT:scheduler_hints": {"same_host": ["@volumes@"]},
    },
    ("POST", "/volumes/{id}/action"): {"os-extend": {"new_size": 2}},
    ("POST", "/snapshots"): {"snapshot": {"volume_id": "@volumes@", "name": "s", "force": True}},
    ("POST", "/backups"): {"backup": {"volume_id": "@volumes@", "name": "b", "incremental": False}},
    ("POST", "/backups/{id}/restore"): {"restore": {"volume_id": "@volumes@", "name": "n"}},
    ("POST", "/groups"): {
        "group": {"group_type": UUID, "volume_types": ["t"], "name": "g",
        "availability_zone": "az1"}
    },
    ("POST", "/types"): {"volume_type": {"name": "t", "extra_specs": {"a": "b"}}},
    ("POST", "/group_types"): {"group_type": {"name": "t", "group_specs": {"a": "b"}}},
    ("POST", "/qos-specs"): {"qos_specs": {"name": "q", "consumer": "both", "a": "b"}},
    ("POST", "/volume-transfers"): {"transfer": {"volume_id": "@volumes@", "name": "t"}},
    ("POST", "/attachments"): {
        "attachment": {"volume_uuid": "@volumes@", "instance_uuid": UUID,
                       "connector": {"host": "h"}}
    },
    ("POST", "/pods"): {
        "pod": {"region_name": "pod9", "availability_zone": "az1", "dc_name": "d",
                "pod_availability_zone": "nova", "state": "enabled"}
    },
    ("PATCH", "/pods/{id}"): {"pod": {"availability_zone": "az1", "state": "enabled"}},
    ("POST", "/bindings"): {"binding": {"project_id": "p", "pod_id": "@pods@"}},
}  # fmt: skip
#: What is there to begin with, beside servers and volumes: (API, collection, body, key of its id).
FOUND: tuple[tuple[str, str, Any, str], ...] = (
    ("compute", "os-aggregates", {"aggregate": {"name": "@name@"}}, "id"),
    ("compute", "os-keypairs", {"keypair": {"name": "@name@", "type": "ssh"}}, "name"),
    ("compute", "os-server-groups", {"server_group": {"name": "g", "policy": "affinity"}}, "id"),
    ("compute", "flavors", {"flavor": {"name": "@name@", "ram": 1, "vcpus": 1, "disk": 1}}, "id"),
    ("volume", "types", {"volume_type": {"name": "@name@"}}, "id"),
    ("volume", "group_types", {"group_type": {"name": "@name@"}}, "id"),
    ("volume", "qos-specs", {"qos_specs": {"name": "@name@"}}, "id"),
    ("volume", "snapshots", {"snapshot": {"volume_id": "@volumes@", "force": True}}, "id"),
    ("volume", "backups", {"backup": {"volume_id": "@volumes@", "force": True}}, "id"),
)
#: The same with no more than is needed, so that it is done.
PLAIN: dict[tuple[str, str], Any] = {
    ("POST", "/servers"): {
        "server": {"name": "a", "imageRef": "@images@", "flavorRef": "1", "networks": "none"}
    },
    ("POST", "/volumes"): {"volume": {"size": 1, "name": "a"}},
    ("POST", "/os-keypairs"): {"keypair": {"name": "k", "type": "ssh", "public_key": "ssh-rsa A"}},
    ("POST", "/os-server-groups"): {
        "server_group": {
            "name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 1}
        }
    },
    ("POST", "/groups"): {"group": {"group_type": UUID, "volume_types": ["t"], "name": "g"}},
    ("PUT", "/os-quota-sets/{id}"): {"quota_set": {"volumes": 5, "gigabytes": 7}},
    ("PUT", "/os-quota-class-sets/{id}"): {"quota_class_set": {"volumes": 1, "gigabytes": 2}},
}  # fmt: skip
ACTIONS: tuple[Any, ...] = (
    {"os-start": None}, {"reboot": {"type": "SOFT"}}, {"resize": {"flavorRef": "1"}},
    {"rebuild": {"imageRef": "@images@", "metadata": {"a": "b"}}}, {"createImage": {"name": "i"}},
    {"addSecurityGroup": {"name": "default"}}, {"removeSecurityGroup": {"name": "x"}},
    {"addFloatingIp": {"address": "10.0.0.9", "fixed_address": "10.0.0.8"}},
    {"removeFloatingIp": {"address": "10.0.0.9"}}, {"addFixedIp": {"networkId": UUID}},
    {"removeFixedIp": {"address": "10.0.0.9"}}, {"os-migrateLive": {"host": "h",
    "block_migration": "auto"}},
    {"os-resetState": {"state": "active"}}, {"unshelve": {"availability_zone": "az1", "host": "h"}},
    {"createBackup": {"name": "b", "backup_type": "daily", "rotation": 1}},
    {"changePassword": {"adminPass": "x"}},
    {"forceDelete": None}, {"restore": None}, {"add_host": {"host": "h"}},
    {"remove_host": {"host": "h"}},
    {"set_metadata": {"metadata": {"availability_zone": "az2"}}},
    {"addTenantAccess": {"tenant": "t"}},
    {"os-extend": {"new_size": 2}}, {"os-retype": {"new_type": "t", "migration_policy": "never"}},
    {"os-reset_status": {"status": "error"}}, {"os-set_image_metadata": {"metadata": {"a": "b"}}},
    {"os-migrate_volume": {"host": "h@b#p", "force_host_copy": True}},
    {"delete": {"delete-volumes": True}},
    {"os-volume_upload_image": {"image_name": "i", "force": True}}, {"os-unmanage": {}},
    {"addProjectAccess": {"project": "p"}}, {"os-update_readonly_flag": {"readonly": True}},
)  # fmt: skip
