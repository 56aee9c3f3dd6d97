"""What a submission is checked for before a person looks at it."""
