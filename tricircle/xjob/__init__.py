# SPDX-License-Identifier: Apache-2.0
"""The reconciler: makes pods match what central Neutron and the gateway want."""
