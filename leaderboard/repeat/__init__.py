"""Results repeated: weights run again, on fresh galaxies too, and whole trainings."""
