"""Stand-ins for SNAP and pyroSAR, neither of which can be had from a package index.

The graph has the form of those that pyroSAR 0.39.1 wrote when it was given stand-ins for GDAL and
for the operators of SNAP; ``gpt`` checks it and writes an image whose value says where a pixel is.
Nothing of a real SNAP was seen.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

#: Variable that says how the stand-in for ``gpt`` behaves.
BEHAVIOUR = "MADE_SNAP"

_EXAMINE = """
class ExamineSnap:
    def get_version(self, module):
        assert module == "microwavetbx"
        return "12.0.1"
"""

_SNAP = '''
import datetime
import os
import pathlib
import re
import xml.etree.ElementTree as ET


def _orbit_is_there(start, platform):
    """As pyroSAR looks for it: by name, in the home folder, before it asks a server."""
    home = pathlib.Path(os.path.expanduser("~"))
    for file in (home / ".snap/auxdata/Orbits/Sentinel-1").rglob("*.EOF"):
        match = re.fullmatch(
            r"(S1[ABCD])_OPER_AUX_(POE|RES)ORB_OPOD_(\\d{8}T\\d{6})_V(\\d{8}T\\d{6})_(\\d{8}T\\d{6})",
            file.stem,
        )
        if match and match[1] == platform and match[4] <= start <= match[5]:
            return True
    return False


def geocode(infile, outdir, t_srs, spacing, polarizations, shapefile, scaling, refarea,
            terrainFlattening, removeS1BorderNoiseMethod, removeS1ThermalNoise, allow_RES_OSV,
            externalDEMFile, externalDEMNoDataValue, externalDEMApplyEGM, nodataValueAtSea,
            export_extra, alignToStandardGrid, standardGridOriginX, standardGridOriginY,
            test, returnWF):
    assert test and returnWF and scaling == "linear" and os.path.exists(infile)
    name = os.path.basename(infile)
    start, platform = re.search(r"\\d{8}T\\d{6}", name)[0], name[:3]
    if not _orbit_is_there(start, platform):
        raise ConnectionError("ProxyError: step.esa.int")
    # Fetched by version 0.39.1 whether or not heights are above EGM96.
    if not pathlib.Path("~/.snap/auxdata/dem/egm96/ww15mgh_b.zip").expanduser().is_file():
        raise ConnectionError("ProxyError: step.esa.int")
    text = lambda value: str(value).lower() if isinstance(value, bool) else str(value)
    pols = ",".join(polarizations)
    band = ("Gamma0_" if refarea == "gamma0" else "Sigma0_") + pols
    calibrated = "Beta0_" + pols if terrainFlattening else band
    dem = {
        "demName": "External DEM", "externalDEMFile": externalDEMFile,
        "externalDEMNoDataValue": externalDEMNoDataValue,
        "externalDEMApplyEGM": externalDEMApplyEGM,
    }
    nodes = [
        ("Read", {"file": infile, "formatName": "SENTINEL-1"}),
        ("Remove-GRD-Border-Noise", {"selectedPolarisations": pols}),
        ("Calibration", {
            "auxFile": "Latest Auxiliary File", "selectedPolarisations": pols,
            "outputSigmaBand": calibrated.startswith("Sigma"),
            "outputGammaBand": calibrated.startswith("Gamma"),
            "outputBetaBand": calibrated.startswith("Beta"),
        }),
        *([("ThermalNoiseRemoval", {"selectedPolarisations": pols})] * removeS1ThermalNoise),
        ("Apply-Orbit-File", {
            "orbitType": "Sentinel Precise (Auto Download)", "polyDegree": 3,
            "continueOnFail": False,
        }),
        *([("Subset", {"geoRegion": shapefile})] if shapefile else []),
        ("Multilook", {"nRgLooks": 2, "nAzLooks": 1, "sourceBands": calibrated}),
        *([("Terrain-Flattening", {**dem, "sourceBands": calibrated})] * terrainFlattening),
        ("Terrain-Correction", {
            **dem, "sourceBands": band, "pixelSpacingInMeter": spacing, "mapProjection": t_srs,
            "alignToStandardGrid": alignToStandardGrid,
            "standardGridOriginX": standardGridOriginX,
            "standardGridOriginY": standardGridOriginY,
            "nodataValueAtSea": nodataValueAtSea, "auxFile": "Latest Auxiliary File",
            **{"save" + each[0].upper() + each[1:]: True for each in export_extra},
        }),
        ("Write", {"file": os.path.join(outdir, "S1_made"), "formatName": "ENVI"}),
    ]
    graph = ET.Element("graph", id="Graph")
    ET.SubElement(graph, "version").text = "1.0"
    before = None
    for operator, parameters in nodes:
        node = ET.SubElement(graph, "node", id=operator)
        ET.SubElement(node, "operator").text = operator
        sources = ET.SubElement(node, "sources")
        if before:
            ET.SubElement(sources, "sourceProduct", refid=before)
        listed = ET.SubElement(node, "parameters")
        listed.set("class", "com.bc.ceres.binding.dom.XppDomElement")
        for key, value in parameters.items():
            ET.SubElement(listed, key).text = text(value)
        before = operator
    ET.SubElement(graph, "applicationData", id="Presentation")
    os.makedirs(outdir, exist_ok=True)
    path = os.path.join(outdir, "S1_made_proc.xml")
    ET.ElementTree(graph).write(path)
    return path
'''

_GPT = """
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

