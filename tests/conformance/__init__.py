"""What a user may rely on whatever is behind the commands: the same tests on a log directory and on Apache Kafka."""
