"""The hot path: logs, clocks and loops. The only room that imports aiokafka; in come records, out
go effects carried out.
"""
