"""An oracle in NumPy that shares nothing with the compiler, written from the papers by someone who had not seen it."""
