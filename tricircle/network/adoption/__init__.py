# SPDX-License-Identifier: Apache-2.0
"""What a pod had before it joined becomes the region's: its networks, ports, routers and so on.

First a ``plan`` says what each object of a project becomes, and why another cannot; then it is
carried out (``carry``): resources are made in central Neutron, the pod's own objects are their
realizations, and bear our marks from then on. Nothing is made in the pod. ``release`` is the way
back.
"""
