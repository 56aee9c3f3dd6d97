"""Galaxy Zoo DECaLS as a benchmark."""
