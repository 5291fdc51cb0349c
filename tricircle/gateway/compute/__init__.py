# SPDX-License-Identifier: Apache-2.0
"""The Compute API: its table of routes, and what is special to compute."""
