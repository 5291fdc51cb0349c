# SPDX-License-Identifier: Apache-2.0
"""Images between the region's Glance and those of pods."""

from tricircle.pods.rights.right import Proof, Right

IMAGE_READ = Right(
    "image_read",
    "image",
    (
        "GET /v2/images/{}",
        "GET /v2/images/{}/file",
        "GET /v2/images/{}/members",
        "GET /v2/images",
    ),
    Proof.ROW,
    "The row in realizations: a project uses the image in a pod, and the region's Glance has shown "
    "it to one of its users, or the operator's rule wants it there. It goes to no one but those.",
)
IMAGE_RECORD = Right(
    "image_record",
    "image",
    (
        "GET /v2/images/{}",
        "POST /v2/images",
        "PATCH /v2/images/{}",
        "PUT /v2/images/{}/file",
        "DELETE /v2/images/{}",
    ),
    Proof.CALLER,
    "A pod makes an image for the caller's own token; the region's belongs to the same project. It "
    "is filled, or taken away while it has no data, by xjob as the row says.",
    ("POST /servers/{}/action", "POST /volumes/{}/action"),
)
IMAGE_COPY = Right(
    "image_copy",
    "image",
    (
        "GET /v2/images/{}",
        "GET /v2/images/{}/file",
        "GET /v2/images",
        "POST /v2/images",
        "PATCH /v2/images/{}",
        "PUT /v2/images/{}/file",
        "DELETE /v2/images/{}",
        "POST /v2/images/{}/members",
        "DELETE /v2/images/{}/members/{}",
    ),
    Proof.ROW,
    "The row in realizations says that the image is wanted in the pod, or no more. Only images "
    "that belong to our own account in the pod are changed or removed; projects are let in to "
    "which the region's Glance shows the image.",
)
