# SPDX-License-Identifier: Apache-2.0
"""What a process tells of itself: numbers, spans, and whom its lines of the log are about."""
