"""Text to tokens: the opening token once, chats by the template, characters that are cut off."""

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, processors

from comitia.errors import ConfigError, Poison
from comitia.inference.plans import plan_generation, plan_score
from comitia.inference.text import Text
from comitia.ports import Prompt
from tests.unit.inference_models import END, byte_tokenizer

REFUSING = "{% if messages[0]['role'] != 'user' %}{{ raise_exception('user first') }}{% endif %}ok"


def text_of(folder: Path, *, bos: bool = False, template: str | None = None) -> Text:
    tokenizer = byte_tokenizer()
    if bos:
        tokenizer.add_tokens([AddedToken("<s>", special=True, normalized=False)])
        number = tokenizer.token_to_id("<s>")
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", number)]
        )
    tokenizer.save(str(folder / "tokenizer.json"))
    facts = {"bos": "<s>" if bos else None, "ends": [END], "template": template}
    (folder / "text.json").write_text(json.dumps(facts | {"context_tokens": 32}))
    return Text(folder, "tiny")


def test_the_opening_token_comes_once(tmp_path: Path) -> None:
    text = text_of(tmp_path, bos=True)
    (first,) = text.encode("")
    assert text.encode("ab")[0] == first and len(text.encode("ab")) == 2
    assert text.encode("<s>ab") == text.encode("ab"), "a template may have written it"
    plan = plan_score(text, Prompt("", ""), ("ab", "b"), {})
    assert plan.context == (first,) and [len(option) for option in plan.options] == [1, 1]
    assert plan_generation(text, Prompt("a", "b"), 1, {}).context[0] == first


def test_without_one_an_end_token_stands_before_an_empty_prompt(tmp_path: Path) -> None:
    text = text_of(tmp_path)
    assert text.encode("") == []
    assert plan_score(text, Prompt("", ""), ("b",), {}).context == tuple(text.ends)


def test_a_prefix_is_kept_up_to_where_the_joined_text_differs(tmp_path: Path) -> None:
    text = text_of(tmp_path)
    whole = text.encode("say yes or no")
    assert plan_generation(text, Prompt("say ", "yes or no"), 1, {}).prefix.tokens == tuple(
        whole[:3]
    )
    assert plan_generation(text, Prompt("say yes", " or no"), 1, {}).prefix.tokens == tuple(
        text.encode("say yes")
    )
    assert plan_generation(text, Prompt("say", ""), 1, {}).prefix.tokens == tuple(text.encode("sa"))


def test_templates(tmp_path: Path) -> None:
    plain = text_of(tmp_path)
    with pytest.raises(ConfigError, match="'tiny' has no chat template"):
        plain.render([("user", "hi")], open_turn=True)
    text = text_of(tmp_path, template=REFUSING)
    assert text.render([("user", "hi")], open_turn=True) == "ok"
    with pytest.raises(Poison, match="refuses these messages: user first"):
        text.render([("system", "x")], open_turn=True)


def test_a_cut_character_and_special_tokens_leave_no_trace(tmp_path: Path) -> None:
    text = text_of(tmp_path)
    tokens = text.encode("a€")
    assert len(tokens) == 4
    assert text.decode(tokens) == "a€"
    assert text.decode([*tokens[:-1], *text.ends]) == "a"


def test_a_tokenizer_that_is_none_is_refused_with_what_to_do(tmp_path: Path) -> None:
    text_of(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"}')
    with pytest.raises(ConfigError, match=r"tokenizer\.json in .* cannot be read .*--force"):
        Text(tmp_path, "tiny")
