# SPDX-License-Identifier: Apache-2.0
"""What a project may use of compute over all pods, and what it does."""
