"""Plans as Triton kernels, for NVIDIA and AMD GPUs."""
