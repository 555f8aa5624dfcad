"""A message's way through the house: accept, submit, append, deliver. No protocol words, no SQL."""
