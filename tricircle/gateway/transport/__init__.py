# SPDX-License-Identifier: Apache-2.0
"""How a pod and central Neutron are spoken to. Knows no call of a client's."""
