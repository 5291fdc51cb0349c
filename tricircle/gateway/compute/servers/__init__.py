# SPDX-License-Identifier: Apache-2.0
"""Servers: made, shown, listed, changed, deleted."""
