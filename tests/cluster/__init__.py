"""A real Kubernetes for tests, on this machine: README.md says how it works.

reasons = doctor()          # why there can be none, for a skip
cluster = ensure()          # the one that runs, or AUTOSCOUT_TEST_KUBECONFIG's, or a new one
cluster.admin_kubeconfig
cluster.stop_node("a40-0")
"""

from __future__ import annotations

from .cluster import Cluster, doctor, ensure
from .images import Image, ImageConfig, Layer, build_image
from .layout import NODES, ClusterError, NodeSpec
from .pythonimage import PROFILER_IMAGE

__all__ = [
    "NODES",
    "PROFILER_IMAGE",
    "Cluster",
    "ClusterError",
    "Image",
    "ImageConfig",
    "Layer",
    "NodeSpec",
    "build_image",
    "doctor",
    "ensure",
]
