# SPDX-License-Identifier: Apache-2.0
"""The Placement API of the region, to look at: what all pods' Placements have."""
