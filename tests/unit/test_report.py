"""Reports: one page that needs nothing else, the same bytes every time, and shows nobody."""

from __future__ import annotations

import copy
import dataclasses
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

import linkkit as lk
from linkkit.agreement import passes_of
from linkkit.assess import (
    field_evidence,
    overlaps,
    threshold_curve,
    true_quality,
    weight_histogram,
)
from linkkit.assess.example import example_linkage
from linkkit.errors import (
    DependencyError,
    MismatchError,
    OptionError,
    SealError,
    WrongStageError,
)
from linkkit.report import (
    linkage_report,
    plot_field_weights,
    plot_match_weights,
    plot_overlaps,
    plot_threshold_curve,
)
from linkkit.report.style import inline_svg
from linkkit.synth import youth_partnership

matplotlib = pytest.importorskip("matplotlib")

PLOTS = [plot_match_weights, plot_threshold_curve, plot_overlaps, plot_field_weights]
ASSESSED = {
    plot_match_weights: weight_histogram,
    plot_threshold_curve: threshold_curve,
    plot_overlaps: lambda result: overlaps(result.crosswalk),
    plot_field_weights: field_evidence,
}


@pytest.fixture(scope="module")
def result():
    return example_linkage().result


@pytest.fixture(scope="module")
def town():
    return youth_partnership(n_district=150, n_summer=60, n_jobs=25)


@pytest.fixture(scope="module", params=["standard", "field"])
def town_agreement(request, town):
    linkage = {**town.agreement["linkage"], "profile": request.param}
    return lk.Agreement.from_document({**town.agreement, "linkage": linkage})


def encode_all(town, agreement):
    secret = lk.Secret.generate()
    return {
        party: lk.encode(frame, agreement, secret, party=party)
        for party, frame in town.extracts.items()
    }


@pytest.fixture(scope="module")
def encoded(town, town_agreement):
    return encode_all(town, town_agreement)


@pytest.fixture(scope="module")
def linked_by_field(town):
    linkage = {**town.agreement["linkage"], "profile": "field"}
    agreement = lk.Agreement.from_document({**town.agreement, "linkage": linkage})
    return lk.link([item.encodings for item in encode_all(town, agreement).values()])


@pytest.fixture(scope="module")
def linked(encoded):
    return lk.link([item.encodings for item in encoded.values()])


@pytest.fixture(scope="module")
def truth(town, encoded, linked):
    person = town.truth.set_index(["party", "record_id"])["person"]
    rows = [
        (token, person[party, record])
        for party, item in encoded.items()
        for token, record in item.token_map.to_pandas()[["token", "record_id"]].itertuples(
            index=False
        )
    ]
    import pandas as pd

    return true_quality(linked.crosswalk, pd.DataFrame(rows, columns=["token", "person"]))


@pytest.fixture(scope="module")
def page(linked, town_agreement, encoded, truth, tmp_path_factory):
    path = linkage_report(
        linked,
        tmp_path_factory.mktemp("report") / "new" / "linkage.html",
        agreement=town_agreement,
        truth=truth,
        encoding_counts={party: item.encodings.counts for party, item in encoded.items()},
    )
    return path.read_text(encoding="utf-8")


def body_text(page: str) -> str:
    page = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


