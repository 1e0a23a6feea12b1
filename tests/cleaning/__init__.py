"""Retention, trim and compaction while others work, and what stops them: kills, full disks, damage, strangers' files."""
