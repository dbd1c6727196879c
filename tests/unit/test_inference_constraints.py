"""Constrained texts under random logits: every JSON validates, every regex matches, and what cannot
be compiled is said.
"""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from comitia.errors import ConfigError, Poison
from comitia.inference.text import Text
from comitia.ports import Sampling
from tests.unit.inference_models import END, byte_tokenizer
from tests.unit.inference_texts import Driven, constrained, fallback_tokenizer, text_in

VERDICT = {
    "type": "object",
    "properties": {
        "label": {"enum": ["spam", "no spam", "ünsicher"]},
        "reason": {"type": "string", "maxLength": 12},
        "chance": {"type": "number", "minimum": 0, "maximum": 1},
        "sure": {"type": "boolean"},
    },
    "required": ["label", "reason", "chance"],
    "additionalProperties": False,
}
SCHEMAS: list[Any] = [
    VERDICT,
    {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 5},
    {
        "anyOf": [{"const": "a"}, {"type": "null"}, {"$ref": "#/$defs/point"}],
        "$defs": {
            "point": {
                "type": "array",
                "prefixItems": [{"const": 1}, {"const": 2}],
                "items": False,
                "minItems": 2,
            }
        },
    },
    {"type": "string", "pattern": "^[a-f]{3}-\\d{2}$"},
    {"type": "string", "format": "date"},
]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Text:
    return text_in(tmp_path_factory.mktemp("bytes"))


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_every_json_that_comes_out_validates(text: Text, schema: Any, temperature: float) -> None:
    vocab = byte_tokenizer().get_vocab_size()
    complete = 0
    for seed in range(12):
        driven = Driven(text, constrained(schema, temperature=temperature, seed=seed))
        made = driven.run(np.random.default_rng(seed), vocab)
        assert "".join(driven.pieces) == made.text
        if made.finish == "stop":
            complete += 1
            value = json.loads(made.text)
            jsonschema.Draft202012Validator(
                schema, format_checker=jsonschema.FormatChecker()
            ).validate(value)
            # No free white space: one way to write a value, but for the ways to write a string.
            assert ",\n" not in made.text and "{ " not in made.text
        else:
            assert made.usage.completion_tokens == 400
    assert complete >= 6, "random digits may go on for ever, not all of them"


@pytest.mark.parametrize("make", [byte_tokenizer, fallback_tokenizer])
@pytest.mark.parametrize(
    "regex",
    [
        "yes|no",
        "[a-c]{3,5}",
        "(ab|€)+x",
        "[0-9]{1,3}%",
        "\U0001f600?ye",
        "Größe: [a-zß]+",
        ".{2,4}",
    ],
)
def test_every_text_matches_its_regex(make: Any, regex: str, tmp_path: Path) -> None:
    tokenizer = make()
    end = END if make is byte_tokenizer else "</s>"
    text = text_in(tmp_path, tokenizer, end)
    stops = 0
    for seed in range(10):
        driven = Driven(text, constrained(regex=regex, seed=seed))
        made = driven.run(np.random.default_rng(seed), tokenizer.get_vocab_size())
        assert "".join(driven.pieces) == made.text
        if made.finish == "stop":
            stops += 1
            assert re.fullmatch(regex, made.text), made.text
    assert stops >= 5


def test_it_ends_with_the_step_that_completes_it_and_not_before(text: Text) -> None:
    end = min(text.ends)
    driven = Driven(text, constrained(regex="yes"))
    logits = np.zeros(byte_tokenizer().get_vocab_size(), np.float32)
    logits[end] = 50.0
    taken = [driven.writing.take(end, logits) for _ in range(1)]
    while not taken[-1]:
        taken.append(driven.writing.take(end, logits))
    assert driven.result.text == "yes", "an end token cannot end what is not complete"
    assert driven.result.finish == "stop"
    assert driven.result.usage.completion_tokens == len(taken), "no step for an end token"


def test_what_does_not_fit_is_cut_and_says_so(text: Text) -> None:
    driven = Driven(text, constrained(VERDICT, tokens_max=5))
    made = driven.run(np.random.default_rng(0), byte_tokenizer().get_vocab_size())
    assert made.finish == "length" and made.usage.completion_tokens == 5


def test_a_text_ends_in_a_replacement_character_where_its_regex_wants_one(text: Text) -> None:
    driven = Driven(text, constrained(regex="a\ufffd"))
    made = driven.run(np.random.default_rng(0), byte_tokenizer().get_vocab_size())
    assert (made.text, made.finish) == ("a\ufffd", "stop")
    assert "".join(driven.pieces) == made.text


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ('{"type": ', "Expecting value"),
        ('{"a":' * 9_000, "recursion"),
        ("[1]", "must be a JSON object"),
        ('{"type": "number", "not": {"const": 1}}', 'Unimplemented keys: \\["not"\\]'),
        ('{"$ref": "http://example.org/x"}', "does not fetch resources"),
        ('{"type": "string", "minLength": 5, "maxLength": 2}', "minLength \\(5\\) is greater"),
        ('{"type": "string", "pattern": "(?=a)b"}', "look-around"),
        (f'{{"const": "{"x" * 70_000}"}}', "more than 65536 characters"),
    ],
)
def test_a_schema_that_cannot_be_compiled_is_told_with_the_reason(
    text: Text, schema: str, said: str
) -> None:
    for _ in range(2):
        with pytest.raises(Poison, match=f"JSON schema cannot be compiled: .*{said}") as caught:
            Driven(text, Sampling(9, json_schema=schema))
        assert caught.value.reason == "BAD_CONSTRAINT"


@pytest.mark.parametrize(
    ("regex", "said"),
    [("(", "unclosed group"), ("(a)\\1", "backreferences"), ("[^\\s\\S]", "no text satisfies it")],
)
def test_a_regex_that_cannot_be_compiled_is_told_with_the_reason(
    text: Text, regex: str, said: str
) -> None:
    with pytest.raises(Poison, match=f"regex cannot be compiled: .*{said}"):
        Driven(text, constrained(regex=regex))


def test_texts_under_one_grammar_do_not_disturb_each_other(text: Text) -> None:
    vocab = byte_tokenizer().get_vocab_size()
    alone = [
        Driven(text, constrained(VERDICT, seed=seed)).run(np.random.default_rng(seed), vocab).text
        for seed in range(3)
    ]
    together = [Driven(text, constrained(VERDICT, seed=seed)) for seed in range(3)]
    chances = [np.random.default_rng(seed) for seed in range(3)]
    running = list(zip(together, chances, strict=True))
    while running:
        running = [
            (driven, chance)
            for driven, chance in running
            if not driven.writing.take(0, chance.normal(0.0, 2.0, vocab).astype(np.float32))
        ]
    assert [driven.result.text for driven in together] == alone


def test_a_tokenizer_that_cannot_be_constrained_is_told(tmp_path: Path) -> None:
    text = text_in(tmp_path)
    facts = json.loads((tmp_path / "tokenizer.json").read_text())
    facts["decoder"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(facts))
    with pytest.raises(ConfigError, match="cannot be constrained"):
        Driven(text, constrained(regex="a"))
