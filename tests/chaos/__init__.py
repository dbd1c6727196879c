"""Chaos: real services on real brokers under faults, and a checker that shares no code with
them.
"""
