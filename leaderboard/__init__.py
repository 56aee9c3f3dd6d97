"""Results become entries, entries become scores, and entries with scores become a static site."""
