# SPDX-License-Identifier: Apache-2.0
"""Networks over pods, in rooms: each may import those below it, none above it.

From the top: ``observe`` and ``plugins``, ``reconcile``, ``wanted``, ``routers``, ``central``,
``interconnect``, ``pod_api``.
"""
