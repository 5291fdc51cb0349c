# SPDX-License-Identifier: Apache-2.0
"""What pods tell of themselves, brought to central Neutron."""
