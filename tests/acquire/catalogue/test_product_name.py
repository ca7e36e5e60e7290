"""Names of products: what they tell, and that nothing else is taken for one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.acquire.catalogue.product_name import (
    ProductName,
    bare_name,
    is_kind,
    parse_name,
)

SAR = "S1A_IW_GRDH_1SDV_20150203T043109_20150203T043134_004454_00574F_6D00"
OPTICAL = "S2B_MSIL2A_20230702T064631_N0509_R020_T42VWN_20230702T073123"
TIME = r"20[1-9][0-9](0[1-9]|1[0-2])([01][1-9]|2[0-8])T([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]"
SAR_NAMES = st.from_regex(
    r"S1[A-D]_(IW|EW|WV|S[1-6])_(GRD[HM]|SLC_|OCN_)_1S[SD][HV]_"
    rf"{TIME}_{TIME}_[0-9]{{6}}_[0-9A-F]{{6}}_[0-9A-F]{{4}}(_COG)?",
    fullmatch=True,
)
OPTICAL_NAMES = st.from_regex(
    rf"S2[A-D]_MSIL(1C|2A)_{TIME}_N[0-9]{{4}}_R[01][0-9]{{2}}_T[0-6][0-9][C-HJ-NP-X][A-HJ-NP-Z]"
    rf"[A-HJ-NP-V]_{TIME}",
    fullmatch=True,
)
ENDINGS = st.sampled_from(["", ".SAFE", ".zip", ".SAFE.zip", ".safe"])


def test_a_sar_name() -> None:
    assert parse_name(SAR) == ProductName(
        name=SAR,
        mission="sentinel-1",
        platform="S1A",
        product_type="IW_GRDH_1S",
        start=datetime(2015, 2, 3, 4, 31, 9, tzinfo=UTC),
        stop=datetime(2015, 2, 3, 4, 31, 34, tzinfo=UTC),
        datatake="00574F",
        mode="IW",
        polarisations=("VV", "VH"),
        relative_orbit=7,
    )


def test_an_optical_name() -> None:
    start = datetime(2023, 7, 2, 6, 46, 31, tzinfo=UTC)
    assert parse_name(OPTICAL) == ProductName(
        name=OPTICAL,
        mission="sentinel-2",
        platform="S2B",
        product_type="S2MSI2A",
        start=start,
        stop=start,
        datatake="20230702T064631",
        relative_orbit=20,
        baseline="05.09",
        tile="42VWN",
    )


@given(SAR_NAMES, ENDINGS)
def test_every_sar_name_is_read_back(name: str, ending: str) -> None:
    known = parse_name(name + ending)
    assert (known.name, known.platform, known.mode) == (name, name[:3], name[4:6])
    assert f"{known.start:%Y%m%dT%H%M%S}_{known.stop:%Y%m%dT%H%M%S}" == name[17:48]
    assert known.datatake == name[56:62]
    assert known.polarisations[0] == ("HH" if name[15] == "H" else "VV")
    assert len(known.polarisations) == (2 if name[14] == "D" else 1)
    assert known.product_type == name[4:14] + ("-COG" if name.endswith("_COG") else "")


@given(OPTICAL_NAMES, ENDINGS)
def test_every_optical_name_is_read_back(name: str, ending: str) -> None:
    known = parse_name(name + ending)
    assert (known.name, known.platform, known.tile) == (name, name[:3], name[39:44])
    assert f"{known.start:%Y%m%dT%H%M%S}" == known.datatake == name[11:26]
    assert known.product_type == f"S2MSI{name[8:10]}"
    assert (known.baseline, known.relative_orbit) == (
        f"{name[28:30]}.{name[30:32]}",
        int(name[34:37]),
    )


@given(st.one_of(st.text(), st.from_regex(r"S[12][A-D]_\w+")))
def test_anything_else_is_refused(text: str) -> None:
    try:
        told = parse_name(text)
    except ValueError:
        return
    assert told.name == bare_name(text)


@pytest.mark.parametrize(
    "name",
    [
        "",
        SAR[:-1],
        SAR + "0",
        SAR.replace("S1A", "S1E"),
        SAR.replace("IW", "IX"),
        SAR.replace("20150203T043109", "20150230T043109"),
        OPTICAL.replace("T42VWN", "T42VWO"),
        OPTICAL.replace("20230702T064631", "20231302T064631"),
        "S2A_OPER_PRD_MSIL1C_PDMC_20160101T000000_R020_V20160101T000000_20160101T000000",
        "S1A_OPER_AUX_POEORB_OPOD_20210301T130653_V20140406T225944_20140408T005944.EOF",
        SAR + "\n",
        SAR.replace("004454", "00445\u0664"),
    ],
)
def test_names_with_a_mistake_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        parse_name(name)


def test_names_of_real_products_agree_with_their_manifests(test_data: Path) -> None:
    checked = 0
    for path in sorted((test_data / "sentinel1" / "grdh").iterdir()):
        told = parse_name(path.name)
        assert told.mission == "sentinel-1"
        text = _manifest(path)
        times = re.findall(r"<safe:(?:start|stop)Time>([^<]+)", text)
        assert [time[:19] for time in times] == [
            f"{told.start:%Y-%m-%dT%H:%M:%S}",
            f"{told.stop:%Y-%m-%dT%H:%M:%S}",
        ]
        datatake = re.search(r"missionDataTakeID>(\d+)<", text)
        track = re.search(r'relativeOrbitNumber type="start">(\d+)<', text)
        assert datatake is not None
        assert track is not None
        assert int(str(told.datatake), 16) == int(datatake[1])
        assert told.relative_orbit == int(track[1])
        checked += 1
    assert checked == 6


def _manifest(path: Path) -> str:
    if path.is_dir():
        return (path / "manifest.safe").read_text()
    with ZipFile(path) as archive:
        name = next(each for each in archive.namelist() if each.endswith("/manifest.safe"))
        return archive.read(name).decode()


@pytest.mark.parametrize(
    ("kind", "wanted", "fitting"),
    [
        ("IW_GRDH_1S", "IW_GRDH_1S", True),
        ("IW_GRDH_1S-COG", "IW_GRDH_1S", True),
        ("S3_GRDH_1S", "SM_GRDH_1S", True),
        ("S3_GRDH_1S-COG", "SM_GRDH_1S", True),
        ("EW_GRDH_1S", "SM_GRDH_1S", False),
        ("EW_GRDH_1S", "EW_GRDM_1S", False),
    ],
)
def test_kinds(kind: str, wanted: str, fitting: bool) -> None:
    assert is_kind(kind, wanted) is fitting
