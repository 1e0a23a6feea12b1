"""Tests of records, record batches and errors."""
