"""A project in miniature whose jobs leave real records: raw file -> cut -> two counts -> sum."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssl4sar.config.loading import read_config, study_from
from ssl4sar.config.study import StudyConfig
from ssl4sar.provenance.chain import Chain, chain_of
from ssl4sar.provenance.digest import source_digest
from ssl4sar.provenance.recorder import JobFacts, Recorder

CONFIG = "name: tiny\nseeds: [0, 1]\ntraining:\n  epochs: 2\n  learning_rate: 0.002\n"
SOURCES = {
    "workflow/scripts/cut.py": "import ssl4sar.core.cutting\n",
    "workflow/scripts/count.py": "import ssl4sar.train.counting\n",
    "workflow/scripts/total.py": "import ssl4sar.report.adding\n",
    "src/ssl4sar/__init__.py": "",
    "src/ssl4sar/core/__init__.py": "",
    "src/ssl4sar/core/cutting.py": "WIDTH = 3\n",
    "src/ssl4sar/train/__init__.py": "",
    "src/ssl4sar/train/counting.py": "from ssl4sar.core import cutting\n",
    "src/ssl4sar/report/__init__.py": "",
    "src/ssl4sar/report/adding.py": "",
}


@dataclass
class RecordedProject:
    """The project; ``make`` runs its four jobs."""

    root: Path
    outside: Path
    temporary: frozenset[str] = frozenset()
    overrides: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        for name, text in {**SOURCES, "config/tiny.yaml": CONFIG}.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)
        self.outside.parent.mkdir(parents=True, exist_ok=True)
        self.outside.write_text("abcabcabd")

    @property
    def config(self) -> StudyConfig:
        path = self.root / "config/tiny.yaml"
        return study_from({**read_config(path), **self.overrides}, path)

    @property
    def result(self) -> Path:
        return self.root / "results/total.json"

    def facts(
        self,
        rule: str,
        inputs: list[Path],
        outputs: list[str],
        cfg: Mapping[str, Any],
        **wildcards: str,
    ) -> JobFacts:
        script = self.root / "workflow/scripts" / f"{rule}.py"
        first = self.root / outputs[0]
        return JobFacts(
            rule=rule,
            wildcards=wildcards,
            script=script,
            project=self.root,
            workdir=self.root,
            inputs=inputs,
            outputs=[self.root / name for name in outputs],
            temporary=frozenset(self.root / name for name in self.temporary),
            record=first.with_name(f"{first.name.split('.')[0]}.provenance.json"),
            parameters={"source": source_digest(script, self.root / "src"), "cfg": dict(cfg)},
            config={
                **self.config.model_dump(mode="json"),
                "read_from": {
                    "file": str(self.root / "config/tiny.yaml"),
                    "overrides": self.overrides,
                },
            },
            threads=2,
            resources={"mem_mb": 100},
        )

    def cut(self) -> None:
        facts = self.facts("cut", [self.outside], ["runs/tiny/pieces", "runs/tiny/pieces.txt"], {})
        recorder = Recorder.begin(facts)
        text = self.outside.read_text()
        for place in range(0, len(text), 3):
            piece = self.root / f"runs/tiny/pieces/sub/{place}.txt"
            piece.parent.mkdir(parents=True, exist_ok=True)
            piece.write_text(text[place : place + 3])
        (self.root / "runs/tiny/pieces.txt").write_text(text.upper())
        recorder.finish()

    def count(self, seed: int) -> None:
        inputs = [self.root / "runs/tiny/pieces", self.root / "runs/tiny/pieces.txt"]
        training = self.config.training
        cfg = {"training": {"epochs": training.epochs, "learning_rate": training.learning_rate}}
        facts = self.facts(
            "count", inputs, [f"runs/tiny/count{seed}.json"], cfg, member=f"seed{seed}"
        )
        recorder = Recorder.begin(facts)
        letters = "".join(sorted(path.read_text() for path in inputs[0].rglob("*.txt")))
        counted = letters.count("a") * training.epochs * training.learning_rate + seed
        facts.outputs[0].write_text(json.dumps(counted))
        recorder.finish()

    def total(self) -> None:
        inputs = [self.root / f"runs/tiny/count{seed}.json" for seed in self.config.seeds]
        cfg = {"name": self.config.name, "seeds": list(self.config.seeds)}
        facts = self.facts("total", inputs, ["results/total.json"], cfg)
        recorder = Recorder.begin(facts)
        self.result.parent.mkdir(exist_ok=True)
        self.result.write_text(json.dumps(sum(json.loads(p.read_text()) for p in inputs)))
        recorder.finish()

    def make(self) -> None:
        self.cut()
        for seed in self.config.seeds:
            self.count(seed)
        self.total()

    def chain(self) -> Chain:
        return chain_of(self.result)
