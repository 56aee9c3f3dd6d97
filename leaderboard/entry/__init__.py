"""What is sent in: submissions, their runs and predictions, and the frozen versions they belong to."""
