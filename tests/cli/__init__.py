"""End-to-end tests: real processes on a real directory, seen only through their streams and exit statuses."""
