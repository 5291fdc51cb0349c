# SPDX-License-Identifier: Apache-2.0
PANEL = "pods"
PANEL_DASHBOARD = "admin"
PANEL_GROUP = "multiregion"
ADD_PANEL = "tricircle.dashboard.pods.panel.Pods"
ADD_INSTALLED_APPS = ["tricircle.dashboard"]
