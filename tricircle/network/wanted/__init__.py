# SPDX-License-Identifier: Apache-2.0
"""What must be in which pod. Only the database is asked here."""
