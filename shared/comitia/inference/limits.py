"""How much a decoder's engine takes on at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from comitia.errors import ConfigError
from comitia.inference.cache import token_bytes
from comitia.inference.runner import CHUNK_TOKENS_MAX
from comitia.inference.space import BUCKET_TOKENS, buckets

# Of each row, where nothing is said.
_ROW_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Limits:
    """`rows`: texts at work together. `shelves`: prefixes kept. `chunk_tokens`: tokens of prompts
    in a step, `mixed_tokens` in one that also writes. `jobs`: waiting or at work. `cache_bytes`:
    memory for keys and values, 0 for 512 tokens a row.
    """

    rows: int = 16
    shelves: int = 8
    chunk_tokens: int = CHUNK_TOKENS_MAX
    mixed_tokens: int = 64
    jobs: int = 256
    cache_bytes: int = 0

    def cache_tokens(self, shape: Mapping[str, int], context: int, itemsize: int = 4) -> int:
        """How many tokens the cache may hold. Raises ConfigError where that is not even one
        bucket.
        """
        if not self.cache_bytes:
            return self.rows * buckets(min(context, _ROW_TOKENS))
        tokens = self.cache_bytes // token_bytes(shape, itemsize)
        if tokens < BUCKET_TOKENS:
            raise ConfigError(
                f"{self.cache_bytes >> 20} MiB of cache hold {tokens} tokens of this model, which "
                f"is too few to work with; set COMITIA_ENGINE_CACHE_MIB to "
                f"{(BUCKET_TOKENS * token_bytes(shape, itemsize) >> 20) + 1} or more."
            )
        return tokens
