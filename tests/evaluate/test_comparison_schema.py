"""Shape of the comparison file."""

from __future__ import annotations

import pytest
from made_scores import pretrained, variant

from ssl4sar.core.errors import UserError
from ssl4sar.evaluate.comparison import build_comparison
from ssl4sar.evaluate.comparison_schema import PretrainingComparison, validate_comparison
from ssl4sar.evaluate.result import describe_dataset


def made() -> dict:
    variants = {
        "none": variant([1.0, 2.0]),
        "optsimmim": pretrained("optsimmim", [1.0, 2.0]),
    }
    return build_comparison(describe_dataset("micro", source="synthetic"), variants, {}, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("variants"), "variants: Field required"),
        (lambda c: c.update(extra=1), "extra: Extra inputs"),
        (lambda c: c.update(schema="other/1"), "schema: Input should be"),
        (lambda c: c["variants"].update(other=1), r"variants\.other"),
        (lambda c: c["skipped"].update(other="x"), r"skipped\.other"),
        (lambda c: c["variants"]["none"]["runs"].clear(), r"variants\.none\.runs"),
        (lambda c: c["published"].update(reproduced=True), r"published\.reproduced"),
        (lambda c: c["pairs"][0]["mde_m"].update(levene_p=float("nan")), "levene_p: .*finite"),
    ],
)
def test_wrong_files_are_refused_with_the_place(change, message: str) -> None:
    comparison = made()
    change(comparison)
    with pytest.raises(UserError, match=message):
        validate_comparison(comparison, "results/x.json")


def test_every_key_is_described() -> None:
    schema = PretrainingComparison.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        for key, value in part["properties"].items():
            assert value.get("description"), key
