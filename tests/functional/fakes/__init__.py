# SPDX-License-Identifier: Apache-2.0
"""Small in-process clouds that speak real HTTP: Keystone, and Nova, Neutron, Placement a pod.

They run on one event loop in a thread of their own, so both asynchronous and blocking code (and
other processes) can call them. Every request is in the journal; ``faults`` make one misbehave.
"""
