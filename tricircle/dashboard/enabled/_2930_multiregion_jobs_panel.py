# SPDX-License-Identifier: Apache-2.0
PANEL = "jobs"
PANEL_DASHBOARD = "admin"
PANEL_GROUP = "multiregion"
ADD_PANEL = "tricircle.dashboard.jobs.panel.Jobs"
