"""How things look on a terminal: pure functions from messages to Rich renderables."""
