"""streamcli: topics, partitions, offsets and consumer groups over a plain directory, with no server."""

__version__ = "0.1.0"
