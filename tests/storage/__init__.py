"""Tests of the storage layer, on its modules directly."""
