# SPDX-License-Identifier: Apache-2.0
"""``openstack multiregion rule …``: which pods projects may use."""

import argparse
from typing import Any

from osc_lib.cli.parseractions import KeyValueAction

from tricircle.client.osc.common import (
    Command,
    Details,
    Lister,
    Rows,
    ShowOne,
    details,
    project_id,
    rows,
)


class ListRules(Lister):
    """List the rules that say which pods projects may use."""

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        columns = {"Name": "name", "Effect": "effect", "Project": "project_id",
                   "Domain": "domain_id", "Property": "property", "Pods": "pods"}  # fmt: skip
        return rows(columns, sorted(self.api.rules(), key=lambda rule: str(rule.name)))


class ShowRule(ShowOne):
    """Show a rule."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("rule", metavar="<rule>", help="Rule (name or ID)")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        return details(self.api.find_rule(parsed.rule))


class CreateRule(ShowOne):
    """Say which pods a project, all of a domain, or everybody may use."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="<name>", help="What refusals call it")
        effect = parser.add_mutually_exclusive_group(required=True)
        effect.add_argument(
            "--allow", dest="effect", action="store_const", const="allow",
            help="Only these pods (and those of other rules for the same)",
        )  # fmt: skip
        effect.add_argument(
            "--forbid", dest="effect", action="store_const", const="forbid", help="Not these pods"
        )
        effect.add_argument(
            "--default", dest="effect", action="store_const", const="default",
            help="What names no zone goes to this --zone",
        )  # fmt: skip
        whom = parser.add_mutually_exclusive_group()
        whom.add_argument("--project", metavar="<project>", help="For a project (name or ID)")
        whom.add_argument("--domain", metavar="<domain>", help="For a domain (name or ID)")
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--image-property", metavar="<name=value>", action=KeyValueAction,
            help="For what is made of images with this property",
        )  # fmt: skip
        what.add_argument(
            "--flavor-property", metavar="<name=value>", action=KeyValueAction,
            help="For servers of flavors with this property",
        )  # fmt: skip
        parser.add_argument("--pod", dest="regions", metavar="<region>", action="append",
                            help="Pods by region (may be repeated)")  # fmt: skip
        parser.add_argument("--zone", dest="zones", metavar="<zone>", action="append",
                            help="Pods of this zone (may be repeated)")  # fmt: skip
        parser.add_argument(
            "--label", dest="labels", metavar="<name=value>", action=KeyValueAction,
            help="Pods with this label (may be repeated)",
        )  # fmt: skip
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        values: dict[str, Any] = {"name": parsed.name, "effect": parsed.effect}
        if parsed.project:
            values["project_id"] = project_id(self, parsed.project)
        if parsed.domain:
            identity = self.app.client_manager.sdk_connection.identity
            values["domain_id"] = identity.find_domain(parsed.domain, ignore_missing=False).id
        for of, given in (("image", parsed.image_property), ("flavor", parsed.flavor_property)):
            for name, value in (given or {}).items():
                values["property"] = {"of": of, "name": name, "value": value}
        named = {"region_name": parsed.regions, "availability_zone": parsed.zones,
                 "labels": parsed.labels}  # fmt: skip
        values["pods"] = {name: value for name, value in named.items() if value}
        return details(self.api.create_rule(**values))


class DeleteRule(Command):
    """Take rules away. What is in pods stays there."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("rules", metavar="<rule>", nargs="+", help="Rules (name or ID)")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> None:
        for rule in [self.api.find_rule(name) for name in parsed.rules]:
            self.api.delete_rule(rule.id)
