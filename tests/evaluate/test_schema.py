"""Shapes of the result and of the comparison."""

from __future__ import annotations

import pytest
from made_scores import pretrained, scored

from ssl4sar.core.errors import UserError
from ssl4sar.evaluate.comparison import build_comparison
from ssl4sar.evaluate.result import describe_dataset
from ssl4sar.evaluate.schema import CaffeResult, Comparison, read_comparison, read_result


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("mde_m"), "mde_m: Field required"),
        (lambda r: r["runs"][0].update(mde_m=float("nan")), r"runs\.0\.mde_m: .*finite"),
        (lambda r: r["dataset"].update(synthetic="perhaps"), r"dataset\.synthetic"),
        (lambda r: r.update(schema="ssl4sar.caffe-mde/1"), r"caffe-mde/1, .*; make it again"),
    ],
)
def test_wrong_results_are_refused_with_the_place(result, change, message: str) -> None:
    change(result)
    with pytest.raises(UserError, match=rf"results/x\.json: .*{message}") as caught:
        read_result(result, "results/x.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("models"), "models: Field required"),
        (lambda c: c["models"][0]["runs"].clear(), r"models\.0\.runs"),
        (lambda c: c["published"].update(reproduced=True), r"published\.reproduced"),
        (lambda c: c["pairs"][0]["mde_m"].update(levene_p=float("nan")), "levene_p: .*finite"),
        (lambda c: c.update(schema="ssl4sar.pretraining-comparison/1"), "; make it again"),
    ],
)
def test_wrong_comparisons_are_refused_with_the_place(change, message: str) -> None:
    models = [scored("none", [1.0, 2.0]), pretrained("optsimmim", [1.0, 2.0])]
    comparison = build_comparison(describe_dataset("micro", source="synthetic"), models, {})
    change(comparison)
    with pytest.raises(UserError, match=message):
        read_comparison(comparison, "results/x.json")


@pytest.mark.parametrize("kind", [CaffeResult, Comparison])
def test_every_key_is_described(kind) -> None:
    schema = kind.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        for key, value in part["properties"].items():
            assert value.get("description"), key
