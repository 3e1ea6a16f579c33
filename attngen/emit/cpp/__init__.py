"""Plans as portable C++ with OpenMP, compiled once by the machine's compiler: the default on a CPU tensor."""
