"""Keeping a whole Comitia running on this machine: which processes, their life, and the record of
it on disk.
"""
