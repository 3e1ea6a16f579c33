"""What `attngen bench` measures."""
