"""The messages of the wire, generated."""
