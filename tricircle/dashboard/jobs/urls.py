# SPDX-License-Identifier: Apache-2.0
from django.urls import re_path

from tricircle.dashboard.jobs import views

urlpatterns = [re_path(r"^$", views.IndexView.as_view(), name="index")]
