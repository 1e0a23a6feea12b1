"""Hostile bytes for everything that streamcli decodes: see targets."""
