"""Fine-tuning on this device; torch only in the worker's process."""
