"""Records, record batches and errors: frozen values without I/O, known to every layer."""
