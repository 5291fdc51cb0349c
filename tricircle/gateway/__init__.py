# SPDX-License-Identifier: Apache-2.0
"""The gateway: the APIs of one cloud, answered by many.

From top to bottom, each knowing only what is below it: the process; the APIs; the
pipeline every request passes; what serves a row (compute, volume, admin); lists of all
pods, and consoles; upstream, where a call is asked of pods; the call and the parts of a
process; transport toward a pod; HTTP toward the client; threads.
"""
