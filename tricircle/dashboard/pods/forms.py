# SPDX-License-Identifier: Apache-2.0
from typing import Any

from django.utils.translation import gettext_lazy as _
from horizon import forms, messages

from tricircle.dashboard import api

_STATES = (
    ("enabled", _("Enabled")),
    ("draining", _("Draining: nothing new, what is there goes on")),
    ("maintenance", _("Maintenance: left alone")),
)


class StateForm(forms.SelfHandlingForm):
    """Changes the state of a pod, and says why."""

    state = forms.ThemableChoiceField(label=_("State"), choices=_STATES)
    reason = forms.CharField(
        label=_("Reason"),
        max_length=255,
        required=False,
        help_text=_("Kept beside who changed it; shown on the pod's page."),
    )

    def handle(self, request: Any, data: dict[str, Any]) -> bool:
        values = {"state": data["state"]}
        if data["reason"]:
            values["state_reason"] = data["reason"]
        changed = api.ask(
            request,
            lambda client: client.update_pod(self.initial["pod_id"], **values),
            None,
            _("Unable to change the state of the pod."),
        )
        if changed is None:
            return False
        said = _("Pod %(region)s is in state %(state)s now.")
        messages.success(request, said % {"region": changed.region_name, "state": changed.state})
        return True
