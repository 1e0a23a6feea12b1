"""What commands talk to: producing to a topic and consuming from topics of a log directory."""
