"""Training: fine-tuning and both pretext tasks, which differ in samples, loss and validation.

``module``, ``run``, ``checkpointing`` and ``optimisation`` are common to all; ``finetune*`` belong
to the zones, ``pretrain*`` and ``pair_*`` to the pretext tasks.
"""
