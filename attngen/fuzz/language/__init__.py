"""Random specs: the compiler is attacked with the whole language, and not with the specs that people thought of."""
