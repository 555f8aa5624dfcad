"""Builds the parts, opens the one nursery, and keeps the order of starting and stopping."""
