"""Consumer groups without a coordinator process: who is alive is a question to the kernel.

A group is a directory. Whoever holds its lock is the coordinator for that moment. A member holds a lock on its
own file for its life; a lease, one more lock, is held for each partition while it is consumed; commits are a
journal. Locks die with their process, so nothing here has a timeout.
"""
