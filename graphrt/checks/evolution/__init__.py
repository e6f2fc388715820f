"""GR6: what a change of the definition means for runs that were recorded under the old one."""
