# Sentinel-1 and Sentinel-2: a search frozen to inventories, then products, orbits, elevation. What
# is built starts from the inventories; a new search is a target of its own.


rule search_scenes:
    """Search the scenes of a glacier and freeze what the catalogue lists."""
    output:
        # A search that fails must not cost the frozen inventory: `update` keeps and restores it.
        inventory=update("data/inventory/{glacier}/inventory.jsonl"),
        left_out=report(
            update("data/inventory/{glacier}/left_out.csv"),
            category="1 Data",
            subcategory="acquisition",
            caption="../report/left_out.rst",
            labels={"what": "products left out", "glacier": "{glacier}"},
        ),
        choice=report(
            update("data/inventory/{glacier}/optical_choice.csv"),
            category="1 Data",
            subcategory="acquisition",
            caption="../report/optical_choice.rst",
            labels={"what": "choice of the optical image", "glacier": "{glacier}"},
        ),
        provenance=update("data/inventory/{glacier}/inventory.provenance.json"),
    log:
        "logs/search_scenes/{glacier}.log",
    benchmark:
        "benchmarks/results/search_scenes/{glacier}.tsv"
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("search_scenes", 1000),
        runtime=STUDY.runtime("search_scenes", 60),
        connections=1,
    params:
        source=STUDY.source("search_scenes"),
        cfg=STUDY.cfg("sentinel", "optical"),
        service=STUDY.acquisition.search_service,
        searched_utc=STUDY.acquisition.searched_utc,
        glacier=STUDY.acquisition.glacier,
    script:
        "../scripts/search_scenes.py"


rule inventory_overview:
    """Draw what the inventories hold: scenes over time, and where the glaciers lie."""
    input:
        inventories=STUDY.acquisition.inventory_files,
    output:
        picture=report(
            f"{STUDY.run}/sentinel/inventory.png",
            category="1 Data",
            subcategory="acquisition",
            caption="../report/inventory.rst",
            labels={"what": "scenes over time"},
        ),
        areas=report(
            f"{STUDY.run}/sentinel/areas.png",
            category="1 Data",
            subcategory="acquisition",
            caption="../report/areas.rst",
            labels={"what": "where the glaciers lie"},
        ),
        provenance=f"{STUDY.run}/sentinel/inventory.provenance.json",
    log:
        f"logs/{STUDY.config.name}/inventory_overview.log",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/inventory_overview.tsv"
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("inventory_overview", 2000),
        runtime=STUDY.runtime("inventory_overview", 10),
    params:
        source=STUDY.source("inventory_overview"),
        cfg={},
        glaciers=STUDY.acquisition.features,
    script:
        "../scripts/inventory_overview.py"


rule fetch_scene:
    """Fetch one product of the inventories, verified, going on where an earlier try stopped."""
    output:
        # The product itself lies beside the record and is kept: see ssl4sar.acquire.fetch.
        record="data/scenes/{product}.json",
        provenance="data/scenes/{product}.provenance.json",
    log:
        "logs/fetch_scene/{product}.log",
    benchmark:
        "benchmarks/results/fetch_scene/{product}.tsv"
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("fetch_scene", 500),
        runtime=STUDY.runtime("fetch_scene", 240),
        connections=1,
    params:
        source=STUDY.source("fetch_scene"),
        cfg=STUDY.cfg("sentinel.polarisation"),
        deciding=STUDY.acquisition.fetch_service,
        product=STUDY.acquisition.product,
        kept=STUDY.acquisition.product_folder,
    script:
        "../scripts/fetch_scene.py"


rule fetch_orbit:
    """Fetch a file of precise or restituted orbits and check that it is what it says."""
    output:
        record="data/orbits/{orbit}.json",
        provenance="data/orbits/{orbit}.provenance.json",
    log:
        "logs/fetch_orbit/{orbit}.log",
    benchmark:
        "benchmarks/results/fetch_orbit/{orbit}.tsv"
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("fetch_orbit", 500),
        runtime=STUDY.runtime("fetch_orbit", 60),
        connections=1,
    params:
        source=STUDY.source("fetch_orbit"),
        cfg={},
        orbit=STUDY.acquisition.orbit,
        kept=STUDY.acquisition.orbit_file,
    script:
        "../scripts/fetch_orbit.py"


