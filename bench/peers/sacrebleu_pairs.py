"""sacrebleu's chrF of pairs of texts. Runs in its own environment and imports nothing of Comitia.

In: a file of JSON, [[what is said, what is right], ...]. Out: one line of JSON, {"scores": chrF2 of
each, 0 to 100, "seconds": for all}, with sacrebleu's own settings.
"""

import json
import sys
import time

from sacrebleu.metrics import CHRF  # type: ignore[import-not-found]


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        pairs = json.load(file)
    chrf = CHRF()
    began = time.perf_counter()
    scores = [chrf.sentence_score(said, [right]).score for said, right in pairs]
    print(json.dumps({"scores": scores, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
