"""What Comitia ships for tests: ManualClock, LocalLog and ScriptedModel, the ports without the
outside world.
"""

from comitia.testing.clock import ManualClock
from comitia.testing.local_log import LocalLog
from comitia.testing.model import ScriptedModel

__all__ = ["LocalLog", "ManualClock", "ScriptedModel"]