rule scenes_report:
    """List what was fetched and what is missing; fail if too much is missing."""
    input:
        scenes=STUDY.acquisition.scene_records,
        orbits=STUDY.acquisition.orbit_records,
    output:
        summary=f"{STUDY.run}/sentinel/scenes.json",
        table=report(
            f"{STUDY.run}/sentinel/scenes.csv",
            category="1 Data",
            subcategory="acquisition",
            caption="../report/acquired.rst",
            labels={"what": "products fetched and missing"},
        ),
        provenance=f"{STUDY.run}/sentinel/scenes.provenance.json",
    log:
        f"logs/{STUDY.config.name}/scenes_report.log",
        # Written before the job fails for what is missing, when its outputs are deleted.
        problems=f"logs/{STUDY.config.name}/scenes_report.csv",
    benchmark:
        f"benchmarks/results/{STUDY.config.name}/scenes_report.tsv"
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("scenes_report", 1000),
        runtime=STUDY.runtime("scenes_report", 30),
    params:
        source=STUDY.source("scenes_report"),
        cfg=STUDY.cfg("acquisition.max_missing", "acquisition.leave_out"),
    script:
        "../scripts/scenes_report.py"


rule fetch_elevation_list:
    """Fetch the list of all tiles of the Copernicus DEM GLO-30: what is not in it is sea."""
    output:
        listing="data/elevation/tile_list.txt",
        provenance="data/elevation/tile_list.provenance.json",
    log:
        "logs/fetch_elevation_list.log",
    benchmark:
        "benchmarks/results/fetch_elevation_list.tsv"
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("fetch_elevation_list", 500),
        runtime=STUDY.runtime("fetch_elevation_list", 30),
        connections=1,
    params:
        source=STUDY.source("fetch_elevation_list"),
        cfg={},
        deciding=STUDY.cfg("elevation.tile_list_url"),
    script:
        "../scripts/fetch_elevation_list.py"


rule fetch_elevation_tile:
    """Fetch a tile of the Copernicus DEM GLO-30, or record that it is all sea."""
    input:
        listing=ancient(STUDY.acquisition.tile_list),
    output:
        record="data/elevation/tiles/{tile}.json",
        provenance="data/elevation/tiles/{tile}.provenance.json",
    log:
        "logs/fetch_elevation_tile/{tile}.log",
    benchmark:
        "benchmarks/results/fetch_elevation_tile/{tile}.tsv"
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("fetch_elevation_tile", 500),
        runtime=STUDY.runtime("fetch_elevation_tile", 60),
        connections=1,
    params:
        source=STUDY.source("fetch_elevation_tile"),
        cfg={},
        deciding=STUDY.cfg("elevation.tile_url"),
        kept=STUDY.acquisition.tile_file,
    script:
        "../scripts/fetch_elevation_tile.py"


rule fetch_geoid:
    """Fetch the grid of geoid heights over the ellipsoid."""
    output:
        # The grid itself lies beside it and is kept.
        record="data/geoid/geoid.tif.json",
        provenance="data/geoid/geoid.provenance.json",
    log:
        "logs/fetch_geoid.log",
    benchmark:
        "benchmarks/results/fetch_geoid.tsv"
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("fetch_geoid", 500),
        runtime=STUDY.runtime("fetch_geoid", 60),
        connections=1,
    params:
        source=STUDY.source("fetch_geoid"),
        cfg={},
        deciding=STUDY.cfg(
            "elevation.geoid_url", "elevation.geoid_sha256", "elevation.geoid_model"
        ),
        kept=STUDY.acquisition.geoid_file,
    script:
        "../scripts/fetch_geoid.py"


rule mosaic_elevation:
    """Put the elevation tiles of a glacier together; fill small voids and flag them."""
    input:
        tiles=STUDY.acquisition.tile_records,
        geoid=STUDY.acquisition.geoid_record,
    output:
        elevation="data/elevation/{glacier}.tif",
        record="data/elevation/{glacier}.json",
        picture=report(
            "data/elevation/{glacier}.png",
            category="1 Data",
            subcategory="elevation",
            caption="../report/elevation.rst",
            labels={"what": "elevation model", "glacier": "{glacier}"},
        ),
        provenance="data/elevation/{glacier}.provenance.json",
    log:
        "logs/mosaic_elevation/{glacier}.log",
    benchmark:
        "benchmarks/results/mosaic_elevation/{glacier}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=STUDY.mem_mb("mosaic_elevation", 2000),
        runtime=STUDY.runtime("mosaic_elevation", 20),
    params:
        source=STUDY.source("mosaic_elevation"),
        cfg=STUDY.cfg("elevation"),
        glacier=STUDY.acquisition.glacier,
    script:
        "../scripts/mosaic_elevation.py"
