"""Bandits: what is learned of the items one by one, and the rules that explore by it."""
