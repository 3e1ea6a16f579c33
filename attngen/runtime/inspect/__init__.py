"""What compiled kernels take of a GPU that is not here: registers, spills, memory, and what their inner loops issue."""
