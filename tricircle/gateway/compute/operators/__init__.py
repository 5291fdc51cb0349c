# SPDX-License-Identifier: Apache-2.0
"""What operators see of all pods: hypervisors, services, aggregates, usage."""
