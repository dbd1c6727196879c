"""What a user of Comitia does through its topics: publish tasks, read decisions, agents and dead
letters. Only ports are used.
"""
