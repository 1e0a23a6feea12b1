"""The log on disk: names, batch format, durable I/O, locks, indexes, segments, recovery, topics.

The segments are the truth; indexes and checkpoints are disposable and are rebuilt from them.
"""
