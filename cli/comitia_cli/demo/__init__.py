"""The demo's evaluation: labelled inputs in, tasks out; decisions in, a table of who was right
out.
"""
