# SPDX-License-Identifier: Apache-2.0
"""A client's call, asked of the pod that has the thing, of one that takes it, or of all."""
