# SPDX-License-Identifier: Apache-2.0
"""What ``tricircle-status`` looks at. Each check takes nothing, gives a ``Finding``, and blocks."""
