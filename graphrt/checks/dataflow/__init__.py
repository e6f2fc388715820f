"""GR3: how values move through the state. What is read too early, lost, written twice at once, or of the wrong type."""
