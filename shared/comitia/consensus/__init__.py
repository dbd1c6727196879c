"""Votes: from the ballots of a panel to an outcome. Pure functions over plain values, one algorithm
a file.

Each algorithm is a module with one verb, `decide(ballots, ...) -> Outcome` (see `ballots`), and one
question, `settled(ballots, ..., open_max) -> bool`: is there a winner that ballots still out cannot
change? What comes in are ballots whose values have been turned into comparable keys (see `keys`);
what goes out names the winner or the tie. Any order of the same ballots gives the same outcome, to
the last bit: sums are `math.fsum`, which rounds once, and ties are sorted.
"""
