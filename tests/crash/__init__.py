"""Rigs that break things: at each system call that changes the disk, and in every way a power cut may leave it."""
