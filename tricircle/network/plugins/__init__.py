# SPDX-License-Identifier: Apache-2.0
"""What stock Neutron loads of ours, and what it calls when something changes."""
