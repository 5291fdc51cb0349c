# SPDX-License-Identifier: Apache-2.0
"""The way into a pod: with whose token it is asked, and which ids stand for ours there."""
