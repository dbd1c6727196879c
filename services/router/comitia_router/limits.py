"""The router's limits: what a task, a card or a command may ask for at most. Plain numbers, each a
setting.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the router, each a setting of the same name. `timeout_ms_max` milliseconds; bytes
    are those of the serialised message.
    """

    timeout_ms_max: int = 3_600_000
    input_bytes_max: int = 256 * 1024
    task_bytes_max: int = 512 * 1024
    command_bytes_max: int = 256 * 1024
    seats_default: int = 7
    seats_max: int = 100
    samples_max: int = 16
    options_max: int = 100
    option_id_bytes_max: int = 128
    skill_characters_max: int = 64
    tenant_characters_max: int = 64
    session_characters_max: int = 128
    card_bytes_max: int = 64 * 1024
    card_skills_max: int = 1_000
    agents_max: int = 10_000
    instances_max: int = 1_000
