"""Where mail to learn from comes from: corpora on disk and a generator of our own."""
