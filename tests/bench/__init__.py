"""The benchmark, and that it runs."""
