"""Runs inside the export environment, as a file: what transformers answers to a few texts.

    python transformers_script.py FOLDER decoder|encoder WRITTEN < TEXTS

FOLDER is a Hugging Face folder, TEXTS are lists of tokens in JSON; decoders go on writing WRITTEN
tokens. Prints JSON: the versions, and of each text what answers.py calls an Answer.
"""

import json
import sys
from typing import Any

import torch
import transformers

_PLACES, _COLUMNS = 4, 48


def main(folder: str, kind: str, written: str) -> None:
    """Read, write, print."""
    load = transformers.AutoModel if kind == "encoder" else transformers.AutoModelForCausalLM
    model = load.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    count = 0 if kind == "encoder" else int(written)
    with torch.no_grad():
        texts = [_answer(model, text, count) for text in json.load(sys.stdin)]
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    sys.stdout.write(json.dumps({"made_with": versions, "texts": texts}))


def _answer(model: Any, tokens: list[int], count: int) -> dict[str, Any]:
    for _ in range(count):
        tokens = [*tokens, int(_outputs(model, tokens)[-1].argmax())]
    outputs = _outputs(model, tokens)
    width = outputs.shape[1]
    evenly = {round(i * (width - 1) / (_COLUMNS - 1)) for i in range(_COLUMNS)}
    columns = sorted(evenly | set(outputs[-1].topk(min(8, width)).indices.tolist()))
    places = sorted({round(i * (len(tokens) - 1) / (_PLACES - 1)) for i in range(_PLACES)})
    return {
        "tokens": tokens,
        "places": places,
        "columns": columns,
        "values": outputs[places][:, columns].tolist(),
        "written": count,
    }


def _outputs(model: Any, tokens: list[int]) -> Any:
    """[tokens, vocabulary] logits of a decoder, [tokens, hidden] of an encoder."""
    found = model(torch.tensor([tokens]))
    return found.logits[0] if hasattr(found, "logits") else found.last_hidden_state[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
