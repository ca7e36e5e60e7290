"""Fine-tuning: crops, batched augmentation, losses, the Lightning module and its checkpoints."""
