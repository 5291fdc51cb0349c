# SPDX-License-Identifier: Apache-2.0
from django.urls import re_path

from tricircle.dashboard.pods import views

urlpatterns = [
    re_path(r"^$", views.IndexView.as_view(), name="index"),
    re_path(r"^(?P<pod_id>[^/]+)/state/$", views.StateView.as_view(), name="state"),
    re_path(r"^(?P<pod_id>[^/]+)/$", views.DetailView.as_view(), name="detail"),
]
