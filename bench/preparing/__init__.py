"""From the official files of a data set, or the user's own, to a prepared folder of mapped arrays. Nothing that loads one, and
nothing that fetches.

It hands out modules, not names: the processes that make pixels load what they need, and not PyTorch. Other rooms take its
reader of pickles.
"""
