"""Profiles as Kubernetes Jobs."""
