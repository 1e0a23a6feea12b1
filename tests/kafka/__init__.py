"""streamcli against a real Apache Kafka broker, alone on loopback."""
