"""A log directory against a model of it in memory: see machine."""