behaviour, _, detail = os.environ["MADE_SNAP"].partition(" ")
print("Picked up JAVA_TOOL_OPTIONS: ...", file=sys.stderr)
print("INFO: org.esa.snap.core.gpf.operators.tooladapter: Initializing", file=sys.stderr)


def fail(line):
    print("Error: " + line, file=sys.stderr)
    print("org.esa.snap.core.gpf.graph.GraphException: " + line, file=sys.stderr)
    print("    at org.esa.snap.core.gpf.graph.GraphProcessor", file=sys.stderr)
    sys.exit(1)


def check(holds, line):
    if not holds:
        fail("[NodeId: stub] " + line)


if behaviour == "hang":
    # As Java below its starting script; the second generation must not survive either.
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path(detail).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)
if behaviour == "fail":
    fail(detail)
if behaviour == "killed":
    os.kill(os.getpid(), 9)

root = ET.parse(sys.argv[1]).getroot()
nodes = {node.findtext("operator"): node for node in root.iterfind("node")}
get = lambda operator, name: nodes[operator].findtext("parameters/" + name)
if behaviour == "unknown" and nodes["Multilook"].find("parameters/nAzLooks") is not None:
    fail("[NodeId: Multilook] Operator 'Multilook': Unknown element 'nAzLooks'")
check(set(behaviour.split()) <= {"ok", "unknown", "moved", "mapped", "empty", "nothing"}, behaviour)

java = os.environ["JAVA_TOOL_OPTIONS"]
home = pathlib.Path(re.search(r"-Duser.home=(\\S+)", java)[1])
check(str(home) == os.environ["HOME"] and f"-Dsnap.userdir={home}/.snap" in java, "home")
for scheme in ("http", "https"):
    check(f"-D{scheme}.proxyHost=127.0.0.1 -D{scheme}.proxyPort=9" in java, "network of Java")
    check(os.environ[scheme + "_proxy"] == "http://127.0.0.1:9", "network")
check("no_proxy" not in os.environ and "NO_PROXY" not in os.environ, "network")

sources = {
    node.get("id"): [each.get("refid") for each in node.find("sources")]
    for node in root.iterfind("node")
}
for each in sources.values():
    check(set(each) <= set(sources), f"a source of {each} is missing")
check(all(sources[name] for name in sources if name != "Read"), "a node has no source")
for name, node in nodes.items():
    for parameter in node.find("parameters"):
        check("Latest" not in (parameter.text or ""), f"{name} would fetch {parameter.text}")
    if node.find("parameters/demName") is not None:
        check(get(name, "demName") == "External DEM", "it would fetch a model")
        check(get(name, "externalDEMApplyEGM") == "false", "heights are above the ellipsoid")
        check(float(get(name, "externalDEMNoDataValue")) == -32768, "missing heights")
