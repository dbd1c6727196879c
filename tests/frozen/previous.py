"""Runs a service on a previous contract: `python -m tests.frozen.previous MODULE ...`.

contract.binpb is a set of descriptors, frozen: comitia.v1 as it would be if Policy.wait_for_all,
AgentCard.priority_lane, the event kind PanelEvent.task_cancelled and Command.cancel had not come
yet. Its classes take the place of comitia.v1 before anything imports that, so that a process on
either contract runs beside one on the other. Where today's code reads a field that is not there, it
reads the default, as code that does not know the field behaves. In: a module that has a `main`, and
its arguments.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.internal import builder

import comitia
import comitia.v1

FROZEN = Path(__file__).with_name("contract.binpb")
# Fields that today's services read of every message of the kind.
READ = (("policy_pb2", "Policy", "wait_for_all"), ("agent_card_pb2", "AgentCard", "priority_lane"))


def contract() -> descriptor_pb2.FileDescriptorSet:
    """The frozen descriptors, each file after those that it imports."""
    found = descriptor_pb2.FileDescriptorSet.FromString(FROZEN.read_bytes())
    files = {file.name: file for file in found.file}
    ordered: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(name: str) -> None:
        for needed in files[name].dependency:
            add(needed)
        ordered.setdefault(name, files[name])

    for name in files:
        add(name)
    return descriptor_pb2.FileDescriptorSet(file=ordered.values())


def install() -> None:
    """Make `comitia.v1` the frozen contract, for this process."""
    loaded = [name for name in sys.modules if name.startswith("comitia.v1.")]
    if loaded:
        raise RuntimeError(f"too late, these are imported already: {loaded}")
    pool = descriptor_pool.Default()
    for file in contract().file:
        short = file.name.removeprefix("comitia/v1/").removesuffix(".proto") + "_pb2"
        name = f"comitia.v1.{short}"
        module = ModuleType(name)
        descriptor = pool.AddSerializedFile(file.SerializeToString())
        builder.BuildMessageAndEnumDescriptors(descriptor, module.__dict__)
        builder.BuildTopDescriptorsAndMessages(descriptor, name, module.__dict__)
        sys.modules[name] = module
        setattr(comitia.v1, short, module)
    for short, message, field in READ:
        setattr(getattr(sys.modules[f"comitia.v1.{short}"], message), field, False)


def main() -> None:
    """Install, then be the module that was asked for."""
    name, *arguments = sys.argv[1:]
    install()
    sys.argv = [name, *arguments]
    importlib.import_module(name).main()


if __name__ == "__main__":
    main()
