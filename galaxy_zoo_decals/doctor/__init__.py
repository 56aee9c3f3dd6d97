"""Which ways in to the survey answer from this machine, and which one to take."""
