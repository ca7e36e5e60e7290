"""Shape of the result file."""

from __future__ import annotations

import pytest

from ssl4sar.core.errors import UserError
from ssl4sar.evaluate.result_schema import CaffeResult, validate_result


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("mde_m"), "mde_m: Field required"),
        (lambda r: r.update(extra=1), "extra: Extra inputs"),
        (lambda r: r.update(schema="other/1"), "schema: Input should be"),
        (lambda r: r["runs"][0].update(mde_m=float("nan")), "runs.0.mde_m: .*finite"),
        (lambda r: r["dataset"].update(synthetic="perhaps"), "dataset.synthetic"),
    ],
)
def test_wrong_files_are_refused_with_the_place(result, change, message: str) -> None:
    change(result)
    with pytest.raises(UserError, match=message):
        validate_result(result, "results/x.json")


def test_every_key_is_described() -> None:
    schema = CaffeResult.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        for key, value in part["properties"].items():
            assert value.get("description"), key
