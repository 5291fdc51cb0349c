# SPDX-License-Identifier: Apache-2.0
"""What central Neutron's API has that stock ones have not."""
