"""The Jupyter server extension: authentication, endpoints, and the environment of kernels."""

from .app import RtmsgApp

__all__ = ["RtmsgApp"]
