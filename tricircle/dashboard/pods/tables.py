# SPDX-License-Identifier: Apache-2.0
from typing import Any

from django.template import defaultfilters
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from horizon import tables
from horizon.utils import filters

from tricircle.dashboard import api

#: Until then nothing is lost when a move is called off.
_REVOCABLE = ("preparing", "uploading", "copying", "verifying")
_STATES = (("up", True), ("unknown", None), ("down", False))


class ChangeState(tables.LinkAction):
    name = "state"
    verbose_name = _("Change State")
    url = "horizon:admin:pods:state"
    classes = ("ajax-modal",)
    icon = "pencil"
    policy_rules = api.POLICY_RULES


class PodFilter(tables.FilterAction):
    def filter(self, table, pods, text):  # type: ignore[no-untyped-def]
        """Those of which a word of theirs begins so or has it in it."""
        text = text.lower()
        return [
            one
            for one in pods
            if any(
                text in (word or "").lower()
                for word in (
                    one.pod.region_name,
                    one.pod.availability_zone,
                    one.pod.dc_name,
                    one.pod.state,
                    one.health,
                )
            )
        ]


class PodsTable(tables.DataTable):
    region = tables.Column(
        lambda one: one.pod.region_name, verbose_name=_("Region"), link="horizon:admin:pods:detail"
    )
    zone = tables.Column(lambda one: one.pod.availability_zone, verbose_name=_("Zone"))
    place = tables.Column(lambda one: one.pod.dc_name, verbose_name=_("Place"))
    state = tables.Column(lambda one: one.pod.state, verbose_name=_("State"))
    health = tables.Column("health", verbose_name=_("Health"), status=True, status_choices=_STATES)
    seen_at = tables.Column(
        "seen_at",
        verbose_name=_("Last Seen"),
        filters=(filters.parse_isotime, filters.timesince_or_never),
    )
    servers = tables.Column("servers", verbose_name=_("Servers"))
    volumes = tables.Column("volumes", verbose_name=_("Volumes"))
    vcpus = tables.Column("vcpus", verbose_name=_("vCPUs Used"))
    ram = tables.Column("ram", verbose_name=_("RAM Used (GB)"))
    jobs = tables.Column("jobs", verbose_name=_("Jobs"))
    failing = tables.Column("failing", verbose_name=_("Jobs Failing"))

    class Meta:
        name = "pods"
        verbose_name = _("Pods")
        status_columns = ("health",)
        table_actions = (PodFilter,)
        row_actions = (ChangeState,)

    def get_object_display(self, datum):  # type: ignore[no-untyped-def]
        return datum.pod.region_name


class RepairsTable(tables.DataTable):
    created_at = tables.Column("created_at", verbose_name=_("When"))
    resource_type = tables.Column("resource_type", verbose_name=_("Type"))
    resource_id = tables.Column("resource_id", verbose_name=_("Resource"))
    done = tables.Column("done", verbose_name=_("Done"))

    class Meta:
        name = "repairs"
        verbose_name = _("Repairs")


class ChangesTable(tables.DataTable):
    created_at = tables.Column("created_at", verbose_name=_("When"))
    what = tables.Column("what", verbose_name=_("What"))
    before = tables.Column("before", verbose_name=_("Before"))
    after = tables.Column("after", verbose_name=_("After"))
    changed_by = tables.Column("changed_by", verbose_name=_("By"))
    reason = tables.Column("reason", verbose_name=_("Why"))

    class Meta:
        name = "changes"
        verbose_name = _("Changes")


class ImagesTable(tables.DataTable):
    image = tables.Column("image_id", verbose_name=_("Image"))
    name = tables.Column("name", verbose_name=_("Name"))
    state = tables.Column("state", verbose_name=_("State"))
    percent = tables.Column("percent", verbose_name=_("Percent"))
    size = tables.Column("size", verbose_name=_("Size"), filters=(defaultfilters.filesizeformat,))
    used_at = tables.Column("used_at", verbose_name=_("Last Used"))
    last_error = tables.Column("last_error", verbose_name=_("Last Error"))

    class Meta:
        name = "images"
        verbose_name = _("Images")


class CancelMove(tables.BatchAction):
    """Has volumes stay where they are."""

    name = "cancel"
    action_type = "danger"
    policy_rules = api.POLICY_RULES
    help_text = _("The volume stays in its pod; what was copied is removed.")

    @staticmethod
    def action_present(count: int) -> Any:
        return ngettext_lazy("Call Off Move", "Call Off Moves", count)

    @staticmethod
    def action_past(count: int) -> Any:
        return ngettext_lazy("Move is called off", "Moves are called off", count)

    def allowed(self, request: Any, move: Any | None = None) -> bool:
        return move is None or move.state in _REVOCABLE

    def action(self, request: Any, volume_id: str) -> None:
        api.act(
            request,
            lambda client: client.call_off_volume_move(volume_id),
            _("Unable to call the move off."),
        )


class MovesTable(tables.DataTable):
    volume = tables.Column(
        "volume_id", verbose_name=_("Volume"), link="horizon:admin:volumes:detail"
    )
    source = tables.Column("source", verbose_name=_("From"))
    target = tables.Column("target", verbose_name=_("To"))
    state = tables.Column("state", verbose_name=_("State"))
    progress = tables.Column("progress", verbose_name=_("Percent"))
    reason = tables.Column("reason", verbose_name=_("Why"))
    updated_at = tables.Column("updated_at", verbose_name=_("Since"))

    class Meta:
        name = "moves"
        verbose_name = _("Moves of Volumes")
        row_actions = (CancelMove,)

    def get_object_id(self, datum: Any) -> str:
        return str(datum.volume_id)

    def get_object_display(self, datum: Any) -> str:
        return str(datum.volume_id)
