# SPDX-License-Identifier: Apache-2.0
"""What servers need of central Neutron: networks, ports, security groups."""
