"""The store: what the node keeps, and the promise that what it said it kept is on disk.

A unit of work is an ordinary function of a transaction (`Reading` or `Writing`); `Database` runs it. Rooms above
compose several of the functions here into one unit of work, so that a message, its log leaf and its spool rows live or
die together.
"""
