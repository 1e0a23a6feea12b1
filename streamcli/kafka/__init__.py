"""The engine on Apache Kafka, by confluent-kafka (librdkafka), imported only for a kafka:// URL."""
