"""Other frameworks at the same work, each in an environment that bench.environments makes."""
