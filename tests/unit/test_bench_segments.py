"""Scored texts are read as the studies write them, whatever the sign of a penalty."""

import gzip
from pathlib import Path

import pytest

from bench.consensus_segments import read
from bench.consensus_translations import _draw, _gained, _tables
from comitia.consensus.minimum_bayes_risk import chrf

TEXTS = """system\tdoc\tdoc_id\tseg_id\trater\tsource\ttarget\tcategory\tseverity
A\td\t1\t1\tr1\ts\tA <v>red</v> "cat"\tStyle\tMinor
A\td\t1\t1\tr2\ts\tA red <v>"cat"</v>\tStyle\tMajor
B\td\t1\t1\tr1\ts\tA  red "cat"\tNo-error\tNo-error
C\td\t1\t1\tr1\ts\tRot\tStyle\tMinor
ref\td\t1\t1\tr1\ts\tA red cat.\tNo-error\tNo-error
A\td\t2\t2\tr1\ts\tonly one is scored\tNo-error\tNo-error
B\td\t2\t2\tr1\ts\tthe other is not\tNo-error\tNo-error
"""
SCORES = """system mqm_avg_score seg_id
A\t{sign}3.000000 1
B\t{sign}1.000000 1
C\t{sign}8.0 1
ref-A\t0.0 1
A\t0.0 2
B\tNone 2
"""


@pytest.mark.parametrize("sign", ["", "-"])
def test_segments_of_both_spellings(tmp_path: Path, sign: str) -> None:
    (tmp_path / "mqm_x.avg_seg_scores.tsv").write_text(SCORES.format(sign=sign))
    (tmp_path / "mqm_x.tsv.gz").write_bytes(gzip.compress(TEXTS.encode()))
    (tmp_path / "mqm_y.avg_seg_scores.tsv").write_text(SCORES.format(sign=sign))
    (tmp_path / "mqm_y.tsv").write_text(TEXTS)
    one, other = read(tmp_path)
    assert one == other
    # Marks are gone, what is the same text has one score, people's own text is left out.
    assert one.texts == {"A": 'A red "cat"', "B": 'A red "cat"', "C": "Rot"}
    assert one.scores == {'A red "cat"': -2.0, "Rot": -8.0}


def test_the_gain_is_that_over_the_panels_mean(tmp_path: Path) -> None:
    (tmp_path / "mqm_x.avg_seg_scores.tsv").write_text(SCORES.format(sign="-"))
    (tmp_path / "mqm_x.tsv").write_text(TEXTS)
    segments = read(tmp_path)
    (panels,) = drawn = _draw(segments, 0, (1,))
    assert panels == [['A red "cat"', 'A red "cat"', "Rot"]]
    gained, mean = _gained(segments, drawn, _tables(segments, chrf))
    assert gained.tolist() == pytest.approx([2.0])
    assert mean == pytest.approx(-4.0)


def test_panels_are_drawn_anew_for_every_seed(tmp_path: Path) -> None:
    (tmp_path / "mqm_x.avg_seg_scores.tsv").write_text(SCORES.format(sign="-"))
    (tmp_path / "mqm_x.tsv").write_text(TEXTS)
    segments = read(tmp_path)
    (once,), (again,), (more,) = (_draw(segments, 2, seeds) for seeds in ((1,), (1,), (1, 2)))
    assert once == again
    assert len(more) == 2 * len(once)
    assert {tuple(sorted(panel)) for panel in more} == {
        ('A red "cat"', 'A red "cat"'),
        ('A red "cat"', "Rot"),
    }


def test_a_folder_without_scores_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no texts with scores"):
        read(tmp_path)
    (tmp_path / "mqm_x.avg_seg_scores.tsv").write_text(SCORES.format(sign="-"))
    with pytest.raises(FileNotFoundError, match=r"no mqm_x\.tsv"):
        read(tmp_path)
