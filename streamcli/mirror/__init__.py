"""Mirroring: what is in one place, a log directory or an Apache Kafka cluster, exactly once in another.

A mirror's progress, the source offset at which it goes on, is kept in the target, together with the records: into Kafka one
transaction holds both, into a log directory each record batch says it in its header. So no crash of anybody can part them.
After any failure a mirror forgets all it knew, asks the target for its progress, and goes on there.
"""
