"""The students' question on real votes: `make campaign-real-votes`, its parts one module each."""
