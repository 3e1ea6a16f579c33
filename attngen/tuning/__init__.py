"""Finding the sizes of tiles and launches that are fastest on a device, of those that compute what the spec means."""
