"""May this mail in? One class a check; `panel` asks them in order and merges their opinions into one verdict."""
