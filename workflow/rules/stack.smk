# From raw scenes to the pretraining dataset: one grid per glacier, the check of its co-registration,
# and the images that the pretraining reads (docs/stack.md).


rule render_elevation:
    """Render the elevation model of a SYNTHETIC glacier, which no service has."""
    output:
        elevation="data/elevation/synthetic/{glacier}.tif",
        picture=shown("data/elevation/synthetic/{glacier}.png", "rendered_elevation"),
        provenance="data/elevation/synthetic/{glacier}.provenance.json",
    priority: AHEAD
    resources:
        **STUDY.asks("render_elevation", 2000, 10),
    params:
        **STUDY.given(
            "render_elevation", "pair_scene", glacier=STUDY.acquisition.glacier
        ),
    script:
        "../scripts/render_elevation.py"


rule stack_scenes:
    """Geocode a batch of scenes for all glaciers that list them; what fails is recorded.

    The batch is in the folder of the first of these glaciers.
    """
    input:
        # What a product holds is in its manifest, which changes with its files alone.
        manifests=STUDY.stacking.batch_manifests,
        # Its time says nothing; where products are removed after use, it holds them until then.
        raw=ancient(STUDY.stacking.batch_raw),
        orbits=STUDY.stacking.batch_orbits,
        elevations=STUDY.stacking.batch_elevations,
    output:
        record=shown("data/stack/{glacier}/{batch}/stack.json", "stack_batch"),
        images=directory("data/stack/{glacier}/{batch}/images"),
        provenance="data/stack/{glacier}/{batch}/stack.provenance.json",
    priority: AHEAD
    conda:
        STUDY.stacking.geocoding_environment
    resources:
        **STUDY.asks(
            "stack_scenes",
            STUDY.stacking.geocoding_mem_mb,
            STUDY.stacking.geocoding_min,
        ),
    params:
        **STUDY.given(
            "stack_scenes",
            "sentinel.polarisation",
            "stack.spacing_m",
            "stack.quantity",
            "stack.remove_noise",
            "stack.engine",
            "stack.snap_timeout_min",
            glaciers=STUDY.stacking.batch_glaciers,
            scenes_of=STUDY.stacking.scenes_of,
            orbit_of=STUDY.stacking.orbit_of,
            modules=STUDY.stacking.engine_modules,
        ),
    script:
        "../scripts/stack_scenes.py"


rule optical_image:
    """Put the optical image of a glacier on the grid of its scenes."""
    input:
        manifests=STUDY.stacking.optical_manifests,
        raw=ancient(STUDY.stacking.optical_raw),
    output:
        image="data/stack/{glacier}/optical.tif",
        facts=shown("data/stack/{glacier}/optical.json", "optical"),
        provenance="data/stack/{glacier}/optical.provenance.json",
    priority: AHEAD
    resources:
        **STUDY.asks("optical_image", 4000, 30),
    params:
        **STUDY.given(
            "optical_image", "stack.spacing_m", glacier=STUDY.acquisition.glacier
        ),
    script:
        "../scripts/optical_image.py"


rule check_stack:
    """Measure the shift of every scene of a glacier against its track; list them as STAC items."""
    input:
        batches=STUDY.stacking.batch_records,
        # The records hold the hash of every image; a folder's time stamp says nothing.
        images=ancient(STUDY.stacking.batch_images),
        optical=rules.optical_image.output.image,
        # For a picture alone: of a product that was removed it says so.
        drawn=STUDY.stacking.first_manifest,
        elevation=STUDY.stacking.elevation,
    output:
        record="data/stack/{glacier}/stack.json",
        table=shown("data/stack/{glacier}/shifts.csv", "shifts"),
        shifts=shown("data/stack/{glacier}/shifts.png", "coregistration"),
        scenes=shown("data/stack/{glacier}/scenes.png", "quick_looks"),
        optical=shown("data/stack/{glacier}/optical.png", "optical_picture"),
        raw=shown("data/stack/{glacier}/raw.png", "raw_scene"),
        stac=directory("data/stack/{glacier}/stac"),
        provenance="data/stack/{glacier}/stack.provenance.json",
    priority: AHEAD
    resources:
        **STUDY.asks("check_stack", 4000, 60),
    params:
        **STUDY.given("check_stack", "stack.low_db", "stack.high_db"),
    script:
        "../scripts/check_stack.py"


rule build_dataset:
    """Write the pretraining dataset of all glaciers: 8-bit images, optical partners, manifest."""
    input:
        stacks=STUDY.stacking.records,
        images=ancient(STUDY.stacking.images),
        optical=STUDY.stacking.optical_images,
    output:
        folder=shown(directory(f"{STUDY.run}/ssl4sar/built"), "built_dataset"),
        listing=shown(f"{STUDY.run}/ssl4sar/built.json", "built_pairs"),
        provenance=f"{STUDY.run}/ssl4sar/built.provenance.json",
    priority: AHEAD
    resources:
        **STUDY.asks("build_dataset", 4000, 120),
    params:
        **STUDY.given(
            "build_dataset",
            "ssl4sar.test_glaciers",
            "ssl4sar.allow_test_glaciers",
            "stack.low_db",
            "stack.high_db",
            "stack.val_glaciers",
            "stack.val_fraction",
            "stack.leave_out_flagged",
            "stack.apply_shift",
            "stack.mask_layover_shadow",
        ),
    script:
        "../scripts/build_dataset.py"
