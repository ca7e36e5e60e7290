"""Fine-tuning for zones: crops, augmentation, losses, validation."""
