"""For work with the votes as a table: the catalogues, cuts on vote fractions, matches by position, single galaxies.

The functions here are those of `galaxy_zoo_decals` itself: `catalogue`, `cuts`, `select`, `match` and `galaxy`.
"""
