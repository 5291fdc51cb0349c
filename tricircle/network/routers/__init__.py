# SPDX-License-Identifier: Apache-2.0
"""Routers over several pods: where they are, and how their copies act as one."""
