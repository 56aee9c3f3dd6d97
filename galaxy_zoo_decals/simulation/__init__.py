"""The simulator: which galaxies there are, their light, the telescope, the picture, and the volunteers."""
