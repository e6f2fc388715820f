"""GR4: agents, tools and effects. What a model may do unasked, what is repeated, what has no bound."""
