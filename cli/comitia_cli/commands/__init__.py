"""The commands, one group a file: each reads its options, calls the client or the system, and
prints.
"""
