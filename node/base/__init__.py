"""The ground floor: addresses, replies, errors, settings, log and metrics. No I/O."""
