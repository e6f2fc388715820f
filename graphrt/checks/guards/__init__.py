"""GR2: the guards of edges. States in which none matches, edges that are never taken, guards that raise."""
