# SPDX-License-Identifier: Apache-2.0
"""nova-compute with the lab's virt drivers."""

import sys

import nova.cmd.compute  # first: it patches the standard library where the release wants that
import nova_virt_path  # noqa: F401

sys.argv[0] = "nova-compute"
nova.cmd.compute.main()
