"""Policies as data: what is wrong with one, how it is read from a file, and how much time each of
its rounds has.
"""
