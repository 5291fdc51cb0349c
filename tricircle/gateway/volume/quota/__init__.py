# SPDX-License-Identifier: Apache-2.0
"""What a project may use of storage over all pods, and what it does."""
