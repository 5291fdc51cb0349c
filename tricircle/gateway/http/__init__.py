# SPDX-License-Identifier: Apache-2.0
"""HTTP with the client: what comes in is checked, what goes out is worded. Knows no pod."""
