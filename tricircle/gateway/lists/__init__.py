# SPDX-License-Identifier: Apache-2.0
"""Lists of what many pods have, a page at a time."""
