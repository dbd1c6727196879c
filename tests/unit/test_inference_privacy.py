"""ONNX Runtime reports to nobody: it keeps no identifier of the machine and opens no connection."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from pathlib import Path
from onnx import TensorProto, helper, save
from comitia.inference.session import Threads, open_session

value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
node = helper.make_node("Identity", ["x"], ["y"])
graph = helper.make_graph([node], "graph", [value], [result])
opset = [helper.make_opsetid("", 17)]
save(helper.make_model(graph, opset_imports=opset, ir_version=8), sys.argv[1])
open_session(Path(sys.argv[1]), Threads(1), "cpu")
"""


def test_a_session_leaves_no_trace_in_the_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # Without what continuous integration sets: there the reporting is off anyway.
    kept = {"PATH": os.environ["PATH"], "HOME": str(home)}
    model = tmp_path / "model.onnx"
    subprocess.run([sys.executable, "-c", SCRIPT, str(model)], env=kept, check=True)
    assert list(home.rglob("*")) == []
