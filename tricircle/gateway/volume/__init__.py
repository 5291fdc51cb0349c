# SPDX-License-Identifier: Apache-2.0
"""The Block Storage API: its table of routes, and what is special to volumes."""
