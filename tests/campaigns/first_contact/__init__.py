"""What people bring, and what the product says of it: cases by kind of fault, each one file's data."""
