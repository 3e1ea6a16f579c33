"""Functions that generated files carry with them: real modules, linted and tested, copied by text."""
