# SPDX-License-Identifier: Apache-2.0
"""Makes pods have what is wanted there."""
