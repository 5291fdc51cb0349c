# SPDX-License-Identifier: Apache-2.0
"""Panels of Horizon: the pods, what is to be done in them, and where servers are.

Horizon loads them by the files of ``enabled``. All they know they ask of the Admin API with the
token of who looks; of Tricircle they need the client, and nothing else.
"""
