"""From generated text to a callable on this machine."""
