"""The blocks that agents' cards are made of: examples, calibration, and prompts by the way in which
they are answered. In comes what a card says, field by field; out come frozen blocks. Pure.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)


def _item(item: str) -> str:
    if item.count("{input}") != 1:
        raise ValueError("must hold {input} exactly once")
    return item


Item = Annotated[str, AfterValidator(_item)]
Text = Annotated[str, Field(min_length=1)]


class Block(BaseModel):
    """`later`: fields that cards did not have at first. Where they are not used they are left out
    of what a card is told by, so that the digests of older cards stay what they were.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_later(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        unused = {name for name in self.later if getattr(self, name) == fields[name].default}
        told: dict[str, Any] = whole(self)
        return {name: value for name, value in told.items() if name not in unused}


class Example(Block):
    """A worked example. `answer` is an option's id for choices, else the text to be imitated."""

    input: Text
    answer: Text


class Calibration(Block):
    """Corrects the log-likelihoods of options before the softmax: scale * (log p(o|x) -
    baseline(o) + bias(o)).

    `content_free`: the baseline is the mean log p(o|c) over these inputs c that say nothing,
    asked of the model itself (contextual calibration: Zhao et al., "Calibrate Before Use", ICML
    2021, arXiv:2102.09690; as a difference of logarithms it is PMI-DC, Holtzman et al., EMNLP
    2021, DOI 10.18653/v1/2021.emnlp-main.564). `bias`: nats per option id, fitted beforehand; it
    applies to tasks with just these options. `scale`: 1 / temperature. `source` says what bias
    and scale were fitted on.
    """

    content_free: tuple[str, ...] = ()
    bias: dict[str, float] = Field(default_factory=dict)
    scale: float = Field(default=1.0, gt=0.0)
    source: str = ""

    @model_validator(mode="after")
    def _says_its_source(self) -> "Calibration":
        if (self.bias or self.scale != 1.0) and not self.source:
            raise ValueError("bias or scale without source: say what they were fitted on")
        return self


class Prompt(Block):
    """How a task becomes the model's input.

    `item` holds {input} and may hold {options}; examples are written by the same item.
    `completion` puts `system`, examples and item one after the other with blank lines between;
    `chat` makes turns of them by the model's chat template. `words`: option id -> what the model
    reads and is scored on instead of the option's text. `adapter`: a LoRA adapter of the model's
    card; agents with different ones still share a batch.
    """

    later: ClassVar[tuple[str, ...]] = ("adapter",)
    style: Literal["completion", "chat"] = "completion"
    system: str = ""
    item: Item
    examples: tuple[Example, ...] = ()
    words: dict[str, Text] = Field(default_factory=dict)
    adapter: str = ""


class Choice(Prompt):
    """A prompt whose answer is the likeliest option."""

    calibration: Calibration = Calibration()


class Written(Prompt):
    """A prompt whose answer is written by the model, token by token.

    `temperature` 0 takes the likeliest token each time; above it, one is drawn among the `top_k`
    likeliest (0: all), of these among the likeliest that have `top_p` together, of these among
    those with `min_p` of the likeliest one's chance. `repetition_penalty` above 1 makes tokens
    less likely that stand in prompt or answer.
    """

    later: ClassVar[tuple[str, ...]] = (
        *Prompt.later,
        *("top_p", "top_k", "min_p", "repetition_penalty"),
    )
    tokens_max: int = Field(default=64, ge=1, le=4096)
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    top_k: int = Field(default=0, ge=0)
    min_p: float = Field(default=0.0, ge=0.0, lt=1.0)
    repetition_penalty: float = Field(default=1.0, ge=0.01, le=100.0)


class Generated(Written):
    """`stop` strings end the answer."""

    stop: tuple[Text, ...] = ()


class Nearest(Block):
    """Choice by an encoder: similarity of the input to labelled examples, or, without any, to the
    options' texts.

    `examples`: option id -> texts that belong to it.

    log-weight(o) = mean over the `neighbours` most similar examples of o of similarity /
    `temperature`.
    """

    examples: dict[str, Annotated[tuple[Text, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    neighbours: int = Field(default=8, ge=1)
    temperature: float = Field(default=0.05, gt=0.0)
    calibration: Calibration = Calibration()
