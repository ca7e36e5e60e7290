# Entry of the workflow: minimum version, configuration check, stages, default target.
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")

# Not `workflow.basedir`, which is the folder of a workflow that uses this one as a module.
BASE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
if not (BASE / "src" / "ssl4sar").is_dir():
    sys.exit(
        f"ssl4sar: error: {BASE}: the package is missing; use the Snakefile of a clone"
    )
sys.path.insert(0, str(BASE / "src"))

from ssl4sar.config.models import TASKS
from ssl4sar.core.errors import UserError
from ssl4sar.workflow.entry import study_of
from ssl4sar.workflow.rule_parts import ReportPages, complete_rules

try:
    STUDY = study_of(workflow, config, BASE)
except UserError as error:
    sys.exit(f"ssl4sar: error: {error}")

shown = ReportPages(BASE / "workflow/report/pages.yaml").shown

# Reports and jobs see the whole validated configuration, defaults and shortcuts resolved. A new
# dictionary: that of a workflow around this one stays as it is.
config = STUDY.as_config()


wildcard_constraints:
    model="|".join(STUDY.config.models),
    member="|".join(STUDY.members),
    task="|".join(TASKS),
    glacier="[A-Za-z0-9]+",
    product="[A-Za-z0-9][A-Za-z0-9_.-]*",
    orbit="[A-Za-z0-9][A-Za-z0-9_-]*",
    tile="[A-Za-z0-9][A-Za-z0-9_]*",
    batch="[0-9]+",


# Priority of the long way, from raw scenes to a pretraining: what the fine-tuning needs besides can
# be made beside it.
AHEAD = 1


include: "workflow/rules/acquire.smk"
include: "workflow/rules/sentinel.smk"
include: "workflow/rules/stack.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/evaluate.smk"


complete_rules(workflow.rules, STUDY)


report: "workflow/report/workflow.rst"


rule retrieve:
    """Everything that comes over the network; for a machine that has one, before the rest."""
    input:
        STUDY.retrieved,
        STUDY.retrieved_scenes,
    localrule: True
    message:
        STUDY.retrieval


rule inventory:
    """Inventories of all glaciers: what there is to fetch; searches for those that are missing."""
    input:
        STUDY.acquisition.inventory_files,
        f"{STUDY.run}/sentinel/inventory.png",
    localrule: True


rule refresh:
    """Inventories of all glaciers, searched for again."""
    input:
        STUDY.acquisition.inventory_files,
        f"{STUDY.run}/sentinel/inventory.png",
    localrule: True


rule scenes:
    """All products of the inventories, fetched and verified, and a list of what is missing."""
    input:
        STUDY.acquisition.missing_inventories,
        f"{STUDY.run}/sentinel/scenes.json",
        # Or a record that was deleted would not be missed beside a finished list.
        STUDY.acquisition.lost_record,
    localrule: True
    params:
        forecast=STUDY.acquisition.forecast,
    message:
        "{params.forecast}"


rule elevation:
    """Elevation models of all glaciers."""
    input:
        STUDY.acquisition.elevation_files,
    localrule: True


rule stack:
    """Stacks of all glaciers: geocoded scenes on one grid each, with their shifts."""
    input:
        STUDY.stacking.records,
    localrule: True


rule dataset:
    """The dataset of the pretraining, checked; of source sentinel it is built from raw scenes."""
    input:
        rules.validate_pairs.output.manifest,
    localrule: True


rule all:
    default_target: True
    input:
        "results/caffe_mde.json",
        "results/pretraining_comparison.json" if len(STUDY.config.compared) > 1 else [],
    localrule: True
