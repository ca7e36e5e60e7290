"""What provenance costs: the share of a job, the rate of an audit, a run with nothing to do.

    python benchmarks/provenance.py PROJECT [--configfile FILE]

PROJECT is the folder of a finished run. Every record is made once more, in a process of its own
that starts as a job does, and set against the time the job took. The rate of an audit is set
against plain SHA-256 of as many bytes in memory, in the same minute.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ssl4sar.core.errors import UserError
from ssl4sar.provenance.audit import audit_chain
from ssl4sar.provenance.chain import Node, chain_of

GOAL_SHARE = 0.02
GOAL_GB_PER_S = 1.0
GOAL_IDLE_S = 10.0
BIG_FILE_BYTES = 1 << 30
TARGET = "results/caffe_mde.json"

RECORD_AGAIN = """
import sys, time
# What every job imports anyway does not count.
import ssl4sar.core.atomic, ssl4sar.core.errors, ssl4sar.core.progress
start = time.perf_counter()
from pathlib import Path
from ssl4sar.provenance.record import JobRecord, path_from
from ssl4sar.provenance.recorder import JobFacts, Recorder
path = Path(sys.argv[1])
record = JobRecord.read(path)
project = path_from(path.parent, record.project)
facts = JobFacts(
    rule=record.rule, wildcards=record.wildcards, script=project / record.code.script,
    project=project, workdir=path_from(path.parent, record.workdir),
    inputs=[path_from(path.parent, e.path) for e in record.inputs],
    outputs=[path_from(path.parent, e.path) for e in record.outputs], temporary=frozenset(),
    record=path.with_name("." + path.name + ".again"),
    parameters={"source": record.code.digest, "cfg": record.cfg},
    config={"name": record.study, "read_from": {"file": "x", "overrides": {}}},
    threads=record.threads, resources={},
)
Recorder.begin(facts).finish()
facts.record.unlink()
print(time.perf_counter() - start)
"""


def recording_s(node: Node) -> float:
    """Return the seconds that making the record of a job takes, imports included."""
    environment = {**os.environ, "PYTHONPATH": str(node.project / "src")}
    command = [sys.executable, "-c", RECORD_AGAIN, str(node.claim.path)]
    times = [
        float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    return statistics.median(times)


def job_s(node: Node) -> float:
    """Return the seconds that a job took: from Snakemake's benchmark, else from its record."""
    folder = node.project / "benchmarks/results" / node.record.study
    values = "*".join(node.record.wildcards.values())
    for table in folder.glob(f"{node.record.rule}*{values}.tsv"):
        return float(table.read_text().splitlines()[1].split("\t")[0])
    return node.record.duration_s


def shares(nodes: list[Node]) -> None:
    """Print what recording costs, job by job and in all."""
    recorded, worked = 0.0, 0.0
    for node in reversed(nodes):
        cost_s, work_s = recording_s(node), job_s(node)
        recorded, worked = recorded + cost_s, worked + work_s
        print(f"  {node.record.job}: {cost_s:.3f} s of {work_s:.1f} s, {cost_s / work_s:.2%}")
    print(f"provenance is {recorded / worked:.2%} of all jobs (goal {GOAL_SHARE:.0%})")


def audit_rate(folder: Path) -> None:
    """Print the rate of an audit whose chain holds one big file, against hashing from memory."""
    block = os.urandom(1 << 24)
    start = time.perf_counter()
    plain = hashlib.sha256()
    for _ in range(BIG_FILE_BYTES // len(block)):
        plain.update(block)
    memory_s = time.perf_counter() - start
    chain = chain_of(folder / TARGET)
    # The first output of the result stands in for big data; its record is told its hash.
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".big") as stream:
        for _ in range(BIG_FILE_BYTES // len(block)):
            stream.write(block)
        stream.flush()
        root = chain.root
        big = root.record.outputs[0].model_copy(
            update={
                "path": os.path.relpath(stream.name, root.folder),
                "bytes": BIG_FILE_BYTES,
                "sha256": plain.hexdigest(),
            }
        )
        record = root.record.model_copy(update={"outputs": (big,), "inputs": ()})
        claim = type(root.claim)(root.claim.path, record, big)
        chain.root = Node(claim)
        chain.nodes = [chain.root]
        chain.gaps.clear()
        start = time.perf_counter()
        audit = audit_chain(chain, UserError("configuration", "not compared", ""))
        audit_s = time.perf_counter() - start
    assert not [p for p in audit.problems if p.kind == "altered"], audit.problems
    rate = BIG_FILE_BYTES / 1e9 / audit_s
    print(f"audit: {rate:.2f} GB/s on one core (goal {GOAL_GB_PER_S})")
    print(f"ratio to SHA-256 from memory: {audit_s / memory_s:.2f}")


def idle_run(folder: Path, arguments: list[str]) -> None:
    """Print the time of a run that has nothing to do."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--", TARGET]
    times = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - start)
        assert "Nothing to be done" in done.stdout + done.stderr, done.stderr
    idle_s = statistics.median(times)
    print(f"run with nothing to do: {idle_s:.1f} s (goal {GOAL_IDLE_S:.0f} s)")


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--configfile")
    options = parser.parse_args()
    project = options.project.resolve()
    shares(chain_of(project / TARGET).nodes)
    audit_rate(project)
    idle_run(project, ["--configfile", options.configfile] if options.configfile else [])


if __name__ == "__main__":
    main()