check(not list(home.rglob("ww15mgh_b.zip")), "an empty grid of the geoid")
orbit = os.environ.get("MADE_SNAP_ORBIT")
check(len(list(home.rglob("*.EOF"))) == bool(orbit), "an empty orbit")
check(("Apply-Orbit-File" in nodes) == bool(orbit), "orbit")
if orbit:
    kind, month, digest = orbit.split()
    wanted = {"POEORB": "Precise", "RESORB": "Restituted"}[kind]
    check(f"Sentinel {wanted}" in get("Apply-Orbit-File", "orbitType"), "kind of orbit")
    folder = home / ".snap/auxdata/Orbits/Sentinel-1" / kind / "S1C" / month
    (file,) = folder.glob(f"S1C_OPER_AUX_{kind}_*.EOF")
    import hashlib
    check(hashlib.sha256(file.read_bytes()).hexdigest() == digest, "another orbit")
print("Executing processing graph")

import numpy as np
import rasterio
from pyproj import CRS
from rasterio.transform import Affine

with rasterio.open(get("Terrain-Correction", "externalDEMFile")) as model:
    heights, bounds, crs = model.read(1), model.bounds, model.crs
    check(model.nodata == -32768 and model.dtypes == ("float32",), "model")
spacing = float(get("Terrain-Correction", "pixelSpacingInMeter"))
wanted = get("Terrain-Correction", "mapProjection")
check(CRS.from_user_input(wanted) == CRS.from_wkt(crs.to_wkt()), "map")
check(get("Terrain-Correction", "alignToStandardGrid") == "true", "grid")
origin = [float(get("Terrain-Correction", "standardGridOrigin" + axis)) for axis in "XY"]
# Another extent, on the lattice of the origin, which is the centre of a pixel. The grid is 77
# pixels within the model: the image lacks its last columns, and shows nothing in its last rows.
x = origin[0] + np.floor((bounds.left + 9 * spacing - origin[0]) / spacing) * spacing
y = origin[1] + np.ceil((bounds.top - 7 * spacing - origin[1]) / spacing) * spacing
if behaviour == "moved":
    x += spacing / 3
height, width = heights.shape[0] - 12, heights.shape[1] - 9 - 80
xs, ys = x + np.arange(width) * spacing, y - np.arange(height) * spacing
power = (np.abs(xs[None, :] - 500_000) + 3 * np.abs(ys[:, None] - 7_000_000)) * 1e-8
power = power.astype(np.float32)
if behaviour == "empty":
    power[:] = 0
power[ys < bounds.bottom + 80 * spacing] = 0
band = get("Terrain-Correction", "sourceBands")
marks = np.zeros((height, width), np.uint8)
marks[120:130, 110:120], marks[140:150, 110:120] = 1, 255
bands = {
    band: power,
    "localIncidenceAngle": np.where(power > 0, 36.5, 0).astype(np.float32),
    "layover_shadow_mask_" + band.split("_")[1]: marks,
}
folder = pathlib.Path(get("Write", "file"))
folder.mkdir()
shown = "EPSG:32633" if behaviour == "mapped" else crs
for name, values in bands.items() if behaviour != "nothing" else ():
    with rasterio.open(
        folder / f"{name}.img", "w", driver="ENVI", width=width, height=height, count=1,
        dtype=values.dtype, crs=shown,
        transform=Affine(spacing, 0, x - spacing / 2, 0, -spacing, y + spacing / 2),
    ) as file:
        file.write(values, 1)
print("....10%....20%....30%....40%....50%....60%....70%....80%....90% done.")
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str = "ok") -> None:
    """Put ``gpt`` on PATH and pyroSAR where a new process of Python finds it."""
    library, programs = folder / "library", folder / "bin"
    info = library / "pyrosar-0.39.1.dist-info"
    for each in (library / "pyroSAR", info, programs):
        each.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pyroSAR\nVersion: 0.39.1\n")
    (library / "pyroSAR/__init__.py").touch()
    (library / "pyroSAR/examine.py").write_text(_EXAMINE)
    (library / "pyroSAR/snap.py").write_text(_SNAP)
    gpt = programs / "gpt"
    gpt.write_text(f"#!{sys.executable}\n{_GPT}")
    gpt.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(library), prepend=os.pathsep)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv(BEHAVIOUR, behaviour)


def power_at(x: object, y: object) -> object:
    """Return what the stand-in for SNAP shows at a place of its map."""
    return (abs(x - 500_000) + 3 * abs(y - 7_000_000)) * 1e-8  # type: ignore[operator]
