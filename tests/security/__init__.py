"""A log directory that others write in too: what is planted there, who may do what, and what reaches a terminal."""
