"""Everything at once, for as long as one likes: fifty processes on one log directory, and kills."""
