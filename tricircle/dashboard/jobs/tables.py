# SPDX-License-Identifier: Apache-2.0
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from horizon import tables

from tricircle.dashboard import api

_STATES = (("pending", None), ("working", None), ("failing", False))


class RetryJob(tables.BatchAction):
    """Lets jobs be tried at once."""

    name = "retry"
    classes = ("btn-retry",)
    policy_rules = api.POLICY_RULES
    help_text = _("The job is tried at once, not only when it is due.")

    @staticmethod
    def action_present(count: int) -> Any:
        return ngettext_lazy("Retry Job", "Retry Jobs", count)

    @staticmethod
    def action_past(count: int) -> Any:
        return ngettext_lazy("Job is tried again", "Jobs are tried again", count)

    def action(self, request: Any, job_id: str) -> None:
        api.act(request, lambda client: client.retry_job(job_id), _("Unable to retry the job."))


class JobFilter(tables.FilterAction):
    name = "job_filter"
    filter_type = "server"
    filter_choices = (
        ("region_name", _("Region ="), True),
        ("state", _("State ="), True),
        ("resource_type", _("Type ="), True),
        ("resource_id", _("Resource ID ="), True),
        ("project_id", _("Project ID ="), True),
    )


class JobsTable(tables.DataTable):
    region = tables.Column("region_name", verbose_name=_("Region"))
    state = tables.Column("state", verbose_name=_("State"), status=True, status_choices=_STATES)
    wanted = tables.Column("action", verbose_name=_("Action"))
    resource_type = tables.Column("resource_type", verbose_name=_("Type"))
    resource_id = tables.Column("resource_id", verbose_name=_("Resource"))
    attempts = tables.Column("attempts", verbose_name=_("Attempts"))
    next_try_at = tables.Column("next_try_at", verbose_name=_("Next Try"))
    last_error = tables.Column("last_error", verbose_name=_("Last Error"))

    class Meta:
        name = "jobs"
        verbose_name = _("Jobs")
        table_actions = (RetryJob,)
        row_actions = (RetryJob,)

    def get_object_display(self, datum: Any) -> str:
        return f"{datum.action} {datum.resource_type} {datum.resource_id} ({datum.region_name})"


class AllJobsTable(JobsTable):
    class Meta:
        name = "jobs"
        verbose_name = _("Jobs")
        table_actions = (JobFilter, RetryJob)
        row_actions = (RetryJob,)
        pagination_param = "job_marker"
