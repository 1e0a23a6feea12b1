"""Completion, as a user meets it: in real shells, at a terminal, with the TAB key."""
