"""The two text files of a build: tokenizer.json, and text.json for what that leaves out.

text.json: `bos` the token that opens every text, or null; `ends` tokens at which an answer ends;
`template` the chat template in Jinja, or null; `context_tokens`.
"""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from comitia.errors import ConfigError
from comitia.inference.export.gguf_text import special_tokens, write_tokenizer
from comitia.inference.export.gguf_weights import GgufFacts

# Tokens that end a turn or a document in the families built here, whatever a model's settings list.
_ENDS = ("<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "</s>")


def text_from_gguf(source: Path, folder: Path, context_tokens: int) -> None:
    """tokenizer.json and text.json of a GGUF file."""
    facts = GgufFacts(source)
    write_tokenizer(facts, folder)
    _write_text(folder, context_tokens, special_tokens(facts))


def text_from_folder(source: Path, folder: Path, context_tokens: int) -> None:
    """tokenizer.json and text.json of a Hugging Face folder. Raises ConfigError where it has no
    tokenizer.json.
    """
    tokenizer = source / "tokenizer.json"
    if not tokenizer.is_file():
        raise ConfigError(f"{source} has no tokenizer.json; add it to the model's files.")
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    config = _optional_json(source / "tokenizer_config.json")
    template_file = source / "chat_template.jinja"
    template = (
        template_file.read_text(encoding="utf-8")
        if template_file.is_file()
        else config.get("chat_template")
    )
    if isinstance(template, list):
        template = next(
            (entry["template"] for entry in template if entry["name"] == "default"), None
        )
    eos = _content(config.get("eos_token"))
    _write_text(
        folder,
        context_tokens,
        {
            "bos": _content(config.get("bos_token")),
            "ends": [eos] if eos else [],
            "template": template,
        },
    )


def _write_text(folder: Path, context_tokens: int, facts: dict[str, Any]) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    known = [name for name in _ENDS if tokenizer.token_to_id(name) is not None]
    facts["ends"] = sorted({*facts["ends"], *known})
    facts["context_tokens"] = context_tokens
    text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / "text.json").write_text(text + "\n", encoding="utf-8")


def _optional_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON ({error}).") from error
    return loaded if isinstance(loaded, dict) else {}


def _content(token: Any) -> str | None:
    """A special token is written as text or as an object with its `content`."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else None
