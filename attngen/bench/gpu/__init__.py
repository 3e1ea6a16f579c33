"""What `attngen bench gpu` measures."""
