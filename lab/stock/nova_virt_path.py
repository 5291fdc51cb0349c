# SPDX-License-Identifier: Apache-2.0
"""Nova takes its virt drivers from the package nova.virt only: make that include this folder."""

import os

import nova.virt

nova.virt.__path__.append(os.path.dirname(os.path.abspath(__file__)))
