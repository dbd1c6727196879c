"""ScriptedModel says what its script says, and fails as a model fails."""

import numpy as np
import pytest

from comitia.errors import ConfigError, Overloaded
from comitia.ports import Model, Prompt, Sampling, Usage
from comitia.testing import ScriptedModel


async def test_scores_come_in_turn_and_the_last_repeats() -> None:
    model: Model = ScriptedModel(scores=[(-1.0, -2.0), (-3.0, -0.5)])
    prompt = Prompt("shared words here ", "own text")
    got = [(await model.score(prompt, ["a", "b"])).log_likelihoods for _ in range(3)]
    assert got == [(-1.0, -2.0), (-3.0, -0.5), (-3.0, -0.5)]
    assert (await model.score(prompt, ["a", "b"])).usage == Usage(5, 0, 3)


async def test_a_function_scores_by_prompt_and_options() -> None:
    model = ScriptedModel(scores=lambda whole, options: [-float(o not in whole) for o in options])
    assert (await model.score(Prompt("", "yes it is"), ["no", "yes"])).log_likelihoods == (-1, 0)
    assert model.calls == [("score", "yes it is")]


async def test_errors_in_the_script_are_raised_in_their_turn() -> None:
    model = ScriptedModel(texts=[Overloaded("full"), "fine now"])
    with pytest.raises(Overloaded):
        await model.generate(Prompt("", "x"), Sampling(5))
    assert (await model.generate(Prompt("", "x"), Sampling(5))).text == "fine now"


async def test_generation_is_cut_at_the_token_limit() -> None:
    model = ScriptedModel(texts=["one two three"])
    found = await model.generate(Prompt("a b ", "c"), Sampling(tokens_max=2))
    assert (found.text, found.finish, found.usage) == ("one two", "length", Usage(3, 2, 2))


async def test_vectors_have_unit_length() -> None:
    model = ScriptedModel(vectors={"a": (3.0, 4.0), "b": (0.0, 2.0)})
    found = await model.embed(["b", "a"])
    assert np.allclose(found.vectors, [[0.0, 1.0], [0.6, 0.8]])


async def test_a_verb_without_a_script_is_one_that_the_model_cannot_do() -> None:
    model = ScriptedModel(name="mute")
    with pytest.raises(ConfigError, match="mute cannot score"):
        await model.score(Prompt("", "x"), ["a"])
    with pytest.raises(ConfigError, match="mute cannot generate"):
        await model.generate(Prompt("", "x"), Sampling(1))
    with pytest.raises(ConfigError, match="mute cannot embed"):
        await model.embed(["x"])


async def test_a_turn_is_opened_for_the_assistant() -> None:
    model = ScriptedModel()
    assert model.render([("user", "hi")]) == "user: hi\nassistant: "
    assert model.render([("user", "hi")], open_turn=False) == "user: hi\n"
    await model.close()
    assert model.closed
