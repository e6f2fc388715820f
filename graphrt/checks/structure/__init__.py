"""GR1: the shape of the graph. What cannot be reached or left, what runs twice, joins with nothing to gather."""
