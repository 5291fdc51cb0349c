# SPDX-License-Identifier: Apache-2.0
"""Central Neutron's own objects, read and made, and our tables beside them."""
