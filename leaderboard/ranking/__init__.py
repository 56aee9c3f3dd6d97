"""Who stands where: stored scores, entries, ties and the tables of boards."""
