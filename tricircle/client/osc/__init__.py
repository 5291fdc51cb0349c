# SPDX-License-Identifier: Apache-2.0
"""``openstack multiregion …``: commands for python-openstackclient (the extra ``cli``)."""