class TestPlots:
    @pytest.mark.parametrize("plot", PLOTS)
    def test_from_a_linkage_or_from_what_was_assessed(self, plot, result):
        from matplotlib.figure import Figure

        one, other = plot(result), plot(ASSESSED[plot](result))
        assert isinstance(one, Figure)
        svgs = {inline_svg(figure, name="x", label="x") for figure in (one, other)}
        assert len(svgs) == 1

    @pytest.mark.parametrize("plot", PLOTS)
    def test_the_users_settings_are_left_alone_and_change_nothing(self, plot, result):
        expected = inline_svg(plot(result), name="x", label="x")
        with matplotlib.rc_context({"font.size": 30.0, "svg.fonttype": "path"}):
            before = dict(matplotlib.rcParams)
            assert inline_svg(plot(result), name="x", label="x") == expected
            assert dict(matplotlib.rcParams) == before

    @pytest.mark.parametrize("plot", PLOTS)
    def test_without_matplotlib(self, plot, result, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(DependencyError, match="matplotlib is needed") as caught:
            plot(result)
        assert caught.value.code == "dependency"
        assert caught.value.hint == "pip install 'linkkit[plots]'"

    def test_the_threshold_chart_shows_the_curve(self, result):
        curve = threshold_curve(result)
        precision, recall, f1 = plot_threshold_curve(curve).axes[0].lines[:3]
        assert tuple(precision.get_ydata()) == curve.precision
        assert tuple(recall.get_ydata()) == curve.recall
        assert tuple(f1.get_ydata()) == curve.f1

    def test_the_overlap_chart_labels_every_combination(self, result):
        found = overlaps(result.crosswalk)
        _, columns, _ = plot_overlaps(found).axes
        assert [text.get_text() for text in columns.texts] == [
            f"{item.n_people:,}" for item in found.combinations
        ]

    def test_small_counts_are_neither_written_nor_drawn(self, linked):
        found = overlaps(linked.crosswalk)
        small = [item.n_people for item in found.combinations if item.n_people < 10]
        assert small
        _, columns, _ = plot_overlaps(found, smallest_cell=10).axes
        heights = [patch.get_height() for patch in columns.patches]
        assert min(heights) >= 10
        assert [text.get_text() for text in columns.texts][-len(small) :] == ["<10"] * len(small)
        bars = plot_match_weights(linked, smallest_cell=10).axes[0].patches
        assert all(bar.get_height() == 0 or bar.get_height() >= 10 for bar in bars)

    @pytest.mark.parametrize("plot", [plot_match_weights, plot_overlaps])
    def test_options(self, plot, result):
        with pytest.raises(OptionError, match="'smallest_cell'"):
            plot(result, smallest_cell=0)

    def test_levels_that_never_occur_are_left_out(self, linked_by_field):
        evidence = field_evidence(linked_by_field)
        occurring = [item for item in evidence.levels if item.occurs]
        assert len(occurring) < len(evidence.levels)
        weights = plot_field_weights(evidence).axes[0]
        assert len(weights.get_yticks()) == len(occurring)


class TestPage:
    def test_the_same_bytes_twice(self, linked, town_agreement, tmp_path):
        pages = {
            linkage_report(linked, tmp_path / name, agreement=town_agreement).read_bytes()
            for name in ("one.html", "two.html")
        }
        assert len(pages) == 1

    def test_the_same_bytes_in_another_process(self, result, tmp_path):
        code = (
            "import sys; from linkkit.assess.example import example_linkage\n"
            "from linkkit.report import linkage_report\n"
            "linkage_report(example_linkage().result, sys.argv[1])"
        )
        for seed in ("1", "2"):
            subprocess.run(
                [sys.executable, "-c", code, tmp_path / seed],
                check=True,
                env={
                    "PYTHONPATH": ":".join(sys.path),
                    "PYTHONHASHSEED": seed,
                    "HOME": str(tmp_path),
                },
            )
        here = linkage_report(result, tmp_path / "here").read_bytes()
        assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes() == here

    def test_it_needs_no_other_file(self, page):
        assert "http" not in page
        assert not re.search(r"<script|<link|<img|<iframe|@import|\bsrc=|srcset", page)
        assert set(re.findall(r"url\(([^)]{1})", page)) <= {"#"}
        assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))

    def test_no_token_and_no_person_id(self, page, linked):
        frame = linked.crosswalk.to_pandas()
        assert not any(value in page for name in ("token", "person_id") for value in frame[name])

    def test_no_value_of_any_record(self, page, town):
        text = body_text(page)
        cells = {
            str(cell)
            for table in town.extracts.values()
            for column in table
            for cell in table[column].dropna()
            if len(str(cell)) > 5
        }
        assert len(cells) > 500
        found = {cell for cell in cells if re.search(rf"(?<!\w){re.escape(cell)}(?!\w)", text)}
        assert not found

    def test_ids_are_unique_and_every_chart_is_well_formed(self, page):
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        charts = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
        assert len(charts) == 4
        for chart in charts:
            root = ET.fromstring(chart)
            assert root.get("role") == "img"
            assert root.get("aria-label")
        used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', page))
        assert {a or b for a, b in used} <= set(ids)

    def test_no_light_color_is_left_in_a_chart(self, page):
        charts = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
        assert not re.findall(r"#[0-9a-f]{6}\b", charts)

    def test_it_says_what_it_is_made_under(self, page, town_agreement):
        for text in (
            town_agreement.id,
            town_agreement.fingerprint,
            town_agreement.steward.name,
            f"linkkit {lk.__version__}",
        ):
            assert text in page

    def test_headline_numbers(self, page, linked):
        text = body_text(page)
        assert f"records {sum(linked.n_records.values())}" in text
        assert f"people {linked.crosswalk.n_people}" in text
        assert "reduction ratio" in text
        assert "exactly right" in text

    def test_small_counts_are_hidden(self, page, linked, town_agreement):
        assert town_agreement.protection.smallest_cell == 10
        small = [x for x in overlaps(linked.crosswalk).combinations if x.n_people < 10]
        assert small
        text = body_text(page)
        for item in small:
            assert f" {' + '.join(item.parties)} &lt;10 " in text
        assert "can be worked out" in text

    def test_without_an_agreement_it_warns_that_counts_are_shown(self, result, tmp_path):
        page = linkage_report(result, tmp_path / "p.html").read_text(encoding="utf-8")
        assert "No agreement was given" in page
        assert "&lt;10" not in page
        assert "How good it really is" not in page

    def test_concerns_are_on_it(self, result, tmp_path):
        model = dataclasses.replace(result.model, converged=False)
        broken = dataclasses.replace(result, model=model)
        page = linkage_report(broken, tmp_path / "p.html").read_text(encoding="utf-8")
        assert 'class="notice warning"><strong>The match model was still changing' in page

    def test_markup_in_the_agreement_is_text(self, town, tmp_path):
        document = copy.deepcopy(town.agreement)
        document["title"] = "A <script>alert(1)</script> & Co"
        agreement = lk.Agreement.from_document(document)
        secret = lk.Secret.generate()
        result = lk.link(
            [
                lk.encode(frame, agreement, secret, party=party).encodings
                for party, frame in town.extracts.items()
            ]
        )
        path = linkage_report(result, tmp_path / "p.html", agreement=agreement)
        page = path.read_text(encoding="utf-8")
        assert "<script" not in page
        assert "A &lt;script&gt;" in page

    def test_blocked_linkage_names_its_passes(self, encoded, town_agreement, tmp_path):
        result = lk.link([x.encodings for x in encoded.values()], block="blocks")
        page = linkage_report(result, tmp_path / "p.html").read_text(encoding="utf-8")
        assert "Not every pair was compared" in page
        by_field = town_agreement.linkage.profile == "field"
        assert ("given_name and birth_date" in page) == by_field
        assert ("several samples of their bits" in page) != by_field

    def test_it_speaks_of_what_was_compared(self, page, town_agreement):
        text = body_text(page)
        by_pass = "What each pass told", "month and day of birth date", "first 3 letters of given"
        by_field = "What each field told", "Records in which a field is missing", "Equal values are"
        passes = bool(passes_of(town_agreement))
        assert [words in text for words in by_pass] == [passes] * 3
        assert [words in text for words in by_field] == [not passes] * 3
        assert f"Encoding profile {town_agreement.linkage.profile} " in text

    def test_one_party_alone(self, encoded, tmp_path):
        result = lk.link([encoded["summer"].encodings])
        text = body_text(linkage_report(result, tmp_path / "p.html").read_text(encoding="utf-8"))
        assert "of 1 party" in text
        assert "shared people" not in text

    def test_no_candidate_pair(self, result, tmp_path):
        scored = result.pairs.scored
        nothing = dataclasses.replace(
            scored,
            **{
                name: getattr(scored, name)[:0]
                for name in ("left", "right", "levels", "weight", "probability")
            },
        )
        pairs = dataclasses.replace(result.pairs, scored=nothing, linked=result.pairs.linked[:0])
        quality = dataclasses.replace(result.quality, n_links=0, precision=1.0, recall=1.0)
        empty = dataclasses.replace(result, pairs=pairs, quality=quality)
        page = linkage_report(empty, tmp_path / "p.html").read_text(encoding="utf-8")
        assert "No two records were linked." in page


