"""Fine-tunes, exports and measures the shipped model. Needs the ``train`` extra; the running node never imports it."""
