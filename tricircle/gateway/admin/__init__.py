# SPDX-License-Identifier: Apache-2.0
"""The Admin API: pods, bindings, routings, moves, jobs, repairs."""
