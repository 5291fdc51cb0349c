# SPDX-License-Identifier: Apache-2.0
"""Neutron loads each module here, and seeks the class that is named as the module is."""
