"""Random calls and random specs, and what kernels are compared with."""
