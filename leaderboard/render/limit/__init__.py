"""Is 80 % the data's limit? The report docs/limit.md and its figures, from the committed scores: `make report`.

Everything in it is computed from the entries of benchmark/boards.yaml, their stored scores and the stored references;
neither images nor votes are needed. A sentence that the scores no longer support stops the command.
"""
