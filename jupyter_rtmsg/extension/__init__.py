"""The Jupyter server extension: authentication, endpoints, and the environment of kernels."""
