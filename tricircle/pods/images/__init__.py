# SPDX-License-Identifier: Apache-2.0
"""Images: those of the region's Glance, and of the Glance that a pod may have of its own."""
