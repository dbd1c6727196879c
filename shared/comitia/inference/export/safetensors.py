"""Safetensors files: a folder of them in, float32 arrays by name out, and the other way.

Files are mapped, not loaded. Format: 8 bytes little-endian length, that many bytes of JSON (name ->
dtype, shape, data_offsets), then the data. https://huggingface.co/docs/safetensors/index#format
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comitia.errors import ConfigError

_KINDS = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}


class Safetensors:
    """All tensors of a folder's *.safetensors files."""

    def __init__(self, folder: Path) -> None:
        self._entries: dict[str, tuple[NDArray[np.uint8], int, dict[str, Any]]] = {}
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            raise ConfigError(f"{folder} has no *.safetensors file.")
        for file in files:
            try:
                raw = np.memmap(file, np.uint8, "r")
                start = 8 + int.from_bytes(raw[:8].tobytes(), "little")
                header = json.loads(raw[8:start].tobytes())
            except (OSError, ValueError) as error:
                raise ConfigError(f"{file} is not a safetensors file ({error}).") from error
            for name, entry in header.items():
                if name != "__metadata__":
                    self._entries[name] = (raw, start, entry)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def tensor(self, name: str) -> NDArray[np.float32]:
        """One tensor as float32. Raises ConfigError where it is missing or of another type."""
        if name not in self._entries:
            raise ConfigError(
                f"The weights have no tensor {name}; this is not the architecture that config.json "
                "says."
            )
        raw, start, entry = self._entries[name]
        if entry["dtype"] not in _KINDS:
            raise ConfigError(
                f"Tensor {name} is of type {entry['dtype']}; known are {', '.join(_KINDS)}."
            )
        low, high = entry["data_offsets"]
        stored = raw[start + low : start + high]
        if len(stored) != high - low:
            raise ConfigError(f"The weights end before tensor {name} does; fetch the file again.")
        array = stored.view(_KINDS[entry["dtype"]]).reshape(entry["shape"])
        if entry["dtype"] == "BF16":
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array.astype(np.float32)


def write_safetensors(path: Path, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """One file of float32 tensors."""
    header, start = {}, 0
    for name, array in tensors.items():
        offsets = [start, start + array.nbytes]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        start = offsets[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            np.ascontiguousarray(array, np.float32).tofile(file)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a model folder. Raises ConfigError."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder / 'config.json'} cannot be read ({error}).") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{folder / 'config.json'} is not a JSON object.")
    return config
