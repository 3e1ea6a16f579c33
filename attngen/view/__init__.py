"""What people look at: tile pictures and diagnostics for a terminal."""
