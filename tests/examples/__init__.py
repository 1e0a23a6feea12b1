"""Every example runs, and prints what it says."""
