# Sentinel-1 and Sentinel-2: a search frozen to inventories, then products, orbits, elevation. What
# is built starts from the inventories: a missing one is searched for, a new search is a target.


checkpoint search_scenes:
    """Search the scenes of a glacier and freeze what the catalogue lists."""
    output:
        # A search that fails must not cost the frozen inventory: `update` saves and restores it.
        inventory=update("data/inventory/{glacier}/inventory.jsonl"),
        left_out=shown(update("data/inventory/{glacier}/left_out.csv"), "left_out"),
        choice=shown(
            update("data/inventory/{glacier}/optical_choice.csv"), "optical_choice"
        ),
        provenance=update("data/inventory/{glacier}/inventory.provenance.json"),
    localrule: True
    resources:
        **STUDY.asks("search_scenes", 1000, 60, connections=1),
    params:
        **STUDY.given(
            "search_scenes",
            "sentinel",
            "optical",
            service=STUDY.acquisition.search_service,
            searched_utc=STUDY.acquisition.searched_utc,
            glacier=STUDY.acquisition.glacier,
        ),
    script:
        "../scripts/search_scenes.py"


STUDY.acquisition.search_by(checkpoints.search_scenes)


rule inventory_overview:
    """Draw what the inventories hold: scenes over time, and where the glaciers are."""
    input:
        inventories=STUDY.acquisition.inventory_files,
    output:
        picture=shown(f"{STUDY.run}/sentinel/inventory.png", "inventory"),
        areas=shown(f"{STUDY.run}/sentinel/areas.png", "areas"),
        provenance=f"{STUDY.run}/sentinel/inventory.provenance.json",
    localrule: True
    resources:
        **STUDY.asks("inventory_overview", 2000, 10),
    params:
        **STUDY.given("inventory_overview", glaciers=STUDY.acquisition.features),
    script:
        "../scripts/inventory_overview.py"


rule fetch_scene:
    """Fetch one product of the inventories, verified, resuming where an earlier try stopped."""
    output:
        # The product is in a folder beside them, which a rerun reuses: see ssl4sar.acquire.fetch.
        # The manifest is the input of what reads the product: it changes only with its files. What
        # stands for the files beside it is a mark, or the folder itself if it is removed after use.
        **STUDY.acquisition.raw_output,
        manifest="data/scenes/{product}.manifest.json",
        record="data/scenes/{product}.json",
        provenance="data/scenes/{product}.provenance.json",
    localrule: True
    resources:
        **STUDY.asks("fetch_scene", 500, 240, connections=1),
    params:
        **STUDY.given(
            "fetch_scene",
            "sentinel.polarisation",
            deciding=STUDY.acquisition.fetch_service,
            product=STUDY.acquisition.product,
            cached=["data/scenes/{product}"],
            # In both cases, or another choice would fetch all products again.
            temporary=["data/scenes/{product}.raw"],
        ),
    script:
        "../scripts/fetch_scene.py"


rule fetch_orbit:
    """Fetch a file of precise or restituted orbits and check that it is what it says."""
    output:
        record="data/orbits/{orbit}.json",
        provenance="data/orbits/{orbit}.provenance.json",
    localrule: True
    resources:
        **STUDY.asks("fetch_orbit", 500, 60, connections=1),
    params:
        **STUDY.given(
            "fetch_orbit",
            orbit=STUDY.acquisition.orbit,
            cached=["data/orbits/{orbit}.EOF"],
        ),
    script:
        "../scripts/fetch_orbit.py"


rule scenes_report:
    """List what was fetched and what is missing; fail if too much is missing."""
    input:
        scenes=STUDY.acquisition.scene_records,
        orbits=STUDY.acquisition.orbit_records,
    output:
        summary=f"{STUDY.run}/sentinel/scenes.json",
        table=shown(f"{STUDY.run}/sentinel/scenes.csv", "acquired"),
        provenance=f"{STUDY.run}/sentinel/scenes.provenance.json",
    log:
        f"logs/{STUDY.config.name}/scenes_report.log",
        # Written before the job fails for what is missing, when its outputs are deleted.
        problems=f"logs/{STUDY.config.name}/scenes_report.csv",
    localrule: True
    resources:
        **STUDY.asks("scenes_report", 1000, 30),
    params:
        **STUDY.given(
            "scenes_report", "acquisition.max_missing", "acquisition.leave_out"
        ),
    script:
        "../scripts/scenes_report.py"


rule fetch_elevation_list:
    """Fetch the list of all tiles of the Copernicus DEM GLO-30: what is not in it is sea."""
    output:
        listing="data/elevation/tile_list.txt",
        provenance="data/elevation/tile_list.provenance.json",
    localrule: True
    resources:
        **STUDY.asks("fetch_elevation_list", 500, 30, connections=1),
    params:
        **STUDY.given(
            "fetch_elevation_list", deciding=STUDY.cfg("elevation.tile_list_url")
        ),
    script:
        "../scripts/fetch_elevation_list.py"


rule fetch_elevation_tile:
    """Fetch a tile of the Copernicus DEM GLO-30, or record that it is all sea."""
    input:
        listing=ancient("data/elevation/tile_list.txt"),
    output:
        record="data/elevation/tiles/{tile}.json",
        provenance="data/elevation/tiles/{tile}.provenance.json",
    localrule: True
    resources:
        **STUDY.asks("fetch_elevation_tile", 500, 60, connections=1),
    params:
        **STUDY.given(
            "fetch_elevation_tile",
            deciding=STUDY.cfg("elevation.tile_url"),
            cached=["data/elevation/tiles/{tile}.tif"],
        ),
    script:
        "../scripts/fetch_elevation_tile.py"


rule fetch_geoid:
    """Fetch the grid of geoid heights over the ellipsoid."""
    output:
        # The grid is beside it, and a rerun reuses it.
        record="data/geoid/geoid.tif.json",
        provenance="data/geoid/geoid.provenance.json",
    localrule: True
    resources:
        **STUDY.asks("fetch_geoid", 500, 60, connections=1),
    params:
        **STUDY.given(
            "fetch_geoid",
            deciding=STUDY.cfg(
                "elevation.geoid_url",
                "elevation.geoid_sha256",
                "elevation.geoid_model",
            ),
            cached=["data/geoid/geoid.tif"],
        ),
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
        picture=shown("data/elevation/{glacier}.png", "elevation"),
        provenance="data/elevation/{glacier}.provenance.json",
    resources:
        **STUDY.asks("mosaic_elevation", 2000, 20),
    params:
        **STUDY.given(
            "mosaic_elevation", "elevation", glacier=STUDY.acquisition.glacier
        ),
    script:
        "../scripts/mosaic_elevation.py"
