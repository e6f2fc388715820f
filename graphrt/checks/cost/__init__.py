"""GR5: what a run costs at most, against a budget that is given."""
