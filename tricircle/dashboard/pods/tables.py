# SPDX-License-Identifier: Apache-2.0
from django.utils.translation import gettext_lazy as _
from horizon import tables
from horizon.utils import filters

_STATES = (("up", True), ("unknown", None), ("down", False))


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