class TestRefusals:
    def test_another_agreement(self, linked, agreement, town, tmp_path):
        with pytest.raises(MismatchError, match="under agreement 'alder-bend") as caught:
            document = dict(town.agreement, id="another-one")
            linkage_report(linked, tmp_path / "p", agreement=lk.Agreement.from_document(document))
        assert caught.value.code == "mismatch"
        document = dict(town.agreement, title="Another text")
        with pytest.raises(MismatchError, match="under another text"):
            linkage_report(linked, tmp_path / "p", agreement=lk.Agreement.from_document(document))
        with pytest.raises(OptionError, match="must be an Agreement, not str"):
            linkage_report(linked, tmp_path / "p", agreement="agreement.yaml")
        assert not list(tmp_path.iterdir())

    def test_wrong_stage(self, result, tmp_path):
        with pytest.raises(WrongStageError, match="takes a LinkResult, not Crosswalk"):
            linkage_report(result.crosswalk, tmp_path / "p")
        with pytest.raises(WrongStageError, match="takes LinkageScores, not DataFrame"):
            linkage_report(result, tmp_path / "p", truth=example_linkage().truth)

    def test_counts_of_a_stranger(self, result, tmp_path):
        with pytest.raises(MismatchError, match="names 'bakery'") as caught:
            linkage_report(result, tmp_path / "p", encoding_counts={"bakery": {"n_set_aside": 1}})
        assert "clinic, school, shelter" in caught.value.hint

    def test_a_failed_report_leaves_the_old_one(self, result, tmp_path, monkeypatch):
        path = tmp_path / "linkage.html"
        path.write_text("old", encoding="utf-8")
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(DependencyError, match="matplotlib"):
            linkage_report(result, path)
        assert path.read_text(encoding="utf-8") == "old"
        assert [item.name for item in tmp_path.iterdir()] == ["linkage.html"]

    def test_a_folder_that_cannot_be_written(self, result, tmp_path):
        (tmp_path / "file").write_text("", encoding="utf-8")
        with pytest.raises(SealError, match="cannot be written"):
            linkage_report(result, tmp_path / "file" / "p.html")


def run_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    ).stdout


def test_importing_loads_no_plotting():
    code = "import sys, linkkit.report; print('matplotlib' in sys.modules, 'jinja2' in sys.modules)"
    assert run_python(code) == "False False\n"


def test_drawing_touches_no_pyplot(tmp_path):
    code = (
        "import sys; from linkkit.assess.example import example_linkage\n"
        "from linkkit.report import linkage_report\n"
        f"linkage_report(example_linkage().result, {str(tmp_path / 'p.html')!r})\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    assert run_python(code) == "False\n"
