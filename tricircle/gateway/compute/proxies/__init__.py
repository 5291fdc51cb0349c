# SPDX-License-Identifier: Apache-2.0
"""Nova's old proxies to networks, addresses and volumes."""
