"""What end-to-end tests share: running streamcli, waiting for a condition, and a harsh environment to run it in."""
