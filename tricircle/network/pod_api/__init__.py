# SPDX-License-Identifier: Apache-2.0
"""How a pod is spoken to: its Neutron, its message bus, within a deadline."""
