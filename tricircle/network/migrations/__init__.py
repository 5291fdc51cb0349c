# SPDX-License-Identifier: Apache-2.0
"""Our branch of Neutron's schema: ``neutron-db-manage upgrade heads`` makes it."""
