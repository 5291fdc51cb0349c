# SPDX-License-Identifier: Apache-2.0
PANEL = "placements"
PANEL_DASHBOARD = "admin"
PANEL_GROUP = "multiregion"
ADD_PANEL = "tricircle.dashboard.placements.panel.Placements"
