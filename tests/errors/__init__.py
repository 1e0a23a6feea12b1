"""What streamcli says when it refuses or fails: each message, its status, and that none is forgotten."""
