"""What the votes are worth: Comitia's beside crowd-kit's, the best agent's, the mean agent's and
pref_voting's, on real votes, rankings and texts.

`python -m bench.consensus --data DIR [--json FILE] [--only PARTS] [--seeds N] [--seed S]` measures
on every folder that DIR has: crowd_labels (people's labels), llm_votes (language models' answers to
questions with options), rankings (of options by people), translations_scored (by systems, scored by
people), text_classification (for `live`: agents on Apache Kafka, and a learner that is killed). N
seeds, fresh unless S names the first, draw what is fed back, the order of tasks and the bootstrap's
items; 95 % intervals. Peers run in environments of their own that this makes.
"""

from collections.abc import Sequence
from pathlib import Path

from bench import (
    consensus_crowd,
    consensus_live,
    consensus_llm_votes,
    consensus_rankings,
    consensus_translations,
)
from bench.environments import asked_versions
from bench.parts import Part, chosen_of, measured
from bench.reports import Figures, show

PACKAGES = ("comitia", "numpy", "fastchrf")


def _llm_votes(data: Path, seeds: Sequence[int]) -> Figures:
    return consensus_llm_votes.measure(data, consensus_crowd.Peers(), seeds)


PARTS = {
    "crowd_labels": Part("crowd_labels", consensus_crowd.measure, consensus_crowd.goals),
    "llm_votes": Part("llm_votes", _llm_votes, consensus_llm_votes.goals),
    "rankings": Part("rankings", consensus_rankings.measure, consensus_rankings.goals),
    "translations": Part(
        "translations_scored", consensus_translations.measure, consensus_translations.goals
    ),
    "live": Part("text_classification", consensus_live.measure, consensus_live.goals),
}


def main() -> None:
    chosen = chosen_of(__doc__ or "", list(PARTS))
    made = measured(PARTS, chosen, PACKAGES)
    made["versions"] |= asked_versions("crowdkit", "pref_voting", "sacrebleu")
    show(made, chosen.json)


if __name__ == "__main__":
    main()
