"""The loader gives the same crops whoever reads them."""

from __future__ import annotations

import torch

from ssl4sar.config.training import AugmentationConfig
from ssl4sar.dataset.store import Store
from ssl4sar.train.finetune.crops import CropDataset
from ssl4sar.train.loop.data import TrainingCrops
from ssl4sar.train.loop.sampling import SampleDrawer, SceneShape


def crops(store_path, workers, pin_memory=False):
    store = Store.open(store_path)
    drawer = SampleDrawer(
        [SceneShape(scene.glacier, scene.height, scene.width) for scene in store.scenes],
        input_px=64,
        target_px=32,
        augmentation=AugmentationConfig(),
        sampling="images",
        samples_per_epoch=11,
        seed=1,
    )
    dataset = CropDataset(store, tuple(range(len(store.scenes))), drawer)
    return TrainingCrops(
        dataset, samples_per_epoch=11, batch_size=4, workers=workers, pin_memory=pin_memory
    )


def read(loader, epoch):
    loader.sampler.set_epoch(epoch)
    return list(loader)


def test_workers_read_what_the_process_itself_reads(tiny_store):
    alone = crops(tiny_store, 0).train_dataloader()
    shared = crops(tiny_store, 2).train_dataloader()
    for epoch in (0, 1):
        one, other = read(alone, epoch), read(shared, epoch)
        assert [len(batch) for batch in one] == [4, 4, 3]
        assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(one, other, strict=True))
        assert [batch.draws for batch in one] == [batch.draws for batch in other]


def test_epochs_differ_and_reading_leaves_the_global_random_state(tiny_store):
    loader = crops(tiny_store, 0).train_dataloader()
    before = torch.get_rng_state()
    first, second = read(loader, 0), read(loader, 1)
    assert first[0].draws != second[0].draws
    assert torch.equal(torch.get_rng_state(), before)
